"""Scores, curves and galleries of a sweep that never ran: `python -m tests.results.synthetic` rewrites golden/."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from results.collect import CELL

GOLDEN = Path(__file__).parent / "golden"
METHODS = {
    "gradient": "linearisation", "input_x_gradient": "linearisation", "integrated_gradients": "linearisation",
    "smooth_grad": "linearisation", "deconvnet": "linearisation", "guided_backprop": "linearisation",
    "lrp_epsilon_plus": "structure", "grad_cam": "linearisation", "layer_cam": "linearisation", "fem": "structure",
    "occlusion": "black box", "rise": "black box", "uniform": "control", "constant": "control", "edges": "control",
    "centre": "control", "truth": "control",
}  # fmt: skip
METRICS = {
    "deletion": ("faithfulness", False), "insertion": ("faithfulness", True), "aopc": ("faithfulness", True),
    "faithfulness_correlation": ("faithfulness", True), "max_sensitivity": ("robustness", False),
    "noise_stability_spearman": ("robustness", True), "noise_stability_ssim": ("robustness", True),
    "noise_stability_top_10": ("robustness", True), "pointing_game": ("localisation", True),
    "energy_in_mask": ("localisation", True), "relevance_rank": ("localisation", True), "gini": ("complexity", True),
    "mprt": ("randomisation", False), "random_logit": ("randomisation", False), "completeness": ("axiomatic", False),
}  # fmt: skip
MORE_METRICS = {
    **dict.fromkeys(("deletion_rise", "deletion_latec", "deletion_xplique", "deletion_idsds", "single_deletion",
                     "average_drop"), ("faithfulness", False)),
    **dict.fromkeys(("insertion_rise", "insertion_xplique", "increase_in_confidence", "abpc", "road", "irof",
                     "pixel_flipping", "sensitivity_n", "monotonicity", "sufficiency"), ("faithfulness", True)),
    "infidelity": ("faithfulness", False), "infidelity_scaled": ("faithfulness", False),
    **dict.fromkeys(("avg_sensitivity", "local_lipschitz", "relative_input_stability", "relative_output_stability",
                     "relative_representation_stability"), ("robustness", False)),
    "attack_stability_spearman": ("robustness", True), "attack_stability_ssim": ("robustness", True),
    **dict.fromkeys(("top_k_in_mask", "mask_iou", "mask_auc", "mask_correlation", "mask_similarity", "grid_pointing"),
                    ("localisation", True)),
    "entropy": ("complexity", False), "effective_complexity": ("complexity", False),
    "smooth_mprt": ("randomisation", False), "non_sensitivity": ("axiomatic", False),
    "input_invariance": ("axiomatic", False),
}  # fmt: skip
UNDEFINED = {"completeness": "the method states no completeness law"}
MORE = {
    "expected_gradients": "linearisation", "smooth_grad_squared": "linearisation", "var_grad": "linearisation",
    "full_grad": "linearisation", "blur_integrated_gradients": "linearisation",
    "guided_integrated_gradients": "linearisation", "guided_grad_cam": "linearisation",
    "excitation_backprop": "linearisation", "lrp_epsilon": "structure", "lrp_gamma": "structure",
    "lrp_alpha2_beta1": "structure", "lrp_epsilon_gamma_box": "structure", "deep_taylor": "structure",
    "deep_lift": "structure", "deep_lift_shap": "structure", "cam": "structure",
    "grad_cam_pp": "linearisation", "x_grad_cam": "linearisation", "hires_cam": "linearisation",
    "eigen_cam": "structure", "score_cam": "structure", "ablation_cam": "structure", "mlfem": "structure",
    "peak_response": "structure", "lime": "black box", "kernel_shap": "black box", "sobol": "black box",
    "hsic": "black box", "mask_optimisation": "adversarial", "extremal_perturbation": "adversarial",
    "adversarial_difference": "adversarial", "blurred_edges": "control",
}  # fmt: skip
MODELS = ("resnet18", "inception_v3")
RESIDUALS = {"integrated_gradients": 0.05, "lrp_epsilon_plus": 1.0, "deep_lift": 0.2}  # largest; others state no law
SIGNED = ("gradient", "input_x_gradient", "integrated_gradients", "lrp_epsilon_plus")


def scores(
    methods=tuple(METHODS), metrics=tuple(METRICS), models=MODELS, images=24, seeds=(0,), seed=0
) -> pd.DataFrame:
    """Draw a long table: a quality per method, noise per image; some scores undefined.

    `lrp_epsilon_plus` does not apply to inception_v3, `constant` has no correlation, few methods state a law.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for model, (place, method), s, metric in product(models, enumerate(methods), seeds, metrics):
        category, better = (METRICS | MORE_METRICS)[metric]
        inapplicable = (method, model) == ("lrp_epsilon_plus", "inception_v3")
        group = (METHODS | MORE)[method]
        quality = 2 if method == "truth" else -1.5 if group == "control" else np.cos(1.7 * place)
        latent = (quality if better else -quality) + rng.normal(0, 1, images) + rng.normal(0, 0.5)
        value = 1 / (1 + np.exp(-latent))
        value = (value > 0.5).astype(float) if metric == "pointing_game" else value
        value = (value * RESIDUALS.get(method, 1) if metric == "completeness" else value).round(4)
        value[_undefined(method, metric, rng, images)] = np.nan
        why = UNDEFINED.get(metric, "the correlation of a constant is undefined")
        cell = pd.DataFrame({
            "benchmark": "attribution", "dataset": "shapes", "model": model, "method": method, "variant": "",
            "group": group, "seed": s, "image": [f"test/{k:05d}" for k in range(images)], "metric": metric,
            "category": category, "protocol": f"{metric} 16 steps", "version": 1, "higher_is_better": better,
            "lower_bound": 0.0, "upper_bound": np.inf if metric == "completeness" else 1.0, "score": value,
            "status": np.where(np.isnan(value), "undefined", "ok"),
            "reason": np.where(np.isnan(value), why, ""),
            "seconds": 0.01, "reused": 0.0, "weights": f"sha256:{model}", "device": "cpu",
            "explain_seconds": 0.001 * (1 + place),
            "explain_forwards": 2.0 + place,
            "explain_backwards": float(group == "linearisation" or method in RESIDUALS),
        })  # fmt: skip
        if inapplicable:
            reason = f"{method} needs a model without concatenations; {model} has some"
            cell = cell.head(1).assign(image="", score=np.nan, status="inapplicable", reason=reason)
        parts.append(cell)
    return pd.concat(parts, ignore_index=True)


