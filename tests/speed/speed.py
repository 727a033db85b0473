"""Wall time of every entry over the time of its bare passes: `python -m tests.speed.speed [IMAGES]`.

An entry runs once to note its passes, each with its number of images and whether a gradient followed. Then the entry
and the bare replay of these passes alternate, so that both see the same machine; the median paired ratio is printed.
"""

import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import timm
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import Tensor, nn

import benchmarks.resolvers  # noqa: F401 (its resolver)
from benchmarks.explained import Explained
from benchmarks.store import Store

ROOT = Path(__file__).parents[2]
SIZE, CLASSES, REPEATS, LIMIT, FEW = 64, 8, 5, 1.3, 10
BUDGET = ("budget.steps=16", "budget.samples=16", "budget.masks=64", "budget.iterations=16")


class Pass:
    """One call of the model: how many images, and whether a gradient was taken through it."""

    def __init__(self, images: int) -> None:
        self.images, self.gradient = images, False


def passes(model: nn.Module, run: Callable[[], object]) -> list[Pass]:
    """Run an entry once and return the passes that it made through `model` or copies of it."""
    made: list[Pass] = []

    def note(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        made.append(one := Pass(len(output)))
        if output.requires_grad:
            output.register_hook(lambda _gradient: setattr(one, "gradient", True))

    handle = model.register_forward_hook(note)
    try:
        run()
    finally:
        handle.remove()
    return made


def replay(model: nn.Module, made: list[Pass]) -> None:
    """Make the same passes with nothing around them."""
    for one in made:
        x = torch.zeros(one.images, 3, SIZE, SIZE)
        with torch.set_grad_enabled(one.gradient):
            output = model(x.requires_grad_(one.gradient))
            if one.gradient:
                torch.autograd.grad(output.sum(), x)


def seconds(run: Callable[[], object]) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


def ratio(model: nn.Module, run: Callable[[], object]) -> tuple[int, float, float]:
    """Return the passes of a call, the seconds it takes, and the median paired ratio to its bare passes."""
    made = passes(model, run)
    pairs = [(seconds(run), seconds(lambda: replay(model, made))) for _ in range(REPEATS)]
    images = sum(one.images * (1 + one.gradient) for one in made)
    if not made:
        return 0, pairs[0][0], float("nan")
    return images, min(a for a, _ in pairs), statistics.median(a / b for a, b in pairs)


def network() -> nn.Module:
    """Return a random resnet18, frozen."""
    return timm.create_model("resnet18", num_classes=CLASSES).eval().requires_grad_(False)


def entries(images: int) -> tuple[dict[str, Callable], dict[str, Callable]]:
    """Return every method and every metric by name."""
    given = [f"batch_size={images}", "metric=[set/all]", *BUDGET]
    names = sorted(path.stem for path in (ROOT / "conf" / "method").glob("*.yaml") if path.stem != "stored")
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        methods = {n: instantiate(compose("config", [*given, f"method={n}"]).method, _convert_="all") for n in names}
        metrics = {n: instantiate(node, _convert_="all") for n, node in compose("config", given).metric.items()}
    return methods, metrics


def asked(model: nn.Module, method: Callable, images: int, store: Store | None = None) -> Explained:
    """Return noise images with one square object, explained by the method, with nothing passed yet."""
    x, target = torch.randn(images, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)), torch.arange(images)
    mask = torch.zeros(images, SIZE, SIZE, dtype=torch.bool)
    mask[:, SIZE // 4 : SIZE // 2, SIZE // 4 : SIZE // 2] = True
    colour = torch.full((3,), 0.5)
    blank = Explained(model, method, x, target % CLASSES, torch.empty(0), mask, colour, colour, x, store=store)
    return replace(blank, maps=blank.explain())


def main(images: int) -> int:
    """Print the table; return the number of entries over the limit."""
    torch.manual_seed(0)
    model = network()
    methods, metrics = entries(images)
    runs = {name: asked(model, method, images).explain for name, method in methods.items()}
    explained = asked(model, methods["gradient"], images)
    runs |= {name: lambda m=metric: m(replace(explained, shared={})) for name, metric in metrics.items()}
    print(f"resnet18, {SIZE} px, {images} images, {torch.get_num_threads()} threads; metrics score maps of `gradient`")
    print(f"{'entry':28} {'passes/image':>12} {'seconds':>8} {'ratio':>6}")
    over = 0
    for name, run in runs.items():
        number, spent, factor = ratio(model, run)
        judged = number / images > FEW
        over += judged and factor > LIMIT
        mark = "" if not judged else "over" if factor > LIMIT else "ok"
        print(f"{name:28} {number / images:12.1f} {spent:8.3f} {factor:6.2f} {mark}", flush=True)
    print(f"{over} of the entries with more than {FEW} passes an image are over {LIMIT}")
    return over


if __name__ == "__main__":
    sys.exit(min(1, main(int(sys.argv[1]) if len(sys.argv) > 1 else 16)))
