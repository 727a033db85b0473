"""Importance of filters: by how much the label's logit falls when the output channel of a convolution is removed.

A removed filter is its output channel after its batch norm or layer scale, set everywhere to zero or to its mean over
the images. Every convolution of maps has filters; those of a depthwise convolution are its single channels. Linear
layers have none, nor have the convolutions of a head that see the whole map, as in timm's VGG.

`importance(network, x, labels)` takes images x (n, 3, h, w) with labels (n,) and gives `Importance`.
"""

from collections.abc import Sequence
from functools import partial, partialmethod
from math import inf, nan
from re import sub
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from entries import Inapplicable, choice, explains, whole
from methods.graph import Canonical, Kept, canonical_form
from methods.layers.ablation import Removal, convolutions, matrices, outputs
from methods.layers.layered import Layered


class Importance(NamedTuple):
    """What filters are worth, of each convolution from the image to the logits; float64, on the CPU."""

    names: tuple[str, ...]  # timm's names of the convolutions; the canonical form's where it merges several
    signed: list[Tensor]  # (k, c) mean fall of a class's logit over images of that class; nan: not told
    order: list[Tensor]  # (draws, c) size by which filters are ordered
    alive: list[Tensor]  # (c,) bool


class Filters(NamedTuple):
    """The filters of a network, and what the reference images show of them."""

    removals: list[Removal]
    names: tuple[str, ...]
    alive: list[Tensor]  # (c,) bool: the channel varies over images and positions, on a whole way to what reads it
    means: list[Tensor]  # (c,) float64 over images and positions


def filters(entry: object, network: Layered, x: Tensor) -> tuple[GraphModule, Filters]:
    """Return the canonical form of a network with its filters; refuse a network without convolutions."""
    graph = canonical_form(entry, network.model, x)
    weights = matrices(graph)
    removals = [Removal(graph, layer, weights) for layer in convolutions(graph)]
    if not removals:
        need = f"{type(entry).__name__} needs a network with convolutions"
        raise Inapplicable(f"{need}; {type(network.model).__name__} has none")
    names = modules_of(network.model, graph, [removal.layer for removal in removals])
    compute = partial(observed, graph, removals, x, network.batch)
    form = getattr(entry.canonical, "__qualname__", repr(entry.canonical))  # the repr of a function is of one process
    alive, means = network.keep((x,), ("filters", form, names), compute)
    return graph, Filters(removals, names, [channels.cpu() for channels in alive], means)


def modules_of(model: nn.Module, graph: GraphModule, layers: Sequence[Node]) -> tuple[str, ...]:
    """Return the names of the modules that the nodes of a canonical form stand for.

    A convolution that a module of another library calls as a function is told by its turn and its shape.
    """
    modules = dict(model.named_modules())
    known = {sub(r"(?<=[a-z])(?=[A-Z])|\.", "_", name).lower(): name for name in modules}  # as torch.fx names nodes
    called = {known.get(node.target) for node in graph.graph.nodes}
    nameless = [layer for layer in layers if layer.target not in known]
    free = [name for name, of in modules.items() if isinstance(of, nn.Conv2d) and name not in called]
    shapes = [graph.get_submodule(layer.target).weight.shape for layer in nameless]
    if shapes == [modules[name].weight.shape for name in free]:
        known |= {layer.target: name for layer, name in zip(nameless, free, strict=True)}
    return tuple(known.get(layer.target, layer.target) for layer in layers)


