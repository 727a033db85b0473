"""Our metrics beside those of Quantus, in seconds: `make speed` runs it where Quantus 0.6.0 and numpy < 2.4 are.

Same model, images, maps, explanation function and number of evaluations, as far as Quantus' settings allow; both in
turns in one process, the fastest of three. Passes are counted for both, since some numbers cannot be made equal; their
quotient is how many times as fast ours would be if nothing but passes took time. The last lines score whole sets at
once: ours share curves, noisy images and their maps, and what reads no map also with the next method of a sweep;
Quantus' share nothing. The command ends with 0 only if a set of 20 is three times as fast, or as its passes allow.
"""

import contextlib
import io
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from time import process_time

import numpy as np
import quantus
import torch
from torch import Tensor, nn

from benchmarks.cost import counted
from benchmarks.explained import Explained
from benchmarks.store import Store
from tests.speed.speed import SIZE, asked, entries, network

REPEATS, LONG = 3, 10.0  # what takes so many seconds is not repeated
LIMIT, MANY, SLACK = 3, 20, 1.15  # times as fast, metrics, and time over passes
QUIET = {"disable_warnings": True, "display_progressbar": False}
VALUES = 3 * SIZE * SIZE  # Quantus removes channels one by one, that many features, in steps that divide SIZE * SIZE
STEPS = 12


