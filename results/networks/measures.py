"""What networks are compared by: one quantity of all networks, image by image, with its block, unit and label."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

BLOCKS = ("robustness", "map-induced", "metric-induced", "attack-induced")
CATEGORIES = {"network robustness": "robustness", "metric-induced": "metric-induced"}  # of scores of kind networks
OF_MAPS = {"faithfulness": "map-induced", "attack-induced": "attack-induced"}  # of scores of kind maps
CLEAN, MINIMAL, SUCCESS = "clean_accuracy", "empirical_robustness", "attack_success"
POINTS = "by radius or severity"
UNITS = {  # of this suite's metrics; lengths are of pixel values in [0, 1]
    **dict.fromkeys((CLEAN, SUCCESS, "corruption_error"), "share of images"),
    MINIMAL: "share of the image's L2 norm",
    "clever_linf": "L-inf length",
    "loss_gradient": "nats per L2 length",
    **dict.fromkeys(("clever_l2", "fisher_radius", "logit_radius"), "L2 length"),
    **dict.fromkeys(("fisher_eigenvalue", "fisher_trace"), "nats per squared L2 length"),
    **dict.fromkeys(("logit_eigenvalue", "logit_trace"), "squared logits per squared L2 length"),
    **dict.fromkeys(("attacked_spearman_kept", "attacked_spearman_changed"), "correlation"),
    **dict.fromkeys(("attacked_top_10_kept", "attacked_top_10_changed"), "share of pixels"),
    **dict.fromkeys(("attacked_ssim_kept", "attacked_ssim_changed"), "similarity"),
}


@dataclass(frozen=True)
class Measure:
    """One quantity of all networks: `values` (images, networks), nan where undefined."""

    block: str
    metric: str
    values: pd.DataFrame
    higher_is_better: bool
    what: str = "score"  # area under an attack's curve, radius or severity (points of curves), gap to the random map
    at: float = np.nan  # radius or severity
    method: str = ""  # which made the maps; empty for what looks at no map
    control: bool = False  # whether the method is one
    share: bool = False  # whether scores are bounded by 0 and 1
    settings: dict = field(default_factory=dict)  # of the metric

    @property
    def stem(self) -> str:
        return self.metric.partition(" (")[0]

    @property
    def norm(self) -> str:
        return str(self.settings.get("norm", ""))

    @property
    def unit(self) -> str:
        """Return the unit of the measure, or nothing where that is not known."""
        if self.what in ("area", "radius"):
            return "share of images"
        return "gap to the random map" if self.what == "gap" else UNITS.get(self.stem, "")

    @property
    def grows_with_size(self) -> bool:
        """Whether it is measured in L2 lengths, which grow with the number of pixels."""
        lengths = "L2 length" in self.unit or (self.norm == "l2" and self.block == "robustness")
        return self.what in ("score", "area") and (lengths or self.block == "metric-induced")

    @property
    def part(self) -> str:
        """Return the kind of quantity within its block; each kind has a table of its own."""
        if self.what in ("radius", "severity"):
            return POINTS
        if self.block == "map-induced":
            return "" if self.what == "gap" else "scores themselves"
        prediction = self.settings.get("prediction", "") if self.block == "attack-induced" else ""
        return f"prediction {prediction}" if prediction else ""

    @property
    def label(self) -> str:
        """Return a row's name: metric, then in brackets what is measured of it."""
        settings = self.metric.rstrip(")").partition(" (")[2]
        at = f"at {radius(self.norm, self.at)}" if self.at == self.at else ""
        about = [part for part in (settings, "area" * (self.what == "area"), self.method, at) if part]
        return f"{self.stem} ({', '.join(about)})" if about else self.stem


def radius(norm: str, at: float) -> str:
    """Return a radius in 255ths where it is a whole number of them to four decimals, else as four digits."""
    steps = round(255 * at)
    whole = norm == "linf" and 0 < steps < 255 and abs(at - steps / 255) < 5e-5
    return f"{steps}/255" if whole else f"{at:.4g}"
