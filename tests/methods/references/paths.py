"""Selections of channels and the heat maps of paths: loops over images and channels, on the walk of `decomposition`."""

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from models.canonical import canonical
from tests.methods.references import Reference
from tests.methods.references.decomposition import (
    Linear,
    alpha_beta,
    away,
    box,
    epsilon,
    gamma,
    plus,
    relative_epsilon,
    walked,
    windows,
)

TINY = SimpleNamespace(bias=False, stabilizer=1e-9, epsilon=1e-9, gamma=0.25)
UPPER = SimpleNamespace(bias=False, stabilizer=1e-9, epsilon=0.25)
OTHERS = SimpleNamespace(bias=False, stabilizer=1e-6, epsilon=1e-6, alpha=2, beta=1)
Each = Callable[[Node, Tensor, Tensor], Tensor]


def pooled(module: nn.MaxPool2d, a: Tensor, r: Tensor) -> Tensor:
    """Relevance of each window in proportion to the activations in it."""
    assert module.dilation in (1, (1, 1)) and not module.ceil_mode
    average = nn.AvgPool2d(module.kernel_size, module.stride, module.padding)
    rows, columns = (windows(average, axis, a.shape[2 + axis]).sign() for axis in (0, 1))
    return a * (rows.t() @ (r / away(rows @ a @ columns.t(), 1e-9)) @ columns)


@cache
def chain(node: Node) -> int:
    """The most convolutions from the pixels to this node."""
    return (node.meta["role"] == "convolution") + max(map(chain, node.all_input_nodes), default=0)


def walk(lrp: str, model: nn.Module, x: Tensor, target: Tensor, each: Each) -> Tensor:
    """The map by the rules of this name, with a say in what every ReLU passes on."""
    if lrp != "tutorial":
        rule = plus if lrp == "epsilon_plus" else alpha_beta
        return walked(OTHERS, model, x, target, conv=rule, linear=epsilon, each=each)
    graph: GraphModule = canonical(model, x)
    chains = {graph.get_submodule(n.target): chain(n) for n in graph.graph.nodes if n.meta["role"] == "convolution"}
    deepest = max(chains.values(), default=0)

    def conv(_: object, layer: Linear, a: Tensor, r: Tensor) -> Tensor:
        lower = chains[layer.module] / deepest <= 7 / 13 + 1e-12
        return gamma(TINY, layer, a, r) if lower else relative_epsilon(UPPER, layer, a, r)

    return walked(TINY, model, x, target, conv=conv, linear=epsilon, first=box, pool=pooled, each=each)


def totals(values: Tensor) -> list[list[float]]:
    """The sums over positions, of each image and channel."""
    return [[channel.sum().item() for channel in image] for image in values]


@cache
def full(lrp: str, model: nn.Module, x: Tensor, target: Tensor) -> tuple[dict[Node, list], dict[Node, list]]:
    """Every ReLU's activation and relevance by image and channel."""
    forward, backward = {}, {}

    def each(node: Node, a: Tensor, r: Tensor) -> Tensor:
        forward[node], backward[node] = totals(a), totals(r)
        return r

    walk(lrp, model, x, target, each)
    return forward, backward


def size(share: float, channels: int) -> int:
    return max(1, next(k for k in range(channels + 1) if k >= share * channels - 1e-6))


def first(scores: list[float], k: int) -> list[int]:
    return sorted(range(len(scores)), key=lambda channel: (-scores[channel], channel))[:k]


def before_gap(relevance: list[float], share: float) -> int:
    """How many channels come before the largest gap."""
    r = sorted(map(abs, relevance), reverse=True)
    at = range(1, min(size(share, len(r)), len(r) - 1) + 1)
    return max(at, key=lambda k: (r[k - 1] - r[k], -k), default=1)


def parts(values: list[float]) -> list[float]:
    total = sum(map(abs, values))
    return [abs(value) / total if total else 0.0 for value in values]


def kept_size(selector, b: list[float]) -> int:
    return before_gap(b, selector.share) if selector.sizes == "gap" else size(selector.share, len(b))


def by_relevance(selector, f: list[float], b: list[float]) -> list[int]:
    return first([abs(value) for value in b], kept_size(selector, b))


def by_both(selector, f: list[float], b: list[float]) -> list[int]:
    scores = [v - selector.weight * abs(u - v) for u, v in zip(parts(f), parts(b), strict=True)]
    return first(scores, kept_size(selector, b))


def by_activation(selector, f: list[float], b: list[float]) -> list[int]:
    return first(f, kept_size(selector, b))


def mask(choices: list[list[int]], r: Tensor) -> Tensor:
    """Ones in the chosen channels of each image."""
    kept = torch.zeros_like(r)
    for image, channels in enumerate(choices):
        kept[image, channels] = 1.0
    return kept


Kept = dict[Node, list[list[int]]]  # the channels of each ReLU and image; a selector gives one for each draw


def ranked(choose: Callable) -> Callable[..., list[Kept]]:
    """The choice in every layer and image by a choice in one."""

    def choices(selector, model: nn.Module, x: Tensor, target: Tensor) -> list[Kept]:
        f, b = full(selector.lrp, model, x, target)
        return [{n: [choose(selector, *pair) for pair in zip(f[n], b[n], strict=True)] for n in b}]

    return choices


def at_random(selector, model: nn.Module, x: Tensor, target: Tensor) -> list[Kept]:
    """The draws are the selector's own: from the image to the logits, one value for each channel."""
    _, b = full(selector.lrp, model, x, target)
    rng, result = torch.Generator().manual_seed(selector.seed), [{} for _ in range(selector.draws)]
    for node in reversed(b):
        values = torch.rand(selector.draws, 1, len(b[node][0]), generator=rng).squeeze(1).tolist()
        for kept, scores in zip(result, values, strict=True):
            kept[node] = [first(scores, kept_size(selector, relevance)) for relevance in b[node]]
    return result


def by_beam(selector, model: nn.Module, x: Tensor, target: Tensor) -> list[Kept]:
    """The channels are chosen on the way down."""
    kept: Kept = {}

    def each(node: Node, _: Tensor, r: Tensor) -> Tensor:
        kept[node] = [by_relevance(selector, [], b) for b in totals(r)]
        return r * mask(kept[node], r)

    walk(selector.lrp, model, x, target, each)
    return [kept]


def through(kept: Kept, selector, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """The relevance (n, h, w) that comes down through kept channels only."""
    return walk(selector.lrp, model, x, target, lambda node, _, r: r * mask(kept[node], r))


CHOICES: dict[str, Callable[..., list[Kept]]] = {
    "relevance": ranked(by_relevance),
    "gap": ranked(by_relevance),
    "beam": by_beam,
    "forward_backward": ranked(by_both),
    "activation": ranked(by_activation),
    "activation_gap": ranked(by_activation),
    "random": at_random,
    "random_gap": at_random,
    "all": ranked(lambda selector, f, b: list(range(len(b)))),
}


def path(method, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
    """The heat map of the channels that carry the most relevance."""
    (kept,) = CHOICES["relevance"](method.selector, model, x, target)
    return through(kept, method.selector, model, x, target)


REFERENCES = {"path": Reference("float64 derivation", path)}
