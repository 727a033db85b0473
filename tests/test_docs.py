"""README and docs: their commands exist and run, links lead somewhere, names have labels, cited works have entries."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser

import benchmarks.resolvers  # noqa: F401 (what the configs call)
from docs import make
from docs.settings import described
from results.__main__ import main as tables
from results.names import bibliography, works
from tests.conftest import run

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SMALL = {
    "model": "planted",
    "dataset": "planted",
    "dataset.images": "6",
    "metric": "[deletion,insertion,gini]",
    "tracking_uri": "null",
}
SWEEPS = {path.parent.name: path.read_text().strip() for path in sorted((ROOT / "tests").glob("*/sweep.txt"))}
SWEEPS["networks_maps"] = f"{SWEEPS['maps']} benchmark.target=label metric=[deletion,insertion] model.scale=24,48"


class Block(NamedTuple):
    """One fenced block of commands; `here` are its lines outside of files that it writes."""

    place: str
    text: str
    here: list[str]


def blocks() -> Iterator[Block]:
    """Yield the blocks marked bash, but those with `no-test` and a reason behind it."""
    for page in PAGES:
        for found in re.finditer(r"^```bash *(.*)\n((?:.*\n)*?)```$", page.read_text(), re.M):
            if not found[1].startswith("no-test"):
                without = re.sub(r"<<'(\w+)'\n(?:.*\n)*?\1\n", "\n", found[2])
                line = page.read_text()[: found.start()].count("\n") + 1
                yield Block(f"{page.relative_to(ROOT)}:{line}", found[2], without.splitlines())


BLOCKS = list(blocks())
LINES = {f"{block.place} {line}": line for block in BLOCKS for line in block.here}
LINES |= {command: command for page in PAGES for command in re.findall(r"`(python [^`]+)`", page.read_text())}
RUNS = [line for line in LINES.values() if line.startswith("python run.py")]
TABLES = [
    re.sub(r"outputs/(\w+)", lambda match: f"outputs/{match[1] if match[1] in SWEEPS else 'maps'}", line)
    for line in LINES.values()
    if line.startswith("python -m results outputs/")
]
OWN = [block for block in BLOCKS if "<<'" in block.text]


@pytest.mark.slow
@pytest.mark.parametrize("command", dict.fromkeys(RUNS))
def test_every_name_and_setting_of_a_run_exists(command):
    words = [word for word in shlex.split(command)[2:] if re.match(r"[\w./@+]+=", word)]
    few = [] if re.search(r"metric|experiment|benchmark", command) else ["metric=[gini]"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        for overrides in jobs(words + few):
            compose("config", overrides, return_hydra_config=True)


def jobs(words: list[str]) -> list[list[str]]:
    """Return overrides of so few jobs that each value of a sweep occurs; two values stand for all of a glob."""
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    values = [
        [f"{o.get_key_element()}={value}" for value in o.sweep_string_iterator()][: 2 if "glob" in word else None]
        if o.is_sweep_override()
        else [word]
        for word, o in zip(words, parser.parse_overrides(words), strict=True)
    ]
    return [[options[k % len(options)] for options in values] for k in range(max(map(len, values)))]


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_every_command_is_one_of_the_project(line):
    words = [word for word in shlex.split(line) if not re.match(r"[A-Z]+=", word)]
    if words[:2] == ["python", "-m"]:
        assert find_spec(words[2])
    elif words[:1] == ["make"]:
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.M)
    else:
        assert not words or words[0] in (".", "cat", "eval", "mkdir", "mlflow", "printf") or words[1] == "run.py"


def small(line: str) -> list[str]:
    """Return a run's arguments with settings that take seconds, unless it has its own."""
    given = {key: value for key, value in SMALL.items() if not re.search(rf" \+?{re.escape(key)}=", line)}
    return [*shlex.split(line.partition("run.py ")[2]), *(f"{key}={value}" for key, value in given.items())]


@pytest.mark.slow
@pytest.mark.parametrize("block", OWN, ids=lambda block: block.place)
def test_entries_of_ones_own_run(block, tmp_path, monkeypatch):
    """The page's lines write the files; the run that follows is made in this process."""
    *files, command = block.text.splitlines()
    place, _, rest = command.partition(" python ")
    assert place.startswith("PYTHONPATH=") and rest.startswith("run.py")
    subprocess.run(["bash", "-ec", "\n".join(files)], cwd=tmp_path, check=True)
    monkeypatch.syspath_prepend(tmp_path / place.removeprefix("PYTHONPATH="))
    code, said = run(tmp_path, *small(command))
    assert code == 0 and list(tmp_path.rglob("scores.parquet")), said


@pytest.fixture(scope="session")
def sweeps(tmp_path_factory):
    """Tiny sweeps of every kind on the planted network."""
    folder = tmp_path_factory.mktemp("docs")
    for name, settings in SWEEPS.items():
        code, said = run(folder, *small(f"python run.py -m name={name} {settings}"))
        assert code == 0, said
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("command", dict.fromkeys(TABLES))
def test_tables_are_printed(command, sweeps, monkeypatch, capsys):
    monkeypatch.chdir(sweeps)
    assert tables(shlex.split(command)[3:]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_lead_somewhere(page):
    targets = re.findall(r"\]\((?!http)([^)#\s]+)", page.read_text())
    assert not [target for target in targets if not (page.parent / target).exists()]


def headings(page: Path) -> set[str]:
    """Return the places on a page that a link can name, as GitHub does."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_headings_lead_somewhere(page):
    links = re.findall(r"\]\((?!http)([^)#\s]*)#([^)\s]+)\)", page.read_text())
    targets = [(page.parent / file if file else page, heading) for file, heading in links]
    assert not [heading for file, heading in targets if file.suffix == ".md" and heading not in headings(file)]


def registered(*groups: str) -> dict[str, Path]:
    return {path.stem: path for group in groups for path in sorted((ROOT / "conf" / group).glob("*.yaml"))}


ENTRIES = [group for _, group in make.groups()]


@pytest.mark.parametrize(
    ("sort", "groups"),
    [("entry", ENTRIES), ("metric", ["metric"]), ("model", ["model"]), ("dataset", ["dataset"])],
)
def test_every_name_has_a_label(sort, groups):
    assert not registered(*groups).keys() - make.labels(sort).keys()


def test_a_name_has_the_same_label_in_all_sorts():
    texts = [
        (name, text) for sort in ("entry", "metric", "model", "dataset") for name, text in make.labels(sort).items()
    ]
    assert len({name for name, _ in texts}) == len(set(texts))  # `results.names.label` is not told the sort


def test_every_cited_work_is_in_the_bibliography():
    pages = "".join(path.read_text() for path in (ROOT / "docs" / "reference").glob("*.md"))
    assert not set(works(re.findall(r"^- Cites (.+)\.$", pages, re.M))) - bibliography().keys()


def test_a_setting_of_an_experiment_means_what_the_file_says_that_it_changes():
    files = ("config.yaml", "benchmark/maps.yaml", "experiment/quick.yaml", "condition/minor.yaml")
    config, maps, quick, minor = ({s.key: s.meaning for s in described(ROOT / "conf" / file)[1]} for file in files)
    assert {quick[key] for key in ("name", "budget.steps")} == {config["name"], config["budget.steps"]}
    assert minor == {"benchmark.change": maps["benchmark.change"]} and "" not in minor.values()


@pytest.mark.slow
def test_generated_pages_are_those_of_the_entries_of_today():
    assert not [path.name for path, text in make.pages().items() if path.read_text() != text + "\n"]
