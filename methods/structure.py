"""Methods that read what the network's structure computes, without a gradient."""

import torch
from torch import Tensor, nn
from torch.fx import Node

from entries import Inapplicable, explains, layered, number, whole
from methods.cam import activations, bicubic
from methods.graph import Canonical, Kept, canonical_form


def outliers(a: Tensor, k: float) -> Tensor:
    """Return at each pixel the sum of the means of those channels that exceed their mean by k deviations, (n, h, w)."""
    deviation, mean = torch.std_mean(a, (2, 3), correction=0, keepdim=True)
    return (mean * (a > mean + k * deviation)).sum(1)


@explains("structure", cites="Fuad et al. 2020", class_specific=False, passes=(1, 0))
class Fem:
    """Channel means, summed where a channel exceeds its mean by `k` deviations [Fuad et al. 2020].

    M = sum_c mu_c [A^c > mu_c + k sd_c] with mean and population deviation of each channel over its pixels, resized
    bicubically; the dips below 0 beside a peak are set to 0. The class plays no part, and the layer should be the
    output of a ReLU. The authors then divide by the map's maximum. None of N values exceeds their mean by more than
    sqrt(N - 1) deviations. So a layer of k^2 + 1 pixels or fewer is refused.
    """

    layer: str
    k: float

    def __post_init__(self) -> None:
        layered(self)
        number(self, "k", ">= 0", lambda k: k >= 0)

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            a, _ = activations(self, model, x.detach())
        h, w = a.shape[2:]
        if h * w <= self.k**2 + 1:
            raise Inapplicable(
                f"Fem with k={self.k} needs more than {self.k**2 + 1:g} pixels; {self.layer!r} of "
                f"{type(model).__name__} gives {h} x {w}"
            )
        return bicubic(outliers(a, self.k), x)


def bottlenecks(graph: nn.Module) -> dict[tuple[int, int], Node]:
    """Return for every map size the last activation, sum or concatenation that all paths to the logits go through."""
    place = {node: i for i, node in enumerate(graph.graph.nodes)}
    last, reach = {}, 0
    for node, i in place.items():
        size, role = node.meta.get("size", ()), node.meta["role"]
        if reach <= i and len(size) == 3 and role in ("relu", "rectifier", "activation", "sum", "concat"):
            last.pop(size[1:], None)
            last[size[1:]] = node
        if size and role != "get_attr":
            reach = max(reach, *(place[user] for user in node.users if user.meta["role"] != "report"), i)
    return last


@explains("structure", cites="Bourroux et al. 2022", class_specific=False, passes=(1, 0))
class Mlfem:
    """FEM of the last layer of each resolution, each over its maximum, averaged [Bourroux et al. 2022].

    The paper was not available to us, so the choice of layers and their fusion are our own. For every map size we take
    the last layer that all paths to the logits go through (an activation, a residual sum, a concatenation of branches),
    and of those with more than k^2 + 1 pixels (see `Fem`) the deepest `layers`. Each layer's FEM is divided by its
    largest value, since means of different layers have no common unit, and resized as in `Fem`. The map is the mean
    over layers; a layer without outliers counts as zeros. As in `Fem`, the layers should be outputs of ReLUs.
    """

    k: float
    layers: int
    canonical: Canonical

    def __post_init__(self) -> None:
        number(self, "k", ">= 0", lambda k: k >= 0)
        whole(self, layers=1)

    def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
        graph = canonical_form(self, model, x)
        nodes = [node for (h, w), node in bottlenecks(graph).items() if h * w > self.k**2 + 1][-self.layers :]
        if not nodes:
            need = f"Mlfem with k={self.k} needs activations of more than {self.k**2 + 1:g} pixels"
            raise Inapplicable(f"{need}; {type(model).__name__} gives none")
        kept = Kept(graph, nodes)
        with torch.no_grad():
            kept.run(x.detach())
        fems = [outliers(a, self.k) for a in kept.outputs.values()]
        tops = [fem.amax((1, 2), keepdim=True) for fem in fems]
        total = sum(bicubic(fem / top.masked_fill(top <= 0, 1), x) for fem, top in zip(fems, tops, strict=True))
        return total / len(fems)
