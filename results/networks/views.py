"""Tables of networks: blocks of quantities, curves at every radius, correlations within networks."""

from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import pandas as pd

from results.names import label
from results.networks.comparison import Comparison, comparisons
from results.networks.measures import CLEAN, POINTS, radius
from results.networks.quantities import quantities, with_medians, within
from results.summary import FEWEST
from results.tables import Table, interval, known, writer

ABOUT = {
    "robustness": "Attacks and corruptions change pixels in [0, 1]. The area is that of robust accuracy over radius, "
    "divided by the largest radius. CLEVER is an estimate that is too large where samples are few.",
    "map-induced": "Scores say how much better a method's maps are than random ones on the same network and image.",
    "metric-induced": "Scores describe the metric of the output, pulled back to the pixels. Read the rows of logits "
    "first: where the softmax is saturated, the Fisher metric vanishes, and its mean is that of a few images.",
    "attack-induced": "Scores compare the map of an image with that of the attacked image. n counts the images whose "
    "prediction the attack keeps or changes.",
    POINTS: "Scores are the robust accuracy at each radius, and the error at each severity.",
    "scores themselves": "Without random maps to compare with, the networks' probabilities count, too.",
}
EXPLANATIONS = [
    "Networks are compared on the images that all of them classify correctly; clean accuracy is over all images.",
    "This is our reading of Liu et al. 2023; the paper was not available. Its induced metrics can be read in three "
    "ways, which make three blocks and are never merged into one score.",
    "Brackets hold 95 % intervals over images, from the same resamples for all networks: Wilson's for shares of "
    f"images, between order statistics for medians, else percentiles. Fewer than {FEWEST} images have none.",
    "Verdicts compare each network with the best one in a paired test over images, adjusted for their number.",
]
LEGEND = {
    "↑": "Higher is better.",
    "↓": "Lower is better.",
    "*": "This is the best network, or it is level with the best one.",
    "?": "There are too few images to tell this network from the best one.",
}


def networks_view(rows: pd.DataFrame, options: Namespace, points: bool = False) -> list[Table]:
    """Return a table for each block and kind of quantity, or of its `points` at every radius and severity."""
    return [table for one in comparisons(rows, options.beside) for table in _blocks(one, options, points)]


