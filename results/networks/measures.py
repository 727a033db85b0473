"""What networks are compared by: one quantity of all networks, image by image, and what it is called."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

ROBUSTNESS, MAP, METRIC, ATTACK = BLOCKS = ("robustness", "map-induced", "metric-induced", "attack-induced")
CLEAN, MINIMAL, SUCCESS = "clean_accuracy", "empirical_robustness", "attack_success"
SCORE, AREA, RADIUS, SEVERITY, GAP = "score", "area", "radius", "severity", "gap"  # what a measure can be
UNITS = {  # of this suite's own metrics, other names have none that is known; lengths are of pixel values in [0, 1]
    **dict.fromkeys((CLEAN, SUCCESS, "corruption_error"), "share of images"),
    MINIMAL: "share of the image's L2 norm", "clever_linf": "L-inf length", "clever_l2": "L2 length",
    "loss_gradient": "nats per L2 length", **dict.fromkeys(("fisher_radius", "logit_radius"), "L2 length"),
    **dict.fromkeys(("fisher_eigenvalue", "fisher_trace"), "nats per squared L2 length"),
    **dict.fromkeys(("logit_eigenvalue", "logit_trace"), "squared logits per squared L2 length"),
    **{f"attacked_{measure}_{prediction}": unit for prediction in ("kept", "changed") for measure, unit in
       (("spearman", "correlation"), ("top_10", "share of pixels"), ("ssim", "similarity"))},
}  # fmt: skip
EXACT = 2e-4  # of a 255th: what six digits of a radius leave open


@dataclass(frozen=True)
class Measure:
    """One quantity of all networks; `values` (images, networks), nan where undefined.

    `what`: a score, of an attack the area under its curve, a point of that at a radius, a point of another curve at a
    severity, or a gap to the random map. `protocol` has the metric's settings.
    """

    block: str
    method: str  # "" where it looks at no map
    metric: str
    what: str
    at: float  # radius or severity; nan of what is no point of a curve
    higher_is_better: bool
    control: bool
    protocol: str
    values: pd.DataFrame

    @property
    def unit(self) -> str:
        """Return what it is measured in, nothing where that is not known."""
        if self.what in (AREA, RADIUS):
            return "share of images"
        own = self.metric.partition(" [")[0]  # before the settings of a variant
        return "gap to the random map" if self.what == GAP else UNITS.get(own, "")

    @property
    def squared(self) -> bool:
        """Whether it is measured in L2 lengths, which grow with the number of pixels."""
        lengths = "L2 length" in self.unit or (self.norm == "l2" and self.block == ROBUSTNESS)
        return self.what in (SCORE, AREA) and (lengths or self.block == METRIC)

    @property
    def norm(self) -> str:
        return self.setting("norm")

    @property
    def part(self) -> str:
        """Return which part of its block it is shown in."""
        if self.what in (RADIUS, SEVERITY):
            return "by radius or severity"
        if self.block == MAP:
            return "" if self.what == GAP else "scores themselves"
        prediction = self.setting("prediction")
        return f"prediction {prediction}" if self.block == ATTACK and prediction else ""

    @property
    def label(self) -> str:
        """Return a row's name in its part of the block: metric, radius, method."""
        if self.what in (RADIUS, SEVERITY):
            name = f"{self.metric} at {radius(self.norm, self.at)}"
        else:
            name = self.metric.removesuffix(f"_{self.setting('prediction')}") + " area" * (self.what == AREA)
        return name + (f" {self.method}{' (control)' * self.control}" if self.method else "")

    def setting(self, name: str) -> str:
        """Return a setting of the protocol, nothing where it has none of that name."""
        found = re.search(rf"(?:^| ){name}=(\S+)", self.protocol)
        return found[1] if found else ""


@dataclass(frozen=True)
class Compared:
    """What one data set has to compare networks by."""

    dataset: str
    networks: list[str]
    images: list[str]  # that every network classifies correctly
    left_out: int
    unscored: int  # of those left out: not scored on every network
    measures: list[Measure]
    reasons: list[str]  # why a block is empty, or a method missing
    sizes: dict[str, int]  # input sizes, where they are known

    def find(self, metric: str, method: str = "") -> Measure | None:
        """Return the scores of that name, if there are some."""
        same = [m for m in self.measures if (m.metric, m.method) == (metric, method) and np.isnan(m.at)]
        return same[0] if same else None

    def attacks(self) -> dict[str, list[Measure]]:
        """Return the points of every attack's curve."""
        found: dict[str, list[Measure]] = {}
        for measure in self.measures:
            if measure.what == RADIUS:
                found.setdefault(measure.metric, []).append(measure)
        return found

    def methods(self) -> list[str]:
        """Return whose maps were measured, without controls."""
        return list(dict.fromkeys(m.method for m in self.measures if m.method and not m.control))

    def right(self) -> str:
        """Name the images that are compared."""
        who = f"all {len(self.networks)} networks classify" if len(self.networks) > 1 else "the network classifies"
        return f"{len(self.images)} image{'s' * (len(self.images) != 1)} that {who} correctly"


def radius(norm: str, at: float) -> str:
    """Return a radius as it was used: in 255ths where it is a whole number of them, else to four digits."""
    steps = 255 * at
    whole = norm == "linf" and 0 < at < 1 and abs(steps - round(steps)) < EXACT
    return f"{round(steps)}/255" if whole else f"{at:.4g}"
