"""Write docs/reference and docs/bibliography.md: `python -m docs.make`.

They are made from conf/, from what entries declare and from the bibliography. What a setting means is the comment
behind it in its YAML file; what an entry computes is its docstring.
"""

import inspect
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path

import pandas as pd
import yaml
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from benchmarks.conformance.entries import entries as metrics
from benchmarks.preparation import kind_of
from docs.settings import cell, described, table
from methods import lrp
from results.names import bibliography, works

ROOT = Path(__file__).parents[1]
CONF, DOCS, RESULTS = ROOT / "conf", ROOT / "docs", ROOT / "results"
MADE = "<!-- Made by `python -m docs.make`; edit conf/, docstrings or results/ instead. -->"
ACCENTS = {"'": "\u0301", "`": "\u0300", '"': "\u0308", "c": "\u0327", "~": "\u0303"}


def groups() -> list[tuple[str, str]]:
    """Return the kinds of benchmarks with each of their groups of entries."""
    files = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((CONF / "benchmark").glob("*.yaml"))}
    asked = {kind: file.get("benchmark", file)["entry"] or [] for kind, file in files.items()}
    return [(kind, group) for kind, own in asked.items() for group in ([own] if isinstance(own, str) else own)]


def entries(kind: str, group: str) -> dict[str, object]:
    """Return the entries of a kind by name."""
    names = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    words = [f"benchmark={kind}", "batch_size=1", "metric=[]"]  # without metrics, in half the time
    with initialize_config_dir(str(CONF), version_base="1.3"):
        found = {name: compose("config", [*words, f"{group}={name}"]) for name in names}
    return {name: instantiate(cfg[group], _convert_="all") for name, cfg in found.items()}


def labels(sort: str) -> dict[str, str]:
    """Return the display names of one sort of names."""
    files = [RESULTS / "labels.yaml", *sorted(RESULTS.glob("*/labels.yaml"))]
    return {stem: text for file in files for stem, text in yaml.safe_load(file.read_text()).get(sort, {}).items()}


def page(title: str, introduction: str, found: dict[str, object], sort: str, group: str) -> str:
    """Return an overview of entries by what they state of one sort, group or category, and a section for each."""
    names = labels(sort)
    ordered = sorted(found.items(), key=lambda item: [*names].index(getattr(item[1], sort)))
    parts = [f"## {title}", introduction]
    for name, members in groupby(ordered, key=lambda item: getattr(item[1], sort)):
        rows = [f"| [`{stem}`](#{anchor(stem, group)}) | {cell(summary(entry))} |" for stem, entry in members]
        parts.append("\n".join([f"| {names[name]} | what it computes |", "|---|---|", *rows]))
    for stem, entry in ordered:
        prefix = f"metric.{stem}." if group == "metric" else f"{group}."
        top, settings = described(CONF / group / f"{stem}.yaml")
        parts += [
            f"### {heading(stem, group)}",
            top,
            inspect.getdoc(entry) or "",
            facts(stem, entry, group),
            table(settings, prefix),
        ]
    return "\n\n".join(filter(None, parts))


def heading(stem: str, group: str) -> str:
    """Return the heading of an entry: its name, with its group where several groups have an entry of this name."""
    several = group != "metric" and sum((CONF / other / f"{stem}.yaml").exists() for _, other in groups()) > 1
    return f"{stem} ({group})" if several else stem


def anchor(stem: str, group: str) -> str:
    """Return the place of an entry's heading on its page."""
    return re.sub(r"[^\w-]", "", heading(stem, group).replace(" ", "-"))


def summary(entry: object) -> str:
    """Return the first line of the docstring without what it cites."""
    return re.sub(r" ?\[[^\]]*\d{4}[^\]]*\]", "", (inspect.getdoc(entry) or "").split("\n")[0])


def facts(stem: str, entry: object, group: str) -> str:
    """Return what an entry declares, as a list of sentences."""
    proof = checked()["metric" if group == "metric" else "method"].get(stem)
    needs = ", ".join(getattr(entry, "needs", ()))
    common = [
        needs and f"It needs: {needs}.",
        proof and f"Checked against: {proof}.",
        entry.cites and f"Cites {entry.cites}.",
    ]
    if group == "metric":
        better = "Higher is better" if entry.higher_is_better else "Lower is better"
        lines = [
            f"{better}; scores lie between {entry.bounds[0]:g} and {entry.bounds[1]:g}.",
            f"Undefined: {entry.undefined}.",
            f"Passes of an image: {passes(entry.passes, 'own', 'shared', 'maps made anew')}.",
            entry.invariant and f"The score does not depend on: {', '.join(entry.invariant)}.",
            f"Version {entry.version}.",
        ]
    else:
        lines = [
            entry.signed and "Negative values speak against the class.",
            not entry.class_specific and "The class does not matter.",
            entry.complete and f"Its values add up to the {entry.complete}.",
            f"Passes of an image: {passes(entry.passes, 'forward', 'backward')}.",
        ]
    lines += common
    return "\n".join(f"- {line}" for line in filter(None, lines))


