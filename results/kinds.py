"""Which tables and figures a sweep has: those of maps, or of the other kinds of benchmarks."""

from types import ModuleType

import pandas as pd

from results import networks, paths

MAPS = "attribution"
# Each has summary(scores, width) -> str, tables(scores) -> {ending: table}, figures(sweep, scores) -> (name, figure)s
# and files(sweep, scores) -> paths written beside the figures; `scores` are those of `collect.stored`.
KINDS: dict[str, ModuleType] = {"paths": paths, "networks": networks}


def kind(scores: pd.DataFrame) -> str:
    """Return the kind of benchmark that all scores are of."""
    kinds = list(scores["benchmark"].unique()) if "benchmark" in scores else [MAPS]
    if len(kinds) > 1:
        raise ValueError(f"Tables need one kind of benchmark; {' and '.join(sorted(kinds))} were found")
    return kinds[0]


def only(scores: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the scores if they are of a sweep of `benchmark=name`; others and mixtures are refused."""
    found = "nothing" if scores.empty else kind(scores)
    if found != name:
        raise ValueError(f"results.{name} needs a sweep of benchmark={name}; one of benchmark={found} was given")
    return scores


def maps_only(scores: pd.DataFrame, sweep: object) -> pd.DataFrame:
    """Return the scores if they are of maps; else name the command that reads them."""
    if (found := kind(scores)) in KINDS:
        raise ValueError(f"{sweep} holds benchmark={found}, whose tables are made by python -m results.{found} {sweep}")
    return scores
