"""Imports point one way and in no circle, and the machinery names no kind of benchmark: read from the sources."""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import options

ROOT = Path(__file__).parents[1]
ROOMS = ("benchmarks", "methods", "models", "results")
KINDS = options("benchmark")
# Longest prefix first: what a package may import of the project, and what of the outside it may not.
RULES = {
    **{
        f"benchmarks.{kind}.metrics": (
            {"entries", "benchmarks.explained", "benchmarks.attacks", f"benchmarks.{kind}"},
            {"hydra", "mlflow", "pandas"},
        )
        for kind in KINDS
    },
    **{f"benchmarks.{kind}": ({"entries", "benchmarks", "methods"}, {"mlflow"}) for kind in KINDS},
    "benchmarks.datasets": ({"entries", "benchmarks.datasets"}, {"hydra", "mlflow"}),
    "benchmarks.explained": ({"entries"}, {"hydra", "mlflow", "pandas"}),
    "benchmarks": ({"entries", "benchmarks", "results"}, set()),
    "methods": ({"entries", "methods"}, {"hydra", "mlflow", "pandas", "timm", "omegaconf"}),
    "models": ({"entries", "models"}, {"hydra", "mlflow", "pandas", "omegaconf"}),
    "results": ({"results"}, {"hydra", "mlflow", "torch", "omegaconf", "timm"}),
}
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def imported(path: Path, lazily: bool = True) -> set[str]:
    """Every module that a file imports, at whatever depth; or only those that it needs to be imported itself."""
    tree = ast.parse(path.read_text())
    nodes = list(ast.walk(tree)) if lazily else tree.body
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {
        f"{node.module}.{alias.name}" for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    name = module(path)
    allowed, forbidden = next(rule for prefix, rule in RULES.items() if f"{name}.".startswith(f"{prefix}."))
    for other in imported(path):
        top = other.partition(".")[0]
        assert top not in forbidden, f"{name} imports {other}"
        if top in (*ROOMS, "entries", "tests"):
            assert any(f"{other}.".startswith(f"{prefix}.") for prefix in allowed), f"{name} imports {other}"


@pytest.mark.slow
def test_only_tracking_imports_mlflow_and_late():
    for path in FILES:
        named = {name.partition(".")[0] for name in imported(path, lazily=False)}
        assert "mlflow" not in named, f"{module(path)} imports mlflow for everybody who imports it"


def test_no_file_is_in_an_import_circle():
    known = {module(path): path for path in FILES}

    def named(target: str) -> str:
        return target if target in known else target.rpartition(".")[0]

    graph = {name: ({*map(named, imported(path))} & known.keys()) - {name} for name, path in known.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def machinery() -> list[Path]:
    """The files that every kind shares: those directly in benchmarks/ and results/, the checks, the configuration."""
    rooms = [*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "results").glob("*.py")]
    rooms += (ROOT / "benchmarks" / "conformance").rglob("*.py")
    return [*rooms, *(ROOT / name for name in ("conf/config.yaml", "entries.py", "run.py"))]


def test_the_machinery_names_no_kind():
    """A kind's name stands nowhere as a value, a module or an entry; config.yaml names the one that runs by default."""
    named = re.compile(rf"""["'](?:{"|".join(KINDS)})["']|(?:benchmarks|results)\.(?:{"|".join(KINDS)})\b""")
    for path in machinery():
        text = path.read_text()
        assert not named.search(text), f"{path.name} names a kind: {named.search(text)[0]}"


def test_kinds_do_not_import_one_another():
    for path in FILES:
        own = next((kind for kind in KINDS if kind in module(path).split(".")[1:2]), None)
        others = [kind for kind in KINDS if kind != own]
        for other in imported(path) if own else ():
            assert other.split(".")[1:2] not in [[kind] for kind in others] or other.startswith("methods"), (
                f"{module(path)} imports {other}"
            )