def theirs() -> dict[str, object]:
    """Return Quantus' counterpart of each metric, set to as many evaluations as ours."""
    return {
        "deletion": quantus.PixelFlipping(features_in_step=VALUES // STEPS, perturb_baseline="mean", **QUIET),
        "monotonicity": quantus.Monotonicity(features_in_step=VALUES // STEPS, perturb_baseline="mean", **QUIET),
        "irof": quantus.IROF(perturb_baseline="mean", return_aggregate=False, **QUIET),
        "road_morf": quantus.ROAD(percentages=[*range(10, 100, 10)], noise=0.01, **QUIET),
        "faithfulness_correlation": quantus.FaithfulnessCorrelation(
            nr_runs=32, subset_size=VALUES // 10, perturb_baseline="mean", return_aggregate=False, **QUIET
        ),
        "sensitivity_n": quantus.SensitivityN(
            features_in_step=VALUES // 96,
            n_max_percentage=0.8,
            perturb_baseline="mean",
            return_aggregate=False,
            **QUIET,
        ),
        "infidelity": quantus.Infidelity(
            perturb_patch_sizes=[SIZE // 4], n_perturb_samples=2, perturb_baseline="mean", **QUIET
        ),
        "non_sensitivity": quantus.NonSensitivity(features_in_step=VALUES // 48, perturb_baseline="mean", **QUIET),
        "max_sensitivity": quantus.MaxSensitivity(nr_samples=4, lower_bound=0.04, **QUIET),
        "avg_sensitivity": quantus.AvgSensitivity(nr_samples=4, lower_bound=0.04, **QUIET),
        "local_lipschitz": quantus.LocalLipschitzEstimate(nr_samples=4, **QUIET),
        "relative_input_stability": quantus.RelativeInputStability(nr_samples=4, **QUIET),
        "relative_output_stability": quantus.RelativeOutputStability(nr_samples=4, **QUIET),
        "relative_representation_stability": quantus.RelativeRepresentationStability(
            nr_samples=4, layer_names=["layer4.1"], **QUIET
        ),
        "pointing_game": quantus.PointingGame(**QUIET),
        "energy_in_mask": quantus.RelevanceMassAccuracy(**QUIET),
        "relevance_rank": quantus.RelevanceRankAccuracy(**QUIET),
        "top_k_in_mask": quantus.TopKIntersection(k=SIZE * SIZE // 20, **QUIET),
        "mask_auc": quantus.AUC(**QUIET),
        "gini": quantus.Sparseness(**QUIET),
        "entropy": quantus.Complexity(**QUIET),
        "effective_complexity": quantus.EffectiveComplexity(**QUIET),
        "mprt": quantus.MPRT(return_average_correlation=True, **QUIET),
        "smooth_mprt": quantus.SmoothMPRT(nr_samples=4, return_average_correlation=True, **QUIET),
        "random_logit": quantus.RandomLogit(num_classes=8, **QUIET),
        "input_invariance": quantus.InputInvariance(**QUIET),
        "completeness": quantus.Completeness(perturb_baseline="mean", **QUIET),
    }


def explain(model: nn.Module, inputs: np.ndarray, targets: np.ndarray, **_: object) -> np.ndarray:
    """Explain as `method=gradient` does."""
    method, x = METHOD[0], torch.as_tensor(np.asarray(inputs), dtype=torch.float32)
    return method(model, x, torch.as_tensor(np.asarray(targets))).numpy()[:, None]


METHOD: list[Callable[..., Tensor]] = []  # Quantus takes a function; the method comes from conf/


def timed(model: nn.Module, run: Callable[[], object]) -> tuple[float, int]:
    """Return the seconds of the processor that a call takes, and its passes, forward and backward."""
    with counted(model) as cost:
        start = process_time()
        run()
        return process_time() - start, cost.forwards + cost.backwards


def compared(model: nn.Module, ours: Callable[[], object], other: Callable[[], object]) -> tuple[tuple, tuple | str]:
    """Return both sides' fastest seconds and passes, or what the other raises."""
    pairs = []
    while not pairs or (len(pairs) < REPEATS and sum(side[0] for side in pairs[0]) < LONG):
        mine = timed(model, ours)
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                pairs.append((mine, timed(model, other)))
        except Exception as error:  # some of them fail on any image with three channels
            return mine, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:60]
    return min(mine for mine, _ in pairs), min(other for _, other in pairs)


def main(images: int) -> int:
    """Print the table; return 0 where `MANY` metrics are `LIMIT` times as fast, or as their passes allow, else 1."""
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    model = network()
    methods, metrics = entries(images)
    METHOD.append(methods["gradient"])
    given = asked(model, methods["gradient"], images)
    layers = sum(hasattr(module, "reset_parameters") for module in model.modules())
    for name in ("deletion", "monotonicity"):
        metrics[name] = replace(metrics[name], steps=STEPS)
    for name in ("mprt", "smooth_mprt"):  # Quantus randomises layer by layer
        metrics[name] = replace(metrics[name], stages=layers)
    batch = {
        "x_batch": given.x.numpy(),
        "y_batch": given.target.numpy(),
        "a_batch": given.maps.numpy()[:, None],
        "s_batch": given.mask.numpy()[:, None],
        "explain_func": explain,
        "device": "cpu",
    }

    def fresh() -> Explained:
        return replace(given, shared={})

    print(
        f"resnet18, {SIZE} px, {images} images, maps of gradient, threads: {torch.get_num_threads()}, seconds of the "
        f"processor; Quantus {quantus.__version__}, numpy {np.__version__}"
    )
    print(f"{'':34} {'passes an image':>17} {'seconds':>17} {'times as':>8} {'bound by':>8}")
    print(f"{'metric':34} {'ours':>8} {'Quantus':>8} {'ours':>8} {'Quantus':>8} {'fast':>8} {'passes':>8}")
    set_of_both = {}
    for name, metric in theirs().items():
        mine, other = compared(
            model, lambda n=name: metrics[n](fresh()), lambda m=metric: m(model=model, **copied(batch))
        )
        if isinstance(other, str):
            print(f"{name:34} {mine[1] / images:8.1f} {'':8} {mine[0]:8.3f} {other}", flush=True)
            continue
        set_of_both[name] = other
        print(row(name, mine, other, images), flush=True)

    few = [name for name in set_of_both if not name.endswith("mprt")]  # whose many copies of the network nobody shares
    sets = {"all": [*set_of_both], "all but mprt, smooth_mprt": few, "": few[:MANY]}
    for said, names in sets.items():
        other = tuple(sum(values) for values in zip(*(set_of_both[name] for name in names), strict=True))
        mine, following = at_once(given, [metrics[name] for name in names])
        print(row(f"{said}{': ' if said else ''}{len(names)} at once", mine, other, images))
        print(row("  and of the next method of a sweep", following, other, images), flush=True)
    first, later, bound = other[0] / mine[0], other[0] / following[0], other[1] / mine[1]
    held = len(few) >= MANY and first >= min(LIMIT, bound / SLACK) and later >= LIMIT
    print(
        f"{MANY} metrics at once {'are' if held else 'are not'} {LIMIT} times as fast, or as fast as their passes "
        f"allow: {first:.1f} times for one method, where passes alone would allow {bound:.1f}, and {later:.1f} times "
        "for each further one"
    )
    return int(not held)


def at_once(given: Explained, metrics: list[Callable]) -> tuple[tuple, tuple]:
    """Return seconds and passes of metrics that share a batch, and those for one more method of the same sweep."""
    sides = []
    for _ in range(REPEATS):
        store = Store(None, given.model, "", torch.device("cpu"))
        both = [replace(given, shared={}, store=store) for _ in range(2)]
        sides.append([timed(given.model, lambda one=one: [metric(one) for metric in metrics]) for one in both])
        if sides[-1][0][0] > LONG:
            break
    return tuple(map(min, zip(*sides, strict=True)))


def row(name: str, mine: tuple[float, int], other: tuple[float, int], images: int) -> str:
    """Return a line: passes and seconds of both, their quotient, and what it would be if only passes took time."""
    bound = f"{other[1] / mine[1]:8.1f}" if mine[1] else f"{'':8}"
    passed = f"{mine[1] / images:8.1f} {other[1] / images:8.1f}"
    return f"{name:34} {passed} {mine[0]:8.3f} {other[0]:8.3f} {other[0] / mine[0]:8.1f} {bound}"


def copied(batch: dict[str, object]) -> dict[str, object]:
    """Return the batch with arrays of its own: some of Quantus' metrics write into them."""
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in batch.items()}


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 16))
