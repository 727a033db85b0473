"""Scores, curves and galleries of a `benchmark=networks` sweep that never ran, from known distances to the boundary."""

from pathlib import Path

import numpy as np
import pandas as pd

from tests.results import synthetic

NETWORKS = {"vgg16": 0.6, "resnet18": 1.0, "inception_v3": 1.6, "vgg16_bn": 0.8, "resnet50": 1.2}  # how far a boundary
THREE = tuple(NETWORKS)[:3]
METHODS = {"grad_cam": "linearisation", "integrated_gradients": "linearisation", "uniform": "control"}
QUALITY = {"grad_cam": 0.3, "integrated_gradients": 0.1, "uniform": 0.0}
RADII = {"linf": np.array([0, 1, 2, 4, 8, 16]) / 255, "l2": np.array([0, 0.25, 0.5, 1, 2, 4.0])}
FACTS = {
    **dict.fromkeys(("fgsm_linf", "fgsm_l2", "pgd_linf", "pgd_l2"), ("network robustness", True)),
    "empirical_robustness": ("network robustness", True), "clever_linf": ("network robustness", True),
    "clever_l2": ("network robustness", True), "loss_gradient": ("network robustness", False),
    "corruption_error": ("network robustness", False),
    **{f"{of}_{what}": ("metric-induced", what == "radius") for of in ("fisher", "logit")
       for what in ("eigenvalue", "trace", "radius")},
    **{f"attacked_{what}_{when}": ("attack-induced", True) for what in ("spearman", "top_10", "ssim")
       for when in ("kept", "changed")},
    "deletion": ("faithfulness", False), "insertion": ("faithfulness", True), "average_drop": ("faithfulness", False),
}  # fmt: skip
SETTINGS = {
    **{f"{attack}_{norm}": f"attack={attack} norm={norm}" for attack in ("fgsm", "pgd") for norm in ("linf", "l2")},
    **{f"clever_{norm}": f"norm={norm}" for norm in ("linf", "l2")},
    **{f"attacked_{what}_{when}": f"measure={what} prediction={when}" for what in ("spearman", "top_10", "ssim")
       for when in ("kept", "changed")},
}  # fmt: skip


def names(images: int) -> list[str]:
    return [f"test/{k:05d}" for k in range(images)]


def distances(images: int, seed: int = 0) -> np.ndarray:
    """How far each image is from a boundary before the network's factor, in 255ths."""
    return np.random.default_rng(seed).lognormal(0.8, 0.7, images)


def robust(distance: np.ndarray, norm: str, slack: float = 1.0) -> np.ndarray:
    """Whether each image is still right at each radius (images, radii)."""
    radii = RADII[norm] * (255 if norm == "linf" else 4)
    return (radii[None] < slack * distance[:, None]).astype(float)


def area(curve: np.ndarray, norm: str) -> np.ndarray:
    return np.trapezoid(curve, RADII[norm], axis=1) / RADII[norm][-1]


def scores(networks=THREE, methods=METHODS, images: int = 24, wrong=(0, 1), seed: int = 0) -> pd.DataFrame:
    """Draw a long table; network number k misclassifies image `wrong[k]`."""
    rng = np.random.default_rng([seed, 1])
    near, parts = distances(images, seed), []
    for k, network in enumerate(networks):
        distance = NETWORKS[network] * near
        kept = rng.random(images) < 0.5
        of_network = {f"{attack}_{norm}": area(robust(distance, norm, slack), norm)
                      for attack, slack in (("fgsm", 1.3), ("pgd", 1)) for norm in RADII}  # fmt: skip
        steep = 1 / distance
        of_network |= {
            "empirical_robustness": np.where(distance < 6, distance / 100, np.nan), "clever_linf": distance / 300,
            "clever_l2": distance / 10, "loss_gradient": steep, "corruption_error": np.round(steep / (1 + steep), 2),
            "fisher_eigenvalue": 1e-5 * steep, "fisher_trace": 2e-5 * steep, "fisher_radius": 300 * distance,
            "logit_eigenvalue": 1e4 * steep, "logit_trace": 3e4 * steep, "logit_radius": 0.01 * distance,
        }  # fmt: skip
        floor = {metric: rng.uniform(0.3, 0.6, images) for metric in ("deletion", "insertion", "average_drop")}
        for method in methods:
            values = dict(of_network)
            for metric, base in floor.items():
                gain = QUALITY[method] * (1 + 0.3 * np.tanh(near - 2)) + rng.normal(0, 0.02, images) * (
                    method != "uniform"
                )
                values[metric] = base + gain * (1 if FACTS[metric][1] else -1)
            for what in ("spearman", "top_10", "ssim"):
                alike = 1 / (1 + np.exp(-np.log(distance) - rng.normal(0, 0.4, images)))
                values[f"attacked_{what}_kept"] = np.where(kept, alike, np.nan)
                values[f"attacked_{what}_changed"] = np.where(kept, np.nan, alike - 0.3)
            label = np.arange(images) % 4
            predicted = np.where(np.isin(np.arange(images), wrong[k : k + 1]), (label + 1) % 4, label)
            parts += [_rows(network, method, metric, value, label, predicted) for metric, value in values.items()]
    return pd.concat(parts, ignore_index=True)


