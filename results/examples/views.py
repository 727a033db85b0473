"""Tables of examples: training images that explain answers, prototypes by their number, and counterfactuals."""

from argparse import Namespace
from collections.abc import Sequence

import pandas as pd

from results import summary
from results.parts import Network, labels_of, means, networks, of_entries, of_parts, table_of, texts
from results.tables import NONE, Table

ATTRIBUTION = (
    "influence_correlation",
    "lds",
    "flipped_auroc",
    "flipped_precision",
    "duplicates_found",
    "shortcut_auroc",
    "randomisation",
)
CEILING, INTERVAL = "lds_ceiling", "lds_interval"
PROTOTYPES = ("prototype_mmd", "prototype_accuracy")
CHANCE = "deciding_chance"
COUNTERFACTUALS = (
    "flip_rate",
    "oracle_score",
    "counterfactual_l1",
    "counterfactual_l2",
    "changed_share",
    "deciding_share",
)
HITS = ("flip_rate", "oracle_score")  # 1 or 0 of an image
NEEDED = {
    "attribution": (*ATTRIBUTION, CEILING, INTERVAL),
    "prototypes": PROTOTYPES,
    "counterfactuals": (*COUNTERFACTUALS, CHANCE),
}
BRACKETS = "Brackets hold 95 % intervals over test images"
SEEDS = "the least and the largest over seeds, where seeds differ"
ATTRIBUTED = [
    "An entry gives each training image a number, which says how much it speaks for the explained class of a test "
    "image. influence_correlation compares these numbers with how much the answer changes as the last layer is fitted "
    "without the image; lds compares their sums with the answers of networks that are fitted on halves of the training "
    "images. The ceiling is the lds that can be expected of a perfect entry, as networks differ by chance, too; there "
    "is none where networks of one half agree no better than those of different ones.",
    "In three further data sets the answer is planted: wrong labels (flipped_auroc, flipped_precision), copies of test "
    "images (duplicates_found, a mean reciprocal rank), and a patch that decides the class (shortcut_auroc). An AUROC "
    "of .5 is chance. randomisation is the size of the correlation with what the entry says of an untrained network: "
    "what is high there does not show what was learnt.",
    f"{BRACKETS}; of lds over test images and halves, since all test images are judged by the same halves; of wrong "
    f"labels, which belong to no test image, {SEEDS}.",
]
STANDING = [
    "prototype_mmd is the squared distance (MMD) between the distributions of prototypes and of all training images, "
    "in features of the network. prototype_accuracy is the share of test images that have the label of the nearest "
    "prototype.",
    f"Brackets hold {SEEDS}.",
]
ALTERED = [
    "flip_rate is the share of test images whose counterfactual the network takes for the target class; oracle_score "
    "is the share that the same network, fitted with another seed, takes for it, too.",
    "Other scores are means over those images only that become the target, which are not the same for all entries. "
    "Changes are of values in [0, 1]: mean absolute and root mean square change, and the share of pixels that change "
    "by more than the metric's threshold. deciding_share is the share of the change that lies in the object that "
    "decides the class; deciding_chance is the share of the image that the object covers.",
    f"{BRACKETS}, Wilson's for flip_rate and oracle_score, else percentiles of resampled images.",
]


def over_images(network: Network, stems: Sequence[str]) -> pd.DataFrame:
    """Return one row per metric and entry: the mean over images with its 95 % interval, and the number of images.

    A score that belongs to no image has the mean over seeds, the least and the largest.
    """
    found, ends = [], of_parts(network.rows, INTERVAL).T
    for metric in labels_of(network.rows, [stem for stem in stems if stem != INTERVAL]):
        own = network.rows[network.rows.metric == metric]
        stem = own.metric_stem.iloc[0]
        if (own.image == "").all():
            found.append(varied(means(own, [stem])))
            continue
        table = summary.summary(summary.cube(own, metric), bool(own.higher_is_better.iloc[0]), stem in HITS)
        table = table[["mean", "low", "high", "n"]]
        if stem == "lds" and len(ends):
            table = table.assign(**ends.reindex(table.index))
        found.append(table.rename_axis("entry").reset_index().assign(metric=metric))
    data = pd.concat(found, ignore_index=True)
    return data.assign(mean=data["mean"].round(12) + 0.0)  # a 0 has no sign


def varied(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without ends that are the same, as those of an entry that draws nothing."""
    same = table.low == table.high
    return table.assign(low=table.low.mask(same), high=table.high.mask(same))


def compared(network: Network, what: str, stems: Sequence[str], heads: dict[str, str], said: Sequence[str]) -> Table:
    """Return entries down, controls last, and means across: the columns `heads` of all that stands in `stems`."""
    data = over_images(network, stems)
    cells = {head: texts(data[data.metric == metric], "entry") for metric, head in heads.items()}
    return of_entries(network, f"{what} {network.images} test images", cells, data, said)


def attribution(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return for every network how well entries find the training images that explain its answers."""
    tables = []
    for network in networks(rows, options, NEEDED["attribution"]):
        heads, ceiling = labels_of(network.rows, ATTRIBUTION), limit(network)
        if "lds" in heads and (network.rows.metric_stem == CEILING).any():
            heads["lds"] += f" (ceiling {ceiling:.2f})" if ceiling == ceiling else " (no ceiling)"
        tables.append(compared(network, "training images that explain", NEEDED["attribution"], heads, ATTRIBUTED))
    return tables


def limit(network: Network) -> float:
    """Return the LDS that can be expected of a perfect entry; nan where it was not scored."""
    return network.rows[network.rows.metric_stem == CEILING].score.mean()


def by_number(network: Network) -> pd.DataFrame:
    """Return one row per metric, number of prototypes and entry: the mean over seeds, the least and the largest.

    A score of test images has its mean over these first.
    """
    own = network.rows[network.rows.metric_stem.isin(PROTOTYPES)]
    by = own.groupby(["metric", "part", "entry", "seed"], sort=False).score.mean().groupby(level=[0, 1, 2], sort=False)
    table = by.agg(["mean", "min", "max", "count"]).set_axis(["mean", "low", "high", "n"], axis=1).reset_index()
    return varied(table).assign(number=table.part.astype(int)).drop(columns="part").dropna(subset="mean")


def prototypes(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return for every network how well prototypes stand for all images, by their number."""
    tables = []
    for network in networks(rows, options, PROTOTYPES):
        data, cells = by_number(network).sort_values("number", kind="stable"), {}
        for metric, head in labels_of(network.rows, PROTOTYPES).items():
            for entry in network.rows.entry.unique():
                cells[head, entry] = texts(data[(data.metric == metric) & (data.entry == entry)], "number")
        frame = pd.DataFrame(cells).fillna(NONE)
        frame.index = [f"{number} prototype{'s' * (number > 1)}" for number in frame.index]
        what = "prototypes by their number" + f", {network.images} test images" * (network.images > 0)
        tables.append(table_of(network, what, frame, data, STANDING))
    return tables


def counterfactuals(rows: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return for every network how often, how far and where images change to become another class."""
    tables = []
    for network in networks(rows, options, NEEDED["counterfactuals"]):
        heads = labels_of(network.rows, NEEDED["counterfactuals"])
        heads |= {name: name for name in heads if name == CHANCE}  # no score, so that it has no better or worse
        tables.append(compared(network, "counterfactuals of", NEEDED["counterfactuals"], heads, ALTERED))
    return tables
