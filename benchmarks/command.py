"""The manners of the command line: an error is one sentence and exit code 1, unless `debug=true`."""

import difflib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn, TextIO

# Idle OpenMP threads that spin slow a second process down many times over; torch reads this when it loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# A tracking server that is down must cost seconds, not the minutes of MLflow's own retries.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")


CONF = Path(__file__).parents[1] / "conf"
MOST = 12  # names that an error lists; --help lists all


def start(run: Callable[[], None]) -> None:
    """Call Hydra's `run` with the flags of the command line behind its overrides, wherever they stood.

    A setting such as `method.masks=20` beside `method=rise,lime` is one of each job. Hydra reads it once more for the
    entry that would run without a sweep, which may not have it: then such settings are made sweeps over one value.
    """
    from hydra.errors import ConfigCompositionException

    sys.argv[1:] = arranged(sys.argv[1:])
    try:
        run()
    except ConfigCompositionException as error:
        before = sys.argv[1:]
        sys.argv[1:] = [re.sub(r"^(?!hydra)(\w+\.[\w.]+)=([^,(]+|\[.*\])$", r"\1=choice(\2)", word) for word in before]
        if sys.argv[1:] == before:
            raise
        try:
            run()
        except ConfigCompositionException as other:
            raise error if "--multirun" in str(other) else other  # noqa: B904 (with its own cause)


def arranged(arguments: Sequence[str]) -> list[str]:
    """Return overrides first and flags behind them; Hydra does not read flags between overrides."""
    from hydra._internal.utils import get_args_parser

    def refuse(message: str) -> NoReturn:
        raise ValueError(f"{message}; --help shows how a command is written")

    parser = get_args_parser()
    parser.error = refuse
    overrides, flags = parser.parse_intermixed_args(arguments).overrides, list(arguments)
    for override in overrides:
        flags.remove(override)
    return [*overrides, *flags]


def innermost(error: BaseException) -> BaseException:
    """Return the error that Hydra and OmegaConf have wrapped in their own: it names the offender."""
    while error.__cause__ is not None and type(error).__module__.startswith(("hydra", "omegaconf")):
        error = error.__cause__
    return error


def hint(name: str, options: Sequence[str]) -> str:
    """Return the option that is meant, or all that there are."""
    near = difflib.get_close_matches(name, options, n=1)
    return f"did you mean {near[0]}?" if near else f"there is {listing(options) or 'none'}"


def listing(names: Sequence[str]) -> str:
    """Return the first names, separated by commas, and how many more there are."""
    more = len(names) - MOST
    return ", ".join([*names[:MOST], f"and {more} more"] if more > 1 else names)


def unknown(key: str, error: Exception) -> str:
    """Say that a setting does not exist, and which ones stand beside it."""
    from omegaconf import DictConfig, OmegaConf

    node, (group, _, name) = error.parent_node, key.rpartition(".")
    node = node if isinstance(node, DictConfig) else OmegaConf.create()
    beside = [str(other) for other in node if not str(other).startswith("_")]
    groups = [] if group else sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name != name)
    owner = str(node.get("_target_") or "").rpartition(".")[2] if group else ""
    budget = node._get_root().get("budget") or {} if group else {}
    said = f"budget.{name} sets it for every entry that reads it" if name in budget else hint(name, [*beside, *groups])
    return f"{key} is not a setting{f' of {owner}' if owner else ''}; {said}"


def brought(group: str) -> str:
    """Say which benchmarks have a group of entries, or how else it is added."""
    files = sorted((CONF / "benchmark").glob("*.yaml"))
    kinds = [path.stem for path in files if re.search(rf"^ *entry:[^#]*\b{group}\b", path.read_text(), re.M)]
    return f"it belongs to benchmark={' or '.join(kinds)}" if kinds else f"+{group}=NAME adds it"