def passes(numbers: tuple[int, ...] | str, *names: str) -> str:
    """Say what passes are made; an entry may state them as a sentence."""
    if isinstance(numbers, str):
        return numbers
    return ", ".join(f"{number} {name}" for number, name in zip(numbers, names, strict=True) if number) or "none"


@cache
def checked() -> dict[str, dict[str, str]]:
    """Return what every method was checked against, and on which networks of known answers every metric was proved."""
    agreement = pd.read_csv(RESULTS / "published" / "agreement.csv").drop_duplicates("method")
    metrics = {metric: f"known answers of {', '.join(models)}" for metric, models in proved().items()}
    return {"method": dict(zip(agreement.method, agreement.reference, strict=True)), "metric": metrics}


@cache
def proved() -> dict[str, list[str]]:
    """Return by metric the networks of which it has known answers."""
    answers = pd.read_csv(RESULTS / "published" / "conformance.csv").query("outcome == 'ok'").dropna(subset="model")
    return answers.groupby("metric").model.unique().to_dict()


def settings_page() -> Iterator[str]:
    """Yield the parts of the page of all settings but those of entries and metrics, which stand with these."""
    yield "# Settings"
    yield "Every key is typed as it stands here, such as `budget.masks=500`."
    yield "The settings of entries and metrics stand with the [methods](methods.md) and the [metrics](metrics.md)."
    yield f"## All runs\n\n{table(described(CONF / 'config.yaml')[1])}"
    skipped = {"method", "metric", *(group for _, group in groups())}
    for folder in sorted(path for path in CONF.iterdir() if path.is_dir() and path.name not in skipped):
        yield f"## `{folder.name}`"
        for path in sorted(folder.glob("*.yaml")):
            text, settings = described(path)
            whole = "@package _global_" in path.read_text()
            prefix = "" if whole else "model.fit." if folder.name == "fit" else f"{folder.name}."
            yield from (f"### `{folder.name}={path.stem}`", text, axes(path), table(settings, prefix))
    yield "## Sets of metrics"
    for path in sorted((CONF / "metric" / "set").glob("*.yaml")):
        listed = [name for row in yaml.safe_load(path.read_text())["defaults"] for name in listing(row)]
        yield f"- `metric=[set/{path.stem}]`: {described(path)[0]} {', '.join(f'`{name}`' for name in listed)}."


def families_page() -> Iterator[str]:
    """Yield the parts of the page of methods with rules on families of networks."""
    rows = pd.read_csv(RESULTS / "published" / "families.csv", keep_default_na=False)
    networks, methods = rows.drop_duplicates("family").set_index("family").network, list(dict.fromkeys(rows.method))
    cells = rows.assign(shown=[f"{float(residual):.0e}" if residual else "yes" for residual in rows.residual])
    cells.loc[cells.reason != "", "shown"] = "no"
    shown = cells.pivot(index="family", columns="method", values="shown")[methods]
    yield "# Methods on families of CNNs"
    yield MADE
    yield (
        "Which methods with rules apply to which networks. A family is a module of timm whose networks are "
        "convolutional; each has one small network here, with random weights, in float64, on one image of 64 or 80 "
        "pixels. A number is the residual of the method's law: by how much the sum of the map misses what it should "
        "be, in units of that (in DeepLIFT, the difference of the logits, to rounding). `yes` means that the method "
        "applies and states no sum; `no` means that it refuses the network, for the reason below."
    )
    yield (
        "LRP is asked with `method.bias=false` here, since biases take their share; epsilon still takes its own in "
        "every layer. Deep Taylor and excitation backprop pass relevance to positive contributions only, and lose "
        "that of sums without one: 1 less the residual is the share that reaches the pixels. Where a residual is near "
        "1, the map shows what little arrives. A residual far above 1 means that relevance of "
        "both signs grew without bound, as in sums whose terms cancel; such a map ranks nothing."
    )
    yield "\n".join(
        [
            f"| family | network | {' | '.join(f'[`{name}`](methods.md#{name})' for name in methods)} |",
            f"|{'---|' * (2 + len(methods))}",
            *(f"| {name} | `{networks[name]}` | {' | '.join(shown.loc[name])} |" for name in networks.index),
            f"| applies to | of {len(networks)} | {' | '.join(str((shown[name] != 'no').sum()) for name in methods)} |",
        ]
    )
    yield "\n".join(f"- {reason}." for reason in rows.reason.unique() if reason)
    yield "## Rules of LRP, deep Taylor and excitation backprop"
    yield inspect.getdoc(lrp).partition("\n\n")[2]


