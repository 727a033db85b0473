"""Draw who changes place when the protocol changes, beside how far the protocols agree."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from results.gallery import PAGE, note, readable, styled
from results.lines import COLOURS, DASHES
from results.protocols import Agreement, agreements, short


def drawn(cells: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    """Draw what the scores of one model have the data for: its protocols, and its baselines."""
    found = list(agreements(cells))
    for name, baselines in (("protocols", False), ("baselines", True)):
        if some := [ours for ours in found if ours.family.endswith("baselines") == baselines]:
            yield name, protocols(some)


@styled
def protocols(found: Sequence[Agreement]) -> Figure:
    """Draw for each family the agreement of its protocols beside the methods' ranks under them."""
    tall = [max(2.1, 0.6 + 0.16 * len(ours.ranks)) for ours in found]
    figure = Figure((PAGE, sum(tall) + 0.15), layout="constrained")
    ratios = {"width_ratios": [1, 1.55], "height_ratios": tall}
    panels = figure.subplots(len(found), 2, squeeze=False, gridspec_kw=ratios)
    looks = look(found)
    for (left, right), ours in zip(panels, found, strict=True):
        names = short(ours.ranks.columns, ours.family)
        _taus(left, ours, names)
        _places(right, ours, names, looks)
    images = " and ".join(f"{count}" for count in dict.fromkeys(ours.images for ours in found))
    note(figure, [], f"Kendall's tau-b of the methods' mean scores over {images} images, controls (grey) left out")
    return figure


def look(found: Sequence[Agreement]) -> dict[str, dict]:
    """Return each method's line, the same in all panels: controls grey."""
    looks: dict[str, dict] = {}
    for control, names in ((False, COLOURS), (True, ["0.55"])):
        methods = dict.fromkeys(m for ours in found for m in ours.ranks.index if bool(ours.control[m]) == control)
        for k, method in enumerate(methods):
            dashed = "-" if k < len(names) and not control else (0, DASHES[k // len(names) % len(DASHES)])
            looks[method] = {"color": names[k % len(names)], "ls": dashed, "lw": 0.8 if control else 1.2}
    return looks


def _taus(axes, ours: Agreement, names: Sequence[str]) -> None:
    values = ours.matrix("tau").set_axis(names).set_axis(names, axis=1).iloc[1:, :-1]
    text = values.map(lambda t: f"{round(t, 2) + 0:.2f}".removesuffix(".00").replace("0.", ".") if t == t else "")
    sns.heatmap(values, mask=~np.tri(len(values), dtype=bool), vmin=-1, vmax=1, cmap="RdBu_r", annot=text, fmt="",
                linewidths=0.5, square=True, cbar=False, ax=axes, annot_kws={"size": 6})  # fmt: skip
    axes.set_xticks(np.arange(len(names) - 1) + 0.5, names[:-1], rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(np.arange(len(names) - 1) + 0.5, names[1:], rotation=0)
    axes.tick_params(length=0, pad=2)
    axes.set(xlabel="", ylabel="")
    family, _, baselines = ours.family.partition(", ")
    axes.set_title(f"{family}, agreement of {baselines or 'protocols'}", size=7, loc="left")


def _places(axes, ours: Agreement, names: Sequence[str], looks: Mapping[str, dict]) -> None:
    """Draw a line per method from rank to rank; at their ends the names of ties stand below each other."""
    xs, last = np.arange(len(names)), ours.ranks.iloc[:, -1]
    slot = {method: k for k, method in enumerate(last.sort_values(kind="stable", na_position="last").index, 1)}
    for method, row in ours.ranks.iterrows():
        axes.plot(xs, row, marker="o", ms=2.5, **looks[method])
        end = slot[method] if np.isnan(row.iloc[-1]) else row.iloc[-1]
        axes.plot([xs[-1] + 0.08, xs[-1] + 0.3], [end, slot[method]], color=looks[method]["color"], lw=0.4)
        axes.text(xs[-1] + 0.35, slot[method], *readable([method]), va="center", size=7 if len(last) <= 16 else 6,
                  color="0.35" if ours.control[method] else looks[method]["color"])  # fmt: skip
    axes.set(ylim=(len(last) + 0.5, 0.5), xlim=(-0.2, xs[-1] + 0.35))
    axes.set_yticks([1, *range(5, len(last) + 1, 5)])
    axes.set_xticks(xs, names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_ylabel("rank")
    axes.grid(axis="x", color="0.92", lw=0.6)
    for spine in axes.spines.values():
        spine.set_visible(False)
