"""What `python run.py --help` prints, made from the folders of conf/ without Hydra, which takes a second to load."""

import argparse
import re
import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path

from benchmarks.command import CONF

WIDEST = 120  # letters of a line, however wide the terminal is
TEXT = """\
Explain, score and record. One command computes one cell, or with -m all combinations of what has a comma.

  python run.py method=grad_cam                       one cell
  python run.py -m method=grad_cam,rise seed=0,1      a sweep; method='glob(*)' stands for all
  python run.py experiment=quick                      a sweep that is written down in conf/experiment
  python -m results outputs/NAME                      the tables of a sweep

Entries, chosen by GROUP=NAME, metrics by metric=[NAME,NAME]:

{groups}

Settings of all runs, changed by KEY=VALUE:

{settings}

An entry has settings of its own, such as method.masks=500. This command shows all that method=rise has:

  python run.py method=rise --cfg job --package method

Flags, which may stand anywhere:

  -m, --multirun           run all combinations
  --config-dir DIR         add entries of your own: DIR/method/mine.yaml is method=mine
  --cfg job                show the config instead of running it; --resolve fills in its values
  --info defaults-tree     show the files that the config is made of
  --hydra-help             show the other flags, and what launchers and hydra.* can do

  eval "$(python run.py -sc install=bash)" switches on tab completion.

Read more in docs/start.md, docs/sweeps.md and docs/reference/settings.md."""


def asked(arguments: Sequence[str]) -> bool:
    """Return whether a command asks for this text."""
    return not {"-h", "--help"}.isdisjoint(arguments)


def answer(arguments: Sequence[str]) -> str:
    """Return the text, wrapped to the terminal, with the entries in conf/ and in the command's `--config-dir`."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config-dir", "-cd", type=Path, action="append", default=[CONF])
    folders = parser.parse_known_args(arguments)[0].config_dir
    files = [path.relative_to(folder) for folder in folders for path in sorted(folder.rglob("*.yaml"))]
    groups = {path.parent.as_posix() for path in files} - {"."}
    entries = {group: sorted({path.stem for path in files if path.parent.as_posix() == group}) for group in groups}
    width = min(shutil.get_terminal_size((100, 24)).columns, WIDEST)
    return TEXT.format(groups=listed(entries, width), settings=textwrap.indent(settings(), "  "))


def listed(entries: dict[str, list[str]], width: int) -> str:
    """Return groups with the names of their entries behind them."""
    indent = 4 + max(map(len, entries))
    rows = [
        textwrap.fill(
            ", ".join(names),
            width,
            initial_indent=f"  {group}".ljust(indent),
            subsequent_indent=" " * indent,
            break_on_hyphens=False,
        )
        for group, names in sorted(entries.items())
    ]
    return "\n".join(rows)


def settings() -> str:
    """Return the settings in config.yaml with their comments, but those of Hydra and of classes."""
    blocks = re.split(r"\n\n+", (CONF / "config.yaml").read_text().strip())
    return "\n".join(block for block in blocks if not re.search(r"^(defaults|hydra|  _target_):", block, re.M))