@torch.no_grad()
def observed(
    graph: GraphModule, removals: Sequence[Removal], x: Tensor, batch: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Return which channels (c,) of each layer live, and their means (c,)."""
    layers = [removal.layer for removal in removals]
    run = Kept(graph, {node for removal in removals for node in removal.places})
    low, high, sums = {}, {}, dict.fromkeys(layers, 0)
    for images in x.split(batch):
        run.run(images)
        for node, output in run.outputs.items():
            low[node] = torch.minimum(low.get(node, torch.tensor(inf).to(output)), output.amin((0, 2, 3)))
            high[node] = torch.maximum(high.get(node, torch.tensor(-inf).to(output)), output.amax((0, 2, 3)))
        for layer in layers:
            sums[layer] += run.outputs[layer].double().mean((2, 3)).sum(0)
    varies = {node: low[node] < high[node] for node in low}
    alive = []
    for removal in removals:
        lives = {}
        for node, place in removal.places.items():
            own = varies[node][place : place + len(varies[removal.layer])]
            before = [lives[source] for source in node.all_input_nodes if source in lives]
            lives[node] = own & torch.stack(before).any(0) if before else own
        alive.append(torch.stack([lives[end] for end in removal.ends]).any(0))
    return alive, [sums[layer] / len(x) for layer in layers]


def in_turn(labels: Tensor, n: int) -> Tensor:
    """Return the places of n images, the first of every class before the second of any, and so on."""
    turn = (labels[:, None] == labels).tril(-1).sum(1)
    return turn.argsort(stable=True)[:n].sort().values


def told(found: Filters, falls: Sequence[Tensor], labels: Tensor, classes: int) -> Importance:
    """Return the importance of filters by the falls (n, c) of the label's logit that they make, layer by layer."""
    of_class = nn.functional.one_hot(labels.cpu(), classes).double().T
    falls = [fall.double().cpu() for fall in falls]
    signed = [of_class @ fall / of_class.sum(1, keepdim=True) for fall in falls]
    return Importance(found.names, signed, [fall.abs().mean(0)[None] for fall in falls], found.alive)


def untold(found: Filters, order: Sequence[Tensor], classes: int) -> Importance:
    """Return an importance that says of no class whether a filter supports it."""
    signed = [torch.full((classes, len(alive)), nan, dtype=torch.float64) for alive in found.alive]
    return Importance(found.names, signed, [sizes.double().cpu() for sizes in order], found.alive)


def classes_of(graph: GraphModule) -> int:
    """Return the number of logits."""
    report = next(reversed(graph.graph.nodes)).args[0]
    return report.all_input_nodes[-1].meta["size"][0]


@explains(
    "structure", cites="Morcos et al. 2018", signed=True, passes="1, and at most 1 from the layer on for each filter"
)
class Ablation:
    """The fall of the label's logit without the filter, run anew for every filter and image [Morcos et al. 2018].

    The paper removes what comes after the activation and reads the accuracy; we remove before it, where a batch norm
    ends, and read the logit. `fill` says what a removed channel is at every position: zero, or its mean over images and
    positions. Filters are ordered by the mean of |fall| over at most so many `images`, class by class in turn.

    Every filter costs what follows its layer for every image: of a ResNet18 at 64 pixels 87 billion products an image,
    600 times its pass, and of a VGG16 about 1.5 trillion. In a fitted ResNet18 the orders by 100 and by 500 images are
    estimated to have rank correlations of .98 and more in all layers but the last five, which have .85 to .96.
    """

    fill: str
    images: int
    canonical: Canonical

    def __post_init__(self) -> None:
        choice(self, "fill", ("zero", "mean"))
        whole(self, images=1)

    def __call__(self, network: Layered, x: Tensor, labels: Tensor) -> Importance:
        graph, found = filters(self, network, x)
        fills = [mean.to(x) if self.fill == "mean" else torch.zeros_like(mean).to(x) for mean in found.means]
        rows = 4 * network.batch  # without gradients a pass keeps few maps at a time
        asked = in_turn(labels, self.images)
        x, labels = x[asked], labels[asked]
        falls = [x.new_zeros(len(x), len(fill)) for fill in fills]
        for i, label in enumerate(labels.tolist()):
            clean = outputs(graph, x[i : i + 1])
            for fall, removal, fill in zip(falls, found.removals, fills, strict=True):
                fall[i] = removal.falls(clean, fill, rows)[:, label]
        return told(found, falls, labels, classes_of(graph))


@explains("linearisation", cites="Molchanov et al. 2017", signed=True, passes=(2, 1))
class Taylor:
    """The fall of the label's logit without the filter to first order, sum_hw a * gradient [Molchanov et al. 2017].

    The paper takes the loss and the mean over positions; we take the logit and the sum, which is what `Ablation` with
    zeros measures where the network is linear. Filters are ordered by the mean of |fall| over images.
    """

    canonical: Canonical

    def __call__(self, network: Layered, x: Tensor, labels: Tensor) -> Importance:
        graph, found = filters(self, network, x)
        layers = [removal.layer for removal in found.removals]
        run, parts = Kept(graph, layers), []
        for images, label in zip(x.split(network.batch), labels.split(network.batch), strict=True):
            with torch.enable_grad():
                logits = run.run(images.detach().clone().requires_grad_())
                maps = [run.outputs[layer] for layer in layers]
                asked = logits.gather(1, label[:, None]).sum()
                gradients = torch.autograd.grad(asked, maps, materialize_grads=True)
            parts.append([(a.detach() * g).sum((2, 3)) for a, g in zip(maps, gradients, strict=True)])
        falls = [torch.cat(layer) for layer in zip(*parts, strict=True)]
        return told(found, falls, labels, classes_of(graph))


@explains("structure", cites="Li et al. 2017", class_specific=False, passes=(1, 0))
class WeightNorm:
    """The sum of |weights| of a filter, with the scale of its batch norm [Li et al. 2017].

    The paper takes the weights without the batch norm, which can make any filter small, as can a layer scale.
    """

    canonical: Canonical

    def __call__(self, network: Layered, x: Tensor, labels: Tensor) -> Importance:
        graph, found = filters(self, network, x)
        weights = [graph.get_submodule(removal.layer.target).weight for removal in found.removals]
        return untold(found, [weight.abs().flatten(1).sum(1)[None] for weight in weights], classes_of(graph))


@explains("control", cites="", class_specific=False, passes=(1, 0))
class Random:
    """Control: random orders of each layer's filters.

    They come in pairs, an order and its reverse, so that the same filters are removed from either end.
    """

    draws: int
    seed: int
    canonical: Canonical
    __post_init__ = partialmethod(whole, draws=1, seed=0)

    def __call__(self, network: Layered, x: Tensor, labels: Tensor) -> Importance:
        graph, found = filters(self, network, x)
        rng = torch.Generator().manual_seed(self.seed)
        order = []
        for alive in found.alive:
            places = torch.rand(-(-self.draws // 2), len(alive), generator=rng).argsort(1)
            order.append(torch.stack([places, len(alive) - 1 - places], 1).flatten(0, 1)[: self.draws])
        return untold(found, order, classes_of(graph))
