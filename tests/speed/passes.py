"""Milliseconds of one image's passes, made in several ways: `python -m tests.speed.passes [--eager] [NETWORK ...]`.

All ways of a network take turns in one process, and medians are printed. On the CPU with one thread the time is that of
the processor, so that other work on the machine does not count; otherwise it is the time that went by. --eager leaves
out torch.compile, which takes minutes to start.
"""

import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from copy import deepcopy
from time import perf_counter
from typing import NamedTuple

import timm
import torch
from torch import Tensor, nn

from benchmarks.batches import clock
from models.merging import merged

NETWORKS = {  # pixels along a side, images in one pass of each way, the most images in one pass, and turns
    "resnet18": (64, 16, 64, 5),
    "efficientnet_lite0": (224, 16, 64, 5),
    "vgg16": (224, 4, 16, 2),
}
LONG = 10.0  # a measurement that takes more seconds is not repeated
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Way(NamedTuple):
    """One way to make passes."""

    name: str
    images: int
    model: nn.Module
    context: Callable = nullcontext  # in which the network is called
    free: Callable = torch.no_grad  # in which it is called where no gradient is wanted
    layout: torch.memory_format = torch.channels_last

    def forward(self, x: Tensor) -> None:
        with self.free(), self.context():
            self.model(x)

    def gradient(self, x: Tensor) -> None:
        x = x.requires_grad_()
        with self.context():
            total = self.model(x).float().sum()
        torch.autograd.grad(total, x)


def ways(name: str, eager: bool) -> Iterator[Way]:
    """Yield the ways to make passes through a network with random weights."""
    size, images, most, _ = NETWORKS[name]
    plain = timm.create_model(name).eval().requires_grad_(False).to(DEVICE)
    model = deepcopy(plain).to(memory_format=torch.channels_last)
    yield Way("plain", images, plain, layout=torch.contiguous_format)
    yield Way("channels last, as the suite does", images, model)
    if any(isinstance(module, nn.BatchNorm2d) for module in model.modules()):
        yield Way("batch norms merged", images, merged(deepcopy(model), noise(1, size)))
    yield Way("inference mode", images, model, free=torch.inference_mode)
    if not eager:
        yield Way("torch.compile", images, torch.compile(model))
    yield Way("bfloat16 autocast", images, model, lambda: torch.autocast(DEVICE.type, torch.bfloat16))
    if DEVICE.type == "cuda":
        yield Way("TF32", images, model, TF32)
    for many in (2**power for power in range(most.bit_length())):
        yield Way(f"batch of {many}", many, model)


class TF32:
    """Let matrix products and convolutions of a GPU round their inputs to TF32."""

    def __enter__(self) -> None:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True

    def __exit__(self, *_: object) -> None:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def noise(images: int, size: int) -> Tensor:
    """Return images of noise."""
    return torch.randn(images, 3, size, size, generator=torch.Generator().manual_seed(0)).to(DEVICE)


def measured(name: str, eager: bool) -> dict[Way, tuple[float, float, float]]:
    """Return for each way milliseconds of a forward pass and of one with its gradient, and the seconds of its start.

    The start is the first call of each less the median of the later ones.
    """
    every, (size, _, _, turns) = [*ways(name, eager)], NETWORKS[name]
    times: dict[Way, list[list[float]]] = {way: [[], []] for way in every}
    starts = dict.fromkeys(every, 0.0)
    for turn in range(turns + 1):
        for way in every:
            x = noise(way.images, size).to(memory_format=way.layout)
            for kept, call in zip(times[way], (way.forward, way.gradient), strict=True):
                if kept and kept[-1] * way.images > 1000 * LONG:
                    continue
                before, by = clock(DEVICE), perf_counter()
                call(x)
                if turn:
                    kept.append(1000 * (clock(DEVICE) - before) / way.images)
                else:  # a compiler works in processes of its own
                    clock(DEVICE)
                    starts[way] += perf_counter() - by
    medians = {way: [statistics.median(kept) for kept in both] for way, both in times.items()}
    return {way: (*both, max(0, starts[way] - sum(both) * way.images / 1000)) for way, both in medians.items()}


def main(words: list[str]) -> None:
    """Print a table for each network."""
    eager = "--eager" in words
    for name in [word for word in words if word != "--eager"] or NETWORKS:
        torch.manual_seed(0)
        spent = measured(name, eager)
        size, *_, turns = NETWORKS[name]
        processor = torch.cuda.get_device_name() if DEVICE.type == "cuda" else f"{torch.get_num_threads()} thread(s)"
        print(f"\n{name}, {size} px, {processor}, median of {turns}: milliseconds an image")
        print("| passes | images in one pass | forward | forward and backward |\n|---|---|---|---|")
        for way, (forward, both, _) in spent.items():
            backward = "" if way.free is torch.inference_mode else f"{both:.1f}"
            print(f"| {way.name} | {way.images} | {forward:.1f} | {backward} |")
        if eager:
            continue
        compiled = next(way for way in spent if way.name == "torch.compile")
        usual = next(spent[way] for way in spent if way.name.startswith("channels last"))
        gain = sum(usual[:2]) - sum(spent[compiled][:2])
        paid = f"paid after {1000 * spent[compiled][2] / gain:.0f} images" if gain > 0 else "never paid"
        print(f"torch.compile starts in {spent[compiled][2]:.0f} s, {paid} of one pass of each sort", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