def _undefined(method: str, metric: str, rng: np.random.Generator, images: int) -> np.ndarray:
    never = {("constant", "faithfulness_correlation"), ("constant", "mprt")}
    never |= {(method, "completeness")} if method not in RESIDUALS else set()
    chance = 1 if (method, metric) in never else 0.1 if metric == "noise_stability_ssim" else 0
    return rng.random(images) < chance


def curves(table: pd.DataFrame, steps: int = 16, seed: int = 1) -> pd.DataFrame:
    """Draw deletion and insertion curves that fall and rise with the score that `table` gives them."""
    rng = np.random.default_rng(seed)
    fractions = np.linspace(0, 1, steps + 1)
    kept = table[table.metric.isin(["deletion", "insertion"]) & (table.image != "")]
    parts = []
    for row in kept.itertuples():
        power = 0.15 + 3 * row.score
        start, end = rng.uniform(0.85, 1), rng.uniform(0.05, 0.2)
        shape = np.exp(-fractions * 4 / power) if row.metric == "deletion" else fractions ** (1 / power)
        value = np.clip(end + (start - end) * shape + rng.normal(0, 0.03, steps + 1), 0, 1)
        names = {name: getattr(row, name) for name in (*CELL, "image", "metric")}
        parts.append(pd.DataFrame(names | {"fraction": fractions, "value": value}))
    return pd.concat(parts, ignore_index=True)


