"""Imports point one way: read from the sources, so that a lazy import counts too."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"benchmarks", "methods", "models", "results"}
# Longest prefix first: what a package may import of the project, and of the outside where that is restricted.
RULES = {
    "benchmarks.metrics": (
        {"benchmarks.explained", "benchmarks.pathed", "benchmarks.metrics"},
        {"hydra", "mlflow", "pandas"},
    ),
    "benchmarks.datasets": ({"benchmarks.datasets"}, {"hydra", "mlflow"}),
    "benchmarks.explained": (set(), {"hydra", "mlflow", "pandas"}),
    "benchmarks.pathed": (set(), {"hydra", "mlflow", "pandas"}),
    "benchmarks": ({"benchmarks", "methods", "results"}, set()),
    "methods": ({"methods"}, {"hydra", "mlflow", "pandas", "timm", "omegaconf"}),
    "models": ({"models"}, {"hydra", "mlflow", "pandas", "omegaconf"}),
    "results": ({"results"}, {"hydra", "mlflow", "torch", "omegaconf", "timm"}),
}
FILES = sorted(path for package in OURS for path in (ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Every module that a file imports, at whatever depth."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {
        f"{node.module}.{alias.name}" for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    allowed, forbidden = next(rule for prefix, rule in RULES.items() if f"{module}.".startswith(f"{prefix}."))
    for name in imported(path):
        top = name.partition(".")[0]
        assert top not in forbidden, f"{module} imports {name}"
        if top in OURS:
            assert any(f"{name}.".startswith(f"{prefix}.") for prefix in allowed), f"{module} imports {name}"


def test_run_is_short():
    assert len((ROOT / "run.py").read_text().splitlines()) <= 20