def within_view(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return rank correlations of robustness and interpretability over the images of each network."""
    return [_within(comparison) for comparison in comparisons(rows, options.beside)]


VIEWS = {"networks": networks_view, "radii": partial(networks_view, points=True), "within": within_view}
OPTIONS = {"networks": {"metric", "beside"}, "radii": {"metric", "beside"}, "within": {"beside"}}


def _within(comparison: Comparison) -> Table:
    """Return measures of maps down, networks across."""
    rows = within(comparison)
    write = writer(rows.assign(mean=rows.rho))
    cells = [f"{interval(row.rho, row.low, row.high, write)} n={row.n}" for row in rows.itertuples()]
    cells = pd.Series(cells, [rows.interpretability + " (" + rows.method.map(label) + ")", rows.network], dtype=str)
    frame = cells.unstack(sort=False).reindex(columns=comparison.networks)
    notes = [] if len(rows) else ["There are no measures of both robustness and maps.", *comparison.remarks]
    title = f"{comparison.dataset}: rank correlation over images" + "".join(f" with {x}" for x in rows.robustness[:1])
    caption = f"Rank correlation over images on {label(comparison.dataset)}" + "".join(
        f" with {label(x)}" for x in rows.robustness[:1]
    )
    return Table(f"within {comparison.dataset}", title, frame, notes, caption, rows, explanations=EXPLANATIONS[:1])


def _blocks(comparison: Comparison, options: Namespace, points: bool) -> Iterator[Table]:
    """Yield a table for each block and part: quantities down, networks across."""
    rows = with_medians(quantities(comparison))
    known("--metric", options.metric, rows.metric)
    rows = rows[rows.metric.isin(options.metric)] if options.metric else rows
    first = [*(rises(comparison) if points else [*remarks(comparison), *comparison.remarks])]
    for (block, part), some in rows[(rows.part == POINTS) == points].groupby(["block", "part"], sort=False):
        name = f"{block}, {part}" if part else block
        frame, verdicts = _frame(some, comparison.networks)
        notes = [ABOUT.get(part, ABOUT[block]), _units(some), *_undefined(some), *first]
        title = f"{comparison.dataset}: {name}, {len(comparison.images)} images"
        caption = f"Networks on {label(comparison.dataset)}: {name}, means over {comparison.selection()}"
        about = {"data": some, "verdicts": verdicts, "legend": LEGEND, "explanations": EXPLANATIONS}
        yield Table(f"{comparison.dataset} {name}", title, frame, notes, caption, **about)
        first = []  # once is enough


def _frame(rows: pd.DataFrame, networks: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return cells and verdicts; cells of the block of attacked maps also have their number of images."""
    cells, verdicts = {}, {}
    for _, part in rows.groupby("number", sort=False):
        write, facts = writer(part), part.iloc[0]
        name = facts.label.replace(facts.method, label(facts.method)) if facts.method else facts.label
        head = f"{name} {'↑' if facts.higher_is_better else '↓'}"
        cells[head] = [
            interval(row.mean, row.low, row.high, write) + f" n={row.n}" * (row.block == "attack-induced")
            for row in part.itertuples()
        ]
        verdicts[head] = [*part.verdict]
    return tuple(pd.DataFrame.from_dict(rows, "index", columns=networks) for rows in (cells, verdicts))


def remarks(comparison: Comparison) -> Iterator[str]:
    """Yield what a reader of the numbers has to know."""
    none = f", {comparison.unscored} of them not scored on every network" if comparison.unscored else ""
    yield f"These are means over {comparison.selection()}; {comparison.left_out} are left out{none}."
    if len(comparison.images) < FEWEST:
        yield f"Intervals need at least {FEWEST} images; there are {len(comparison.images)}."
    if len(set(comparison.sizes.values())) > 1:
        sizes = ", ".join(f"{label(network)} {size}" for network, size in comparison.sizes.items())
        lengths = dict.fromkeys(measure.metric for measure in comparison.measures if measure.grows_with_size)
        yield f"Warning: input sizes differ ({sizes}), and L2 lengths grow with the number of pixels."
        yield f"Do not compare {', '.join(map(label, lengths)) or 'what is measured in them'} between these networks."


def rises(comparison: Comparison) -> Iterator[str]:
    """Yield where robust accuracy does not fall monotonically to 0 with growing radius, for each network and attack."""
    for metric, curve in comparison.attacks().items():
        at = [radius(measure.norm, measure.at) for measure in curve]
        for network in comparison.networks:
            values, name = (
                [m.values[network] for m in curve],
                f"robust accuracy of {label(network)} under {label(metric)}",
            )
            again = [(place, int((b > a).sum())) for place, (a, b) in zip(at[1:], pairwise(values), strict=True)]
            rising = [
                f"radius {place}, where {count} image{'s are' if count > 1 else ' is'} classified correctly again"
                for place, count in again
                if count
            ]
            if rising:
                yield f"Not monotone: {name} rises at {', and at '.join(rising)}."
            if (end := values[-1].mean()) > 0:
                yield f"The {name} does not reach 0: it is {end:.3g} at the largest radius, {at[-1]}."


def _units(rows: pd.DataFrame) -> str:
    """Return what the rows of a block are measured in."""
    by_unit = (
        rows.drop_duplicates("metric").groupby("unit", sort=False).metric.agg(lambda own: ", ".join(map(label, own)))
    )
    words = [f"{unit or 'the metric is its own'} ({of})" if len(by_unit) > 1 else unit for unit, of in by_unit.items()]
    return f"Units: {'; '.join(filter(None, words)) or 'not known'}."


def _undefined(rows: pd.DataFrame) -> Iterator[str]:
    """Say which means are over fewer images, where no count is in the table."""
    gaps = rows[(rows.undefined > 0) & (rows.block != "attack-induced") & (rows.metric != CLEAN) & rows["rank"].notna()]
    counts = [
        f"{label(row.label)} of {label(row.network)} ({row.undefined})"
        for row in gaps[gaps.number % 1 == 0].itertuples()
    ]
    if counts:
        yield f"Undefined on some images: {', '.join(counts)}."
