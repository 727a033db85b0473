"""Draw interpretability against robustness over the images of each network."""

from math import factorial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results.gallery import HEIGHT, PAGE, readable, styled
from results.lines import COLOURS, DASHES
from results.networks.measures import GAP, Compared, Measure
from results.networks.within import pairs
from results.statistics import FEWEST, LEVEL

SAID = {"insertion": "insertion:\ngain over random map", "deletion": "deletion:\ngain over random map",
        "attacked_spearman_kept": "map of attacked image:\nSpearman, prediction kept"}  # fmt: skip


def shown(found: pd.DataFrame, method: str) -> pd.DataFrame:
    """Return the correlations of one method that can be drawn: of six images or more, with an interval."""
    return found[(found.method == method) & found.low.notna()]


@styled
def clouds(ours: Compared, found: pd.DataFrame, method: str) -> Figure:
    """Draw what `found` of `within` has an interval for: column = network, row = measure, a point per image."""
    drawn = shown(found, method)
    every = [(x, y) for x, y in pairs(ours) if y.method == method and y.metric in set(drawn.interpretability)]
    networks = [network for network in ours.networks if network in set(drawn.network)]
    rho = found[found.method == method].set_index(["interpretability", "network"])
    figure = Figure((PAGE, min(HEIGHT, 0.85 + 1.4 * len(every))), layout="constrained")
    panels = figure.subplots(len(every), len(networks), squeeze=False, sharey="row", sharex=True)
    for line, (x, y) in zip(panels, every, strict=True):
        for axes, network in zip(line, networks, strict=True):
            _cloud(axes, x, y, network, rho.loc[(y.metric, network)])
        line[0].set_ylabel(SAID.get(y.metric, *readable([y.metric])), size=7)
    for axes, network in zip(panels[0], readable(networks), strict=True):
        axes.set_title(network, size=8, pad=14)
    said = [f"{readable([every[0][0].label])[0]} of the image", *caption(ours, method), *_left_out(rho)]
    figure.supxlabel("\n".join(said), size=6.5)
    return figure


def _cloud(axes: Axes, x: Measure, y: Measure, network: str, found: pd.Series) -> None:
    if found.low != found.low:
        axes.text(0.5, 0.5, _why(found.n), transform=axes.transAxes, size=6, ha="center", va="center", color="0.4")
        return
    axes.plot(x.values[network], y.values[network], "o", ms=2.5, mfc=(*COLOURS[0], 0.35), mec=COLOURS[0], mew=0.4)
    if y.what == GAP:
        axes.axhline(0, color="0.6", lw=0.5, ls=(0, DASHES[1]))
    rho = f"ρ {found.rho:.2f} [{found.low:.2f}, {found.high:.2f}], n {found.n}"  # noqa: RUF001
    axes.text(0.5, 1.02, rho, transform=axes.transAxes, size=6, ha="center", va="bottom")


def _why(n: int) -> str:
    return f"n {n}: too few" if n < FEWEST else f"n {n}: all the same"


def _left_out(rho: pd.DataFrame) -> list[str]:
    """Say which measures and networks are not drawn."""
    some = rho.low.notna()
    measures, networks = (some.groupby(level=k, sort=False).any() for k in (0, 1))
    gone = readable([*measures.index[~measures], *networks.index[~networks]])
    said = [f"Empty: fewer than {FEWEST} images have both."] * bool((~some & (rho.n < FEWEST)).any())
    return [*said, *[f"Left out, for no panel would have points: {', '.join(gone)}."] * bool(gone)]


def caption(ours: Compared, method: str) -> list[str]:
    """Say why correlations are over images."""
    networks = len(ours.networks)
    p = min(1, 2 / factorial(networks))
    can = "cannot be tested" if p > LEVEL else "says little"
    least = f"{p:.2g}".replace("0.", ".", 1)
    across = (f"Across {networks} networks a correlation {can} (n = {networks}: smallest two-sided exact p = {least}), "
              "so it is within networks.")  # fmt: skip
    said = f"Maps of {readable([method])[0]}. ρ: Spearman over images, 95 % bootstrap interval."  # noqa: RUF001
    return [across, said] if networks > 1 else [said]