def reworded(said: str) -> str:
    """Return in plain words what Hydra says of a command or a file; "" for what is plain already."""
    if several := re.match(r"Ambiguous value for argument '(([^=]+)=(.*?))'", said):
        return f"{several[1]} needs -m, which tries each value; a list is written {several[2]}=[{several[3]}]"
    if several := re.match(r"Sweep parameters '(.+)' requires --multirun", said):
        return f"{several[1]} needs -m, which tries each value"
    if group := re.match(r"Could not override '([^.@]+)'.* No match in the defaults list", said):
        return f"{group[1]} is no part of this run; {brought(group[1])}"
    if listed := re.match(r"In '(.+)': ConfigTypeError .*DictConfig with ListConfig", said):
        return (
            f"{listed[1]}.yaml has a list where settings belong, perhaps behind `metric:`; "
            "entries are chosen under `defaults`, as in `- override /metric: [NAME,NAME]`"
        )
    groups = {path.name for path in CONF.iterdir() if path.is_dir()}
    nothing = [word for word in sys.argv[1:] if word.removesuffix("=null") in groups]
    if nothing and said.startswith("Config group override must be a string or a list"):
        return f"{' '.join(nothing)} is not an entry; leave it out"
    return ""


def sentence(error: BaseException) -> str:
    """Say in one line what is wrong and what is needed."""
    from hydra.errors import MissingConfigException, OverrideParseException
    from omegaconf.errors import (
        ConfigAttributeError,
        ConfigKeyError,
        InterpolationToMissingValueError,
        MissingMandatoryValue,
    )

    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, entry = str(error.missing_cfg_file).rpartition("/")
        # Hydra leaves out the options of a list such as metric=[a,b].
        options = list(error.options or sorted(path.stem for path in (CONF / group).glob("*.yaml")))
        more = f" (an architecture of timm is given as model=timm model.name={entry})" if group == "model" else ""
        extra = {"submitit": "slurm", "ray": "ray"}.get(entry.partition("_")[0]) if group == "hydra/launcher" else None
        more = f"; it needs pip install -e '.[{extra}]'" if extra else more
        return f"{group or 'config'}={entry} is not an entry; {hint(entry, options)}{more}"
    if isinstance(error, OverrideParseException) and "=" not in error.override:
        return f"{error.override} is neither a flag nor KEY=VALUE; --help shows how a command is written"
    if isinstance(error, OverrideParseException):
        return f"{error.override} cannot be read; a value with such characters needs quotes, as in 'key=\"value\"'"
    cause = innermost(error)
    if mark := getattr(cause, "problem_mark", None):  # of YAML
        return f"{mark.name}, line {mark.line + 1}: {cause.problem}"
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()] or [type(cause).__name__]
    key = next((m[1] for line in lines if (m := re.match(r"full_key: (.+)", line))), None)
    if isinstance(cause, MissingMandatoryValue | InterpolationToMissingValueError):
        return f"{key or lines[0]} needs a value; give {key or 'it'}=..."
    said = " ".join(lines)[:300]
    if words := reworded(said):
        return words
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and key:
        return unknown(key, cause)
    if isinstance(cause, OSError) and cause.filename is not None:
        return f"{cause.filename}: {cause.strerror}"
    if resolved := re.match(r"\w+ raised while resolving interpolation: (.+)", lines[0]):
        return resolved[1]
    spoken = isinstance(cause, ValueError | OSError | ImportError)
    if spoken or type(cause).__module__.startswith(("hydra", "omegaconf")):
        return said
    return f"{type(cause).__name__}: {said} (debug=true shows where)"


class WithoutHydra:
    """stderr without the line that Hydra writes before it hands on a job's exception."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        return len(text) if text.startswith("Error executing job with overrides") else self.stream.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn an exception into one sentence on stderr and exit code 1."""
    debug = any(re.fullmatch(r"\+*debug=(true|True|1|yes|on)", argument) for argument in sys.argv[1:])
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra would print its own, longer account and exit
    try:
        experiments = [argument for argument in sys.argv[1:] if re.match(r"\+?experiment=", argument)]
        if len(experiments) > 1 or "," in "".join(experiments):
            raise ValueError("experiment needs one name per command, since each brings its own sweep")
        lists = [argument for argument in sys.argv[1:] if re.match(r"\+?metric=", argument)]
        if len(lists) > 1:  # Hydra would take the first for both
            raise ValueError(f"metric needs one list per command; {' and '.join(lists)} were given")
        with redirect_stderr(WithoutHydra(sys.stderr)):
            yield
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on where it was")
    except ModuleNotFoundError as error:
        if debug or find_spec("hydra"):
            raise
        sys.exit(f"error: {sys.executable} has no {error.name}; activate the environment: . .venv/bin/activate")
    except Exception as error:
        if debug:
            raise
        print(f"error: {sentence(error)}", file=sys.stderr)
        sys.exit(1)