def gallery(method: str, images: int = 6, side: int = 64, seed: int = 2) -> dict[str, np.ndarray]:
    """Draw discs on clutter and, per method, a more or less noisy map of the disc and of what its group looks at."""
    rng = np.random.default_rng(seed)
    ys, xs = np.mgrid[:side, :side]
    centres = rng.uniform(18, side - 18, (images, 2))
    mask = (ys - centres[:, :1, None]) ** 2 + (xs - centres[:, 1:, None]) ** 2 < 12**2
    pixels = rng.integers(40, 160, (images, side // 8, side // 8, 3)).repeat(8, 1).repeat(8, 2)
    pixels = np.where(mask[..., None], rng.integers(150, 255, (images, 1, 1, 3)), pixels).astype(np.uint8)
    own = np.random.default_rng([seed, *method.encode()])
    group = (METHODS | MORE)[method]
    common = np.random.default_rng([seed, *group.encode()]).normal(0, group != "control", mask.shape)
    maps = mask + common + own.normal(0, own.uniform(0.2, 1.5), mask.shape)
    maps = gaussian_filter(maps, (0, 4, 4)) if method in ("grad_cam", "layer_cam", "fem", "rise", "occlusion") else maps
    signed = method in SIGNED
    maps = np.zeros(mask.shape) if method == "constant" else maps if signed else np.abs(maps)
    return {"image": np.array([f"test/{k:05d}" for k in range(images)]), "pixels": pixels, "mask": mask,
            "maps": maps.astype(np.float32), "signed": np.full(images, signed),
            "target": np.array((["triangle", "five-pointed star", "ring", "cross"] * images)[:images])}  # fmt: skip


def write(folder: Path, table: pd.DataFrame, drawn: bool = False) -> Path:
    """Write one folder per cell as a sweep does, with curves and galleries if `drawn`."""
    lines = curves(table) if drawn else None
    for (model, method, variant, seed), cell in table.groupby(["model", "method", "variant", "seed"]):
        place = folder / cell.dataset.iloc[0] / model / method / f"seed_{seed}" / variant
        place.mkdir(parents=True)
        cell.to_parquet(place / "scores.parquet", index=False)
        if drawn and (cell.image != "").any():
            ours = (lines.model == model) & (lines.method == method) & (lines.variant == variant) & (lines.seed == seed)
            lines[ours].to_parquet(place / "curves.parquet", index=False)
            np.savez_compressed(place / "gallery.npz", **gallery(method))
    return folder


def budgets(scales=(0.1, 0.32, 1, 3.2, 10), methods=("rise", "smooth_grad", "uniform"), **how) -> pd.DataFrame:
    """Draw a sweep over budgets: ten times the passes halve the distance to the best score."""
    rng = np.random.default_rng(3)
    parts = []
    for scale in scales:
        table = scores(methods, **how).assign(variant=f"budget.scale={scale}")
        free = table.group == "control"
        loss = 0.4 * scale**-0.3 + rng.uniform(0, 0.1, len(table))
        score = np.where(free, 0.9, loss)
        table["score"] = np.where(table.higher_is_better, 1 - score, score)
        passes = np.where(free, 0, (table.method == "rise") * 900 + 100) * scale
        parts.append(table.assign(explain_forwards=passes, explain_backwards=0.0))
    return pd.concat(parts, ignore_index=True)


def golden_scores() -> pd.DataFrame:
    """Draw the small table that is committed."""
    methods = ("gradient", "integrated_gradients", "lrp_epsilon_plus", "grad_cam", "fem", "rise",
               "uniform", "constant", "edges", "truth")  # fmt: skip
    metrics = ("deletion", "insertion", "faithfulness_correlation", "noise_stability_ssim", "pointing_game", "mprt",
               "completeness")  # fmt: skip
    return scores(methods, metrics, images=12, seeds=(0, 1), seed=7)


if __name__ == "__main__":
    from results.leaderboard import summary

    GOLDEN.mkdir(exist_ok=True)
    golden_scores().to_parquet(GOLDEN / "scores.parquet", index=False, compression="zstd")
    (GOLDEN / "leaderboard.txt").write_text(summary(golden_scores(), width=110), encoding="utf-8")
