"""What a machine makes of the suite in at most 8 minutes: `python -m tests.speed.gpu`.

Tests, the time of passes, and a sweep of all methods on mosaics with EfficientNet-Lite0, in float32 and in bfloat16.
Without a GPU of NVIDIA it does less of all of this on the CPU, and says so. Each part has its own share of the time; a
sweep that does not end in its share is stopped, and its finished cells are reported.
"""

import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import pandas as pd
import timm
import torch

from benchmarks.batches import batch_size, clock
from benchmarks.precision import at_precision
from results import scores
from tests.speed.passes import DEVICE, Way, noise

GPU = DEVICE.type == "cuda"
TESTS = ["tests/run/test_cost.py", "tests/run/test_precision.py", "tests/models/test_merging.py"]
TESTS += ["tests/methods"] if GPU else []
NETWORKS = ["resnet18", "efficientnet_lite0", "vgg16"] if GPU else ["resnet18"]
IMAGES, SCALE, SIDE = (64, 0.2, 224) if GPU else (1, 0.03, 64)  # mosaics, shares of the usual budget, pixels of a tile
SECONDS = {"tests": 90, "passes": 90, "sweep": 140 if GPU else 180}
SIZE, FEW = 2 * SIDE, 10  # pixels of a mosaic; methods with fewer passes an image are not judged
DEAR = ("ablation_cam", "score_cam")  # a pass for each of 1,280 channels: the last on a GPU, left out on the CPU
METHODS = sorted({path.stem for path in Path("conf/method").glob("*.yaml")} - {"stored", *DEAR}) + [*DEAR] * GPU
SWEEP = [
    "-m",
    "model=efficientnet_lite0",
    "weights=package",
    "dataset=grid",
    f"dataset.images={IMAGES}",
    f"model.input_size={SIDE}",
]
SWEEP += [f"method={','.join(METHODS)}", "metric=[grid_pointing]", f"budget.scale={SCALE}", "tracking_uri=null"]
SWEEP += ["threads=1"] * (not GPU)
OUTPUTS = Path("outputs")


def ended(command: Sequence[str], seconds: int) -> tuple[str, str]:
    """Run a Python command; return how it ended and what it printed."""
    start = perf_counter()
    try:
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=seconds)
        how, said = f"exit code {done.returncode}", done.stdout
    except subprocess.TimeoutExpired as stopped:
        how, said = "stopped, since its time was over", (stopped.stdout or b"").decode()
    return f"{how}, {perf_counter() - start:.0f} s", said


def bare(precision: str) -> tuple[int, float, float]:
    """Return the images of one pass, and seconds of one image forward and of one image forward and backward."""
    model = timm.create_model("efficientnet_lite0").eval().requires_grad_(False).to(DEVICE)
    model = at_precision(model.to(memory_format=torch.channels_last), precision, DEVICE)
    batch = batch_size("auto", model, SIZE, DEVICE, kept=OUTPUTS / "weights" / ".batches")
    way = Way("", batch, model)
    x, times = noise(batch, SIZE).to(memory_format=torch.channels_last), [[], []]
    for turn in range(4):
        for kept, call in zip(times, (way.forward, way.gradient), strict=True):
            start = time()
            call(x)
            kept += [(time() - start) / batch] * bool(turn)
    return batch, *map(statistics.median, times)


def time() -> float:
    """Return seconds that go by, with all work of a GPU done."""
    clock(DEVICE)
    return perf_counter()


def swept(precision: str) -> tuple[str, pd.DataFrame]:
    """Sweep all methods; print what came of it, and return how it ended and a row for each method that has maps."""
    name = f"speed_{precision}"
    shutil.rmtree(OUTPUTS / name, ignore_errors=True)
    how, _ = ended(["run.py", *SWEEP, f"name={name}", f"precision={precision}"], SECONDS["sweep"])
    print(f"\nAll methods in {precision}: {how}.")
    try:
        table = scores.read(OUTPUTS / name)
    except FileNotFoundError:
        print("No cell was finished.")
        return how, pd.DataFrame()
    unsuited = table[table.status == "inapplicable"].entry.nunique()
    table = table[table.image != ""].drop_duplicates(["entry", "image"])
    named = {"seconds": "seconds", "forwards": "forwards", "backwards": "backwards", "peak_memory": "MiB"}
    named = {f"explain_{column}": name for column, name in named.items()}
    costs = table.groupby("entry", observed=True)[[*named]].mean().rename(columns=named)
    batch, forward, both = bare(precision)
    passes = costs.forwards * forward + costs.backwards * (both - forward)
    costs["wall over passes"] = (costs.seconds / passes).where(costs.forwards + costs.backwards > FEW)
    ratio = costs["wall over passes"]
    passed = (costs.forwards + costs.backwards).sum() / costs.seconds.sum()
    print(f"{len(costs)} methods have maps, {table.image.nunique()} of each, and {unsuited} say why they have none.")
    print(f"An image takes {1000 * forward:.1f} ms, with its gradient {1000 * both:.1f} ms, in passes of {batch}.")
    print(f"In a second, all methods together explain {1 / costs.seconds.sum():.3f} images, with {passed:.1f} passes.")
    print(f"Wall over passes of methods with more than {FEW}: median {ratio.median():.2f}, largest {ratio.max():.2f}.")
    print(f"Peak memory: {costs.MiB.max():.0f} MiB.")
    return how, costs


def main() -> int:
    """Print the report; return 1 if a test or a sweep failed; a sweep that took too long did not."""
    start, less = perf_counter(), "the CPU, since there is no GPU of NVIDIA; a GPU computes more of everything"
    amount = f"{IMAGES} mosaic{'s' * (IMAGES > 1)} of {SIZE} px, {SCALE} of the usual budget"
    print(f"On {torch.cuda.get_device_name() if GPU else less}: {amount}; torch {torch.__version__}")
    failed, said = ended(["-m", "pytest", "-n0", "-m", "not slow", *TESTS], SECONDS["tests"])
    print(f"Tests: {failed}; {(said.splitlines() or ['nothing was printed'])[-1]}")
    _, said = ended(["-m", "tests.speed.passes", "--eager", *NETWORKS], SECONDS["passes"])
    print(said)
    ends, tables = zip(*map(swept, ("float32", "bfloat16")), strict=True)
    print()
    print(pd.concat(tables, axis=1, keys=("float32", "bfloat16")).round(2).to_string(na_rep=""))
    print(f"{perf_counter() - start:.0f} s in all")
    return int("exit code 0" not in failed or any("exit code" in how and "exit code 0" not in how for how in ends))


if __name__ == "__main__":
    sys.exit(main())
