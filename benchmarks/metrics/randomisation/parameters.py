"""The map when the model's weights are drawn anew, layer by layer."""

import zlib
from copy import deepcopy
from dataclasses import dataclass
from math import ceil
from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmarks.explained import Explained
from benchmarks.metrics.fields import whole
from benchmarks.metrics.similarity import spearman

NOISE = 8  # images; fewer give poor statistics where a layer has few pixels


@dataclass(frozen=True)
class Mprt:
    """Mean absolute rank correlation of the map with those of randomised models [Adebayo et al. 2018].

    Model parameter randomisation test, cascading: layers lose their weights top-down in the order in which they run,
    and after each of `stages` equal shares of the layers the copy is explained. The original is not in the mean, and
    a map whose sign flips as a whole, as that of LRP does with the sign of the logit, has not changed: |rho| counts.
    Weights are drawn anew as for an untrained network, see `redraw`, and randomised batch norms take the statistics of
    `NOISE` seeded noise images: without them the logits of a deep residual network grow to thousands and every
    probability is 0 or 1. Read it with care: top-down randomisation keeps the scale of activations, and noisy maps
    score well [Binder et al. 2023].
    """

    category: ClassVar[str] = "randomisation"
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("explain",)
    invariant: ClassVar[tuple[str, ...]] = ("scale", "order")
    undefined: ClassVar[str] = "the map, or that of a randomised model, is constant"
    cites: ClassVar[str] = "Adebayo et al. 2018"

    stages: int
    seed: int

    def __post_init__(self) -> None:
        whole(self, stages=1, seed=0)

    @property
    def passes(self) -> tuple[int, int, int]:
        return 0, 0, self.stages

    def __call__(self, explained: Explained) -> Tensor:
        return self.curve(explained)[1][:, 1:].double().mean(1).float()

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the randomised fractions of the layers (stages + 1,) and the correlations (n, stages + 1)."""
        return explained.once(("mprt", self.stages, self.seed), lambda: self.correlations(explained))

    def correlations(self, explained: Explained) -> tuple[Tensor, Tensor]:
        copy = deepcopy(explained.model)
        layers = top_down(copy, explained.x[:1])
        if not layers:
            raise ValueError(f"Mprt needs a model with weights; {type(copy).__name__} has none")
        noise = torch.rand(NOISE, *explained.x.shape[1:], generator=torch.Generator().manual_seed(self.seed))
        done, ours, norms = 0, explained.maps, []
        values = [spearman(ours, ours)]
        for stage in range(1, self.stages + 1):
            share = ceil(stage * len(layers) / self.stages)  # at least one: the original is no stage
            for name, tensors in layers[done:share]:
                redraw(tensors, torch.Generator().manual_seed(zlib.crc32(f"{self.seed} {name}".encode())))
                norms += [copy.get_submodule(name)] if f"{name}.running_mean" in tensors else []
            settle(copy, norms, explained.normalised(noise.to(explained.x)))
            values.append(spearman(ours, explained.explain(model=copy)).abs())
            done = share
        fractions = torch.linspace(0, 1, self.stages + 1, device=ours.device)
        return fractions, torch.stack(values, 1).float()


def top_down(model: nn.Module, x: Tensor) -> list[tuple[str, dict[str, Tensor]]]:
    """Return the layers with weights, last to run first: name, and weights and running statistics by name.

    A layer is a module that runs and has weights of its own; weights below it that are used without a call of their
    module are randomised with it, and weights that never run are left. A layer that runs twice has its first place.
    """
    ran: dict[str, None] = {}
    handles = [
        module.register_forward_pre_hook(lambda _module, _inputs, name=name: ran.setdefault(name))
        for name, module in model.named_modules()
    ]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    statistics = {name: t for name, t in model.named_buffers() if name.endswith(("running_mean", "running_var"))}
    tensors = dict(model.named_parameters()) | statistics
    owners = {name.rpartition(".")[0] for name in tensors}
    layers: dict[str, dict[str, Tensor]] = {name: {} for name in ran if name in owners}
    for name, tensor in tensors.items():
        owner = name.rpartition(".")[0]
        while owner and owner not in layers:
            owner = owner.rpartition(".")[0]
        if owner in layers:
            layers[owner][name] = tensor
    return list(reversed(layers.items()))


@torch.no_grad()
def redraw(tensors: dict[str, Tensor], rng: torch.Generator) -> None:
    """Make a layer's tensors those of an untrained one, in place.

    Kernels and matrices are normal with variance 2 / fan-in [He et al. 2015]; biases are 0, scales 1, and the running
    statistics of batch norms 0 and 1 until they are settled.
    """
    for name, tensor in tensors.items():
        kind = name.rpartition(".")[2]
        if tensor.ndim > 1:
            tensor.copy_(torch.randn(tensor.shape, generator=rng) * (2 / tensor[0].numel()) ** 0.5)
        elif tensor.ndim == 1:
            tensor.fill_(0 if kind in ("bias", "running_mean") else 1)


@torch.no_grad()
def settle(model: nn.Module, norms: list[nn.Module], x: Tensor) -> None:
    """Give batch norms the statistics of `x` in one pass; without a norm, there is no pass."""
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over passes, hence this pass alone
        norm.train()
    if norms:
        model(x)
    for norm in norms:
        norm.eval()
