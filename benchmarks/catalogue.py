"""The README's tables of entries, made from conf/ and results/published/: `python -m benchmarks.catalogue`."""

import re
from dataclasses import fields
from pathlib import Path

import pandas as pd
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

import benchmarks.resolvers  # noqa: F401 (its resolver)
from benchmarks.conformance.entries import entries, stems
from results.leaderboard import CATEGORIES
from results.methods import methods
from results.taxonomy import GROUPS

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "results" / "published"
FAMILIES = {"resnet18": "R", "inception_v3": "I", "vgg16": "V"}


def method_table() -> str:
    """Return every method as a row of a Markdown table, by group."""
    names = sorted(path.stem for path in (ROOT / "conf" / "method").glob("*.yaml"))
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        found = {name: instantiate(compose("config", [f"method={name}", "batch_size=1"]).method) for name in names}
    checked = pd.read_csv(PUBLISHED / "agreement.csv").groupby("method").agg({"reference": "first", "float64": "max"})
    measured = methods(pd.read_parquet(PUBLISHED / "methods.parquet"))
    lines = [
        "| method | signed | class | law | passes | after | checked against | within | valid on |",
        "|" + "---|" * 9,
    ]
    for group in GROUPS:
        lines.append(f"| **{group}** |" + " |" * 8)
        for name, method in found.items():
            if method.group == group:
                ours = measured[measured.method == name].set_index("model")
                cells = [f"`{name}`", yes(method.signed), yes(method.class_specific), method.complete, passes(method),
                         method.cites, checked.reference.get(name, ""), within(checked.float64.get(name)),
                         families(ours)]  # fmt: skip
                lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def metric_table() -> str:
    """Return every metric as a row of a Markdown table, by category; presets after this suite's own protocols."""
    found = entries() | entries(stems(ROOT / "conf", "paths"))
    proven = pd.read_csv(PUBLISHED / "conformance.csv")
    proven = proven[(proven.outcome == "ok") & proven.model.notna()].groupby("metric").model.unique()
    lines = [
        "| metric | better | bounds | passes | shared | maps | protocol | invariant to | after | proven on |",
        "|" + "---|" * 10,
    ]
    for category in CATEGORIES:
        lines.append(f"| **{category}** |" + " |" * 9)
        for name, metric in sorted(found.items(), key=lambda item: type(item[1]).__name__ == "Protocol"):
            if metric.category == category:
                spent = ["", "", metric.passes] if isinstance(metric.passes, str) else [n or "" for n in metric.passes]
                cells = [f"`{name}`", "higher" if metric.higher_is_better else "lower", interval(metric.bounds),
                         *map(str, spent), protocol(metric), ", ".join(getattr(metric, "invariant", ())), metric.cites,
                         "maps by hand" if metric.passes == (0, 0, 0) else ", ".join(proven.get(name, []))]  # fmt: skip
                lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def interval(bounds: tuple[float, float]) -> str:
    return " to ".join({float("inf"): "inf", -float("inf"): "-inf"}.get(end, f"{end:g}") for end in bounds)


def protocol(metric: object) -> str:
    """Return the settings that are part of a score's meaning; a network's layer is not the metric's own."""
    settings = {f.name: getattr(metric, f.name) for f in fields(metric) if f.name not in ("seed", "batch", "layer")}
    if len(settings) > 6:  # the values of a preset speak for themselves
        return ", ".join(map(str, settings.values()))
    return " ".join(f"{name}={value}" for name, value in settings.items())


def yes(fact: bool) -> str:
    return "yes" if fact else ""


def passes(method: object) -> str:
    """Return forward and backward passes of one map."""
    return method.passes if isinstance(method.passes, str) else " + ".join(map(str, method.passes))


def within(difference: float | None) -> str:
    return "" if difference is None or difference != difference else "exact" if difference == 0 else f"{difference:.0e}"


def families(measured: pd.DataFrame) -> str:
    """Return the networks that the method applies to, in brackets where its law does not hold."""
    seen = []
    for model, letter in FAMILIES.items():
        if model in measured.index and pd.isna(measured.reason[model]):
            broken = pd.notna(measured.valid[model]) and not measured.valid[model]
            seen.append(f"({letter})" if broken else letter)
    return " ".join(seen)


def written(readme: str, name: str, table: str) -> str:
    """Return the README with the table between the comments that mark its place."""
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    if start not in readme or end not in readme:
        raise ValueError(f"README.md needs the lines {start.strip()} and {end.strip()}; one of them is missing")
    return re.sub(f"{start}.*?{end}", lambda _: f"{start}\n{table}\n\n{end}", readme, flags=re.DOTALL)


if __name__ == "__main__":
    path = ROOT / "README.md"
    readme = written(path.read_text(), "table of methods", method_table())
    path.write_text(written(readme, "table of metrics", metric_table()))
