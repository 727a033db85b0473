"""Does relevance > activation > random hold in what tests a path, with intervals that do not touch?"""

from itertools import combinations, pairwise

import numpy as np
import pandas as pd

from results.paths.table import GAINS, ORDER, layers, shares, stem, whole

KEYS = ["dataset", "model", "metric", "higher_is_better", "layer", "share"]


def parts(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the table of whole paths, of layers, of shares and of orders by a file's ending; none that is empty."""
    found = {"": whole(rows), "_layers": layers(rows), "_shares": shares(rows), "_orders": orders(rows)}
    return {ending: part for ending, part in found.items() if len(part)}


def orders(rows: pd.DataFrame) -> pd.DataFrame:
    """Return for each model, place and variant of the table whether the order of three selectors holds.

    Only metrics that run the network without the rest are asked. It holds if neighbours' intervals do not touch, is
    reversed if some two are apart the other way round, and touches else; unknown without intervals. Shares that keep
    everything are left out: all selectors are the same there.
    """
    rows = rows[rows.causal.astype(bool) & ~(rows.share >= 1)]
    rows = rows.assign(stem=rows.method.map(stem), variant=rows.method.str.partition(" [")[2].str.removesuffix("]"))
    found = []
    for key, place in rows.groupby(KEYS, sort=False, dropna=False):
        for variant in dict.fromkeys(place.variant[place.stem == ORDER[0]]):
            ours = place[place.variant.isin([variant, ""])].sort_values("variant")
            ours = ours.drop_duplicates("stem", keep="last").set_index("stem")  # one control may serve all variants
            if {*ORDER} <= {*ours.index}:
                three = {name.removeprefix("path_"): ours.loc[name] for name in ORDER}
                found.append(dict(zip(KEYS, key, strict=True)) | {"variant": variant} | _order(three))
    return pd.DataFrame(found)


def _order(three: dict[str, pd.Series]) -> dict[str, object]:
    """Return what is known of three selectors, best first as the order has it."""
    touching = [f"{a} and {b}" for a, b in pairwise(three)
                if three[a].low <= three[b].high and three[b].low <= three[a].high]  # fmt: skip
    if any(np.isnan(row.low) for row in three.values()):
        order = "unknown"
    elif any(better(three[b], three[a]) for a, b in combinations(three, 2)):
        order = "reversed"
    else:
        order = "touches" if touching else "holds"
    means = {name + end: row[end.removeprefix("_") or "mean"] for name, row in three.items()
             for end in ("", "_low", "_high")}  # fmt: skip
    gains = {f"{name}_{gain}": three[name][gain] for name in ("relevance", "activation") for gain in GAINS
             if not gain.endswith("pairs") and gain.split("_")[1] != name}  # fmt: skip
    return {"kept": three["relevance"].kept, "order": order, "touching": ", ".join(touching), **means, **gains}


def better(one: pd.Series, other: pd.Series) -> bool:
    """Return whether one selector's whole interval is better than another's."""
    return bool(one.low > other.high if one.higher_is_better else one.high < other.low)
