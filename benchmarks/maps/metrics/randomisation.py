"""Does the map change when the model's weights are drawn anew, layer by layer, or when another class is explained?"""

import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from functools import partial, partialmethod
from math import ceil

import torch
from torch import Tensor, nn

from benchmarks.explained import Explained
from benchmarks.maps.metrics.robustness.noise import check, noisy_images, noisy_maps
from benchmarks.maps.metrics.similarity import spearman
from entries import scores, whole

NOISE = 8  # images; fewer give poor statistics where a layer has few pixels
randomised_scores = partial(scores, "randomisation", higher_is_better=False, bounds=(0.0, 1.0), needs=("explain",))


@randomised_scores(
    cites="Adebayo et al. 2018",
    version=2,
    invariant=("scale", "order"),
    undefined="the map, or that of a randomised model, is constant",
)
class Mprt:
    """Mean absolute rank correlation of the map with those of randomised models [Adebayo et al. 2018].

    In this model parameter randomisation test, cascading, layers lose their weights top-down in the order in which they
    run, and after each of `stages` equal shares of the layers the copy is explained. The original is not in the mean. A
    map whose sign flips as a whole has not changed, so |rho| counts. Weights are drawn anew as for an untrained
    network, see `redraw`. Randomised batch norms take the statistics of `NOISE` seeded noise images; without them the
    logits of a deep residual network grow to thousands. Top-down randomisation keeps the scale of activations, and
    noisy maps score well [Binder et al. 2023].
    """

    stages: int
    seed: int
    passes = property(lambda self: (0, 1 + NOISE * self.stages, self.stages))
    __post_init__ = partialmethod(whole, stages=1, seed=0)

    def __call__(self, explained: Explained) -> Tensor:
        return self.curve(explained)[1][:, 1:].double().mean(1).float()

    def curve(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Return the randomised fractions of the layers (stages + 1,) and the correlations (n, stages + 1)."""
        return explained.once(("mprt", self.stages, self.seed), lambda: self.correlations(explained))

    def correlations(self, explained: Explained) -> tuple[Tensor, Tensor]:
        """Compute what `curve` returns."""
        own, copies = explained.maps, randomised(explained, self.stages, self.seed)
        values = [spearman(own, own), *(spearman(own, explained.explain(model=copy)).abs() for copy in copies)]
        fractions = torch.linspace(0, 1, self.stages + 1, device=own.device)
        return fractions, torch.stack(values, 1).float()


@randomised_scores(
    cites="Hedstrom et al. 2023",
    invariant=("scale",),
    undefined="the mean map of the model, or of a randomised one, is constant",
)
class SmoothMprt:
    """`Mprt` of maps that are means over noisy images, original and randomised [Hedstrom et al. 2023].

    Without the means, maps that are noise look as if they had changed more. The noisy images are those of
    `MaxSensitivity` with the same settings, and so are the original's maps; the map of the image itself is not read.
    The preset has one stage, in which all weights are drawn anew, since partly randomised models keep information
    [Binder et al. 2023]. The paper has Gaussian noise in place of uniform noise within `radius`, and rho.
    """

    stages: int
    radius: float
    samples: int
    seed: int
    passes = property(lambda self: (0, 1 + NOISE * self.stages, (1 + self.stages) * self.samples))

    def __post_init__(self) -> None:
        whole(self, stages=1)
        check(self)

    def __call__(self, explained: Explained) -> Tensor:
        own, values = mean_of(noisy_maps(explained, self)), []
        for copy in randomised(explained, self.stages, self.seed):
            others = mean_of(explained.explain(image, model=copy) for image in noisy_images(explained, self))
            values.append(spearman(own, others).abs())
        return torch.stack(values).mean(0).float()


@randomised_scores(
    cites="Sixt et al. 2020",
    version=2,
    invariant=("scale", "order"),
    undefined="the map, or that of the other class, is constant",
    passes=(0, 0, 1),
)
class RandomLogit:
    """Absolute rank correlation of the target's map with that of another class [Sixt et al. 2020].

    A map that ignores the class scores 1, and so does a map in which the class changes only the sign (Sixt et al.
    compare both signs). The other class is the target plus one seeded offset for all images, modulo the number of
    classes. Departs from the paper's SSIM, which depends on the maps' tails: it is .6 between independent fifth powers
    of noise.
    """

    seed: int
    __post_init__ = partialmethod(whole, seed=0)

    def __call__(self, explained: Explained) -> Tensor:
        classes = explained.clean_logits().shape[1]
        if classes < 2:
            raise ValueError(f"RandomLogit needs a model of at least 2 classes; it has {classes}")
        offset = torch.randint(1, classes, (), generator=torch.Generator().manual_seed(self.seed)).item()
        other = explained.explain(target=(explained.target + offset) % classes)
        return spearman(explained.maps, other).abs().float()


def mean_of(maps: Iterable[Tensor]) -> Tensor:
    """Return the mean of several sets of maps, (n, h, w) float64."""
    return torch.stack([m.double() for m in maps]).mean(0)


def randomised(explained: Explained, stages: int, seed: int) -> Iterator[nn.Module]:
    """Yield one copy of the model `stages` times, each time with more of its layers randomised, at last with all.

    The order of the layers and the statistics of batch norms, which take passes, are computed once for all methods.
    """
    copy = deepcopy(explained.model)
    order = explained.for_all("order of layers", lambda: run_order(copy, explained.x[:1]))
    layers = top_down(copy, order.tolist())
    if not layers:
        raise ValueError(f"MPRT needs a model with weights; {type(copy).__name__} has none")
    noise = torch.rand(NOISE, *explained.x.shape[1:], generator=torch.Generator().manual_seed(seed))
    noise, done, norms = explained.normalised(noise.to(explained.x)), 0, []
    for stage in range(1, stages + 1):
        share = ceil(stage * len(layers) / stages)  # at least one: the original is no stage
        for name, tensors in layers[done:share]:
            redraw(tensors, torch.Generator().manual_seed(zlib.crc32(f"{seed} {name}".encode())))
            norms += [copy.get_submodule(name)] if f"{name}.running_mean" in tensors else []
        if norms:
            known = explained.for_all(("batch norms", share, seed), partial(statistics, copy, norms, noise))
            for norm, (mean, variance) in zip(norms, known, strict=True):
                norm.running_mean.copy_(mean)
                norm.running_var.copy_(variance)
        yield copy
        done = share


def run_order(model: nn.Module, x: Tensor) -> Tensor:
    """Return the places in `named_modules` of the modules that run, in that order, (m,) int64."""
    ran: dict[int, None] = {}
    with ExitStack() as hooks, torch.no_grad():
        for place, module in enumerate(model.modules()):
            called = lambda _module, _inputs, place=place: ran.setdefault(place)  # noqa: E731
            hooks.enter_context(module.register_forward_pre_hook(called))
        model(x)
    return torch.tensor(list(ran), dtype=torch.int64)


def top_down(model: nn.Module, order: list[int]) -> list[tuple[str, dict[str, Tensor]]]:
    """Return the layers with weights, last to run first: name, and weights and running statistics by name.

    A layer is a module that runs and has weights of its own; weights below it that are used without a call of their
    module are randomised with it, and weights that never run are left. A layer that runs twice has its first place.
    """
    names = [name for name, _ in model.named_modules()]
    running = {name: t for name, t in model.named_buffers() if name.endswith(("running_mean", "running_var"))}
    tensors = dict(model.named_parameters()) | running
    owners = {name.rpartition(".")[0] for name in tensors}
    layers: dict[str, dict[str, Tensor]] = {names[place]: {} for place in order if names[place] in owners}
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
        if tensor.ndim > 1:
            tensor.copy_(torch.randn(tensor.shape, generator=rng) * (2 / tensor[0].numel()) ** 0.5)
        elif tensor.ndim == 1:
            tensor.fill_(0 if name.endswith(("bias", "running_mean")) else 1)


@torch.no_grad()
def statistics(model: nn.Module, norms: list[nn.Module], x: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return the mean and variance that each norm sees of `x`, in one pass."""
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over passes, hence this pass alone
        norm.train()
    model(x)
    for norm in norms:
        norm.eval()
    return [(norm.running_mean.clone(), norm.running_var.clone()) for norm in norms]