def survey_page(found: dict[tuple[str, str], dict[str, object]], scored: dict[str, object]) -> Iterator[str]:
    """Yield the parts of the page of what covers each level of the survey."""
    yield "# Levels of explanation"
    yield MADE
    yield (
        "A survey of the interpretability of deep networks [Yang et al. 2023] tells explanations apart by what they "
        "are about: the whole network (global, model), a unit of it (global, neuron), or one decision, by its pixels, "
        "its concepts or other images (local). This is what the suite has at each level. Controls are in italics, the "
        "[metrics](metrics.md) are counted by category. "
        "An experiment is run with `experiment=NAME`, and those that are published link to their tables."
    )
    rows = ["| level | kind | entries | metrics | known answers of | experiments |", "|---|---|---|---|---|---|"]
    for kind, level in sorted(labels("survey").items(), key=lambda item: item[1]):
        own = {name: metric.category for name, metric in scored.items() if kind_of(metric) == kind}
        counts = [f"{labels('category')[name]} ({n})" for name, n in Counter(own.values()).items()]
        proofs = sorted({model for name in own for model in proved().get(name, ())})
        entered = [listed(group, entries) for (of, group), entries in found.items() if of == kind]
        link = f"[{kind}](../kinds/{kind}.md)"
        cells = ["; ".join(entered), ", ".join(counts), ", ".join(proofs), ", ".join(experiments(kind))]
        rows.append(f"| {' | '.join([level, link, *cells])} |")
    yield "\n".join(rows)


def listed(group: str, found: dict[str, object]) -> str:
    """Return the entries of a group with links, controls last and in italics."""
    control = {name: entry.group == "control" for name, entry in found.items()}
    said = {name: f"*{name}*" if control[name] else name for name in sorted(found, key=control.get)}
    return f"`{group}`: {', '.join(f'[{text}](methods.md#{anchor(name, group)})' for name, text in said.items())}"


def experiments(kind: str) -> list[str]:
    """Return the experiments of a kind, with links to the tables of those that are published."""
    files = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((CONF / "experiment").glob("*.yaml"))}
    said = {name: [row.get("override /benchmark") for row in file.get("defaults", [])] for name, file in files.items()}
    names = [name for name, kinds in said.items() if next(filter(None, kinds), "maps") == kind]
    published = {path.stem for path in (RESULTS / "published").glob("*.md")}
    return [f"[{name}](../../results/published/{name}.md)" if name in published else name for name in names]


def axes(path: Path) -> str:
    """Say what an experiment sweeps over."""
    swept = (yaml.safe_load(path.read_text()) or {}).get("hydra", {}).get("sweeper", {}).get("params", {})
    return f"It sweeps over {', '.join(f'`{key}={value}`' for key, value in swept.items())}." if swept else ""


def listing(row: str | dict) -> list[str]:
    """Return the names in one row of a defaults list."""
    names = next(iter(row.values())) if isinstance(row, dict) else row
    return [name.removeprefix("/metric/") for name in ([names] if isinstance(names, str) else names)]


def cited(found: dict[str, object]) -> str:
    """Return the bibliography as a page, with the entries that cite each work."""
    users = {stem: works([getattr(entry, "cites", "")]) for stem, entry in found.items()}
    source = "The same as BibTeX: [results/bibliography.bib](../results/bibliography.bib)."
    lines = ["# Bibliography", MADE, f"{source} `python -m results SWEEP --latex` writes what a sweep cites."]
    for work, text in bibliography().items():
        fields = dict(re.findall(r"^ +(\w+) = \{(.*)\},$", text, re.M))
        venue = fields.get("journal") or fields.get("booktitle", "")
        stems = [f"`{stem}`" for stem in users if work in users[stem]]
        used = f" Cited by {', '.join(stems)}." if stems else ""
        authors = plain(fields["author"]).replace(" and ", "; ").rstrip(".")
        lines.append(f"- **{work}**: {authors}. *{plain(fields['title'])}*. {plain(venue)}, {fields['year']}.{used}")
    return "\n\n".join(lines[:3]) + "\n\n" + "\n".join(lines[3:])


def plain(text: str) -> str:
    """Return BibTeX as Unicode: accents combined, braces dropped."""
    text = re.sub(r"\{\\(['`\"c~])\{?(\w)\}?\}", lambda m: unicodedata.normalize("NFC", m[2] + ACCENTS[m[1]]), text)
    return re.sub(r"[{}]", "", text).replace("``", "“").replace("''", "”")


def pages() -> dict[Path, str]:
    """Return every generated page."""
    found = {(kind, group): entries(kind, group) for kind, group in groups()}
    all_metrics = metrics()
    methods = [
        page(f"`{group}` (kind `{kind}`)", f"Type `benchmark={kind} {group}=NAME`.", own, "group", group)
        for (kind, group), own in found.items()
    ]
    everything = {stem: entry for own in found.values() for stem, entry in own.items()} | all_metrics
    scored = page("`metric`", "Type `metric=[NAME,NAME]`.", all_metrics, "category", "metric")
    return {
        DOCS / "reference" / "methods.md": f"# Methods\n\n{MADE}\n\n" + "\n\n".join(methods),
        DOCS / "reference" / "metrics.md": f"# Metrics\n\n{MADE}\n\n{scored}",
        DOCS / "reference" / "settings.md": "\n\n".join(filter(None, [MADE, *settings_page()])),
        DOCS / "reference" / "families.md": "\n\n".join(families_page()),
        DOCS / "reference" / "survey.md": "\n\n".join(survey_page(found, all_metrics)),
        DOCS / "bibliography.md": cited(everything),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text + "\n")
        print(f"written: {path.relative_to(ROOT)}")