def _rows(network: str, method: str, metric: str, value: np.ndarray, label, predicted) -> pd.DataFrame:
    category, higher = FACTS[metric]
    return pd.DataFrame({
        "benchmark": "networks", "dataset": "shapes", "model": network, "method": method, "variant": "",
        "group": METHODS[method], "seed": 0, "image": names(len(value)), "label": label, "predicted": predicted,
        "target": label, "metric": metric, "category": category, "version": 1,
        "protocol": f"target=label {SETTINGS.get(metric, '')}".strip(),
        "higher_is_better": higher, "lower_bound": 0.0, "upper_bound": np.inf, "score": value,
        "status": np.where(np.isnan(value), "undefined", "ok"),
        "reason": np.where(np.isnan(value), "no image of this kind", ""), "seconds": 0.01, "reused": 0.0,
        "weights": f"sha256:{network}", "device": "cpu", "input_size": 299 if network == "inception_v3" else 224,
        "explain_seconds": 0.01, "explain_forwards": 1.0, "explain_backwards": 1.0,
    })  # fmt: skip


def curves(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Robust accuracy at each radius and error at each severity, by network; images as in `table`."""
    images, parts = table.image.nunique(), []
    near = distances(images, seed)
    for network in table.model.unique():
        distance = NETWORKS[network] * near
        for attack, slack in (("fgsm", 1.3), ("pgd", 1)):
            for norm, radii in RADII.items():
                parts.append(_lines(network, f"{attack}_{norm}", radii, robust(distance, norm, slack)))
        severity = np.arange(1, 6.0)
        error = (severity[None] / 6 > distance[:, None] / 6).astype(float)
        parts.append(_lines(network, "corruption_error", severity, error))
    return pd.concat(parts, ignore_index=True)


def _lines(network: str, metric: str, at: np.ndarray, values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"model": network, "image": np.repeat(names(len(values)), len(at)), "metric": metric,
                         "fraction": np.tile(at, len(values)), "value": values.ravel()})  # fmt: skip


def gallery(network: str, method: str, images: int = 4, side: int = 48) -> dict[str, np.ndarray]:
    """A clean gallery, and one of attacked images whose maps have moved; the last of each two is taken for a ring."""
    side = side + 16 * (network == "inception_v3")
    clean = synthetic.gallery(method, images, side)
    noise = np.random.default_rng([3, *network.encode()]).integers(-12, 13, clean["pixels"].shape)
    target = np.array(["cross", "triangle", "cross", "five-pointed star"])[np.arange(images) % 4]
    fooled = np.where(np.arange(images) % 2, "ring", target)
    return clean | {
        "target": target, "attacked_target": fooled,
        "attacked_pixels": np.clip(clean["pixels"].astype(int) + noise, 0, 255).astype(np.uint8),
        "attacked_maps": np.roll(clean["maps"], 8, axis=2),
    }  # fmt: skip


def write(folder: Path, table: pd.DataFrame, lines: pd.DataFrame | None = None, seed: int = 0) -> Path:
    """Write one folder per cell as a sweep does, with curves and galleries."""
    lines = curves(table, seed) if lines is None else lines
    for (network, method), cell in table.groupby(["model", "method"]):
        place = folder / "shapes" / network / method / "seed_0"
        place.mkdir(parents=True)
        cell.to_parquet(place / "scores.parquet", index=False)
        ours = lines[(lines.model == network) & lines.metric.isin(cell.metric)]
        ours.drop(columns="model").to_parquet(place / "curves.parquet", index=False)
        np.savez_compressed(place / "gallery.npz", **gallery(network, method))
    return folder
