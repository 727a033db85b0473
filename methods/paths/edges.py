"""Edges of a critical path: the relevance that a channel gets when one channel of a layer above keeps its own.

The conditional step is that of concept relevance propagation [Achtibat et al. 2023].
"""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.fx import Node
from zennit.core import Composite

from methods.graph import canonical_form
from methods.paths import Path
from methods.paths.nodes import Changed, below, layers
from methods.paths.propagation import totals
from methods.paths.rules import rules
from methods.paths.selection import places


def edges(
    method: object, model: nn.Module, x: Tensor, target: Tensor, path: Path, width: int, box: Tensor | None
) -> dict[str, Tensor]:
    """Return the strongest channels of each layer and the relevance between them, as flat arrays.

    Nodes are the `width` kept channels of a layer with the largest |relevance|, the channels among the `width` largest
    of all that are not kept, and the target's logit as layer L. Edges run from all nodes (children) to kept ones and
    the logit (parents). The relevance of an edge is that of the child, summed over positions, if only the parent's
    channel passes its own on, as a share of the logit's magnitude; so its sign is that of the evidence. Edges of
    exactly 0 are left out. Of a random path the first draw is taken. Images are counted from 0 (`node_image`,
    `edge_image`); `layer_kept` and `layer_channels` (n, L) count the channels of whole layers.
    """
    graph = canonical_form(method, model, x)
    hooks, nodes, under = rules(method, model, graph, x, box), layers(graph), below(graph)
    first, sizes = [kept[0] for kept in path.kept], [b.abs() for b in path.backward]
    front = [k & (places(size.masked_fill(~k, -1)) < width) for k, size in zip(first, sizes, strict=True)]
    shown = [f | (places(size) < width) for f, size in zip(front, sizes, strict=True)]
    rows, outputs, leaves = [], [], []

    def detach(_: Node, output: Tensor) -> Tensor:
        """Later nodes read a leaf, so that a gradient ends at the next layers."""
        outputs.append(output)
        leaves.append(output.detach().requires_grad_())
        return leaves[-1]

    with Composite(lambda _context, name, _module: hooks.get(name)).context(graph), torch.enable_grad():
        logits = Changed(graph, detach, nodes).run(x.detach().clone().requires_grad_())
        only = torch.zeros_like(logits, dtype=torch.bool).scatter(1, target[:, None], True)
        outputs.append(logits)
        for parent, whole, down in steps(outputs, leaves, under, logits.detach() * only):
            for image, channel in ranks([*front, only][parent]):
                one = torch.zeros_like(whole)
                one[image, channel] = whole[image, channel]
                for child, part in zip(under[parent], down(one), strict=True):
                    sums = totals(part)[image]
                    at, which = (shown[child][image] & (sums != 0)).nonzero(as_tuple=True)
                    layer = torch.ones_like(at)
                    rows.append((image[at], child * layer, which, parent * layer, channel[at], sums[at, which]))
    logit = logits.detach()[only].double()
    names = ("image", "child_layer", "child", "parent_layer", "parent", "relevance")
    flat = {f"edge_{name}": torch.cat(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    flat["edge_relevance"] = flat["edge_relevance"] / logit.abs()[flat["edge_image"]]
    return listed_nodes(path, shown, target, logit) | flat


def steps(outputs: list[Tensor], leaves: list[Tensor], under: list[list[int]], start: Tensor) -> Iterator[tuple]:
    """Yield each layer from the logits down, its relevance, and the function that passes relevance to those below."""
    relevance = {len(leaves): start}
    for parent in reversed(range(len(outputs))):
        output, children = outputs.pop(), [leaves[child] for child in under[parent]]
        if parent in relevance and children:
            whole = relevance.pop(parent)
            down = partial(torch.autograd.grad, output, children, retain_graph=True)
            yield parent, whole, down
            for child, part in zip(under[parent], down(whole), strict=True):
                relevance[child] = relevance.get(child, 0) + part


def ranks(chosen: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the first chosen channel of every image that has one, then the second, and so on."""
    place = chosen.cumsum(1)
    for rank in range(1, int(place[:, -1].max()) + 1):
        yield (chosen & (place == rank)).nonzero(as_tuple=True)


def listed_nodes(path: Path, shown: list[Tensor], target: Tensor, logit: Tensor) -> dict[str, Tensor]:
    """Return the nodes as flat arrays; the logit's forward share is nan, since there is no total of logits."""
    columns = []
    for layer, (mask, kept, f, b) in enumerate(zip(shown, path.kept, path.forward, path.backward, strict=True)):
        image, channel = at = mask.nonzero(as_tuple=True)
        shares = f / f.sum(1, keepdim=True), b / b.abs().sum(1, keepdim=True), b / logit.abs()[:, None]
        columns.append((image, torch.full_like(image, layer), channel, *(share[at] for share in shares), kept[0][at]))
    every = torch.arange(len(target), device=target.device)
    sign, nan = logit / logit.abs(), torch.full_like(logit, torch.nan)
    columns.append((every, torch.full_like(every, len(shown)), target, nan, sign, sign, every >= 0))
    names = ("image", "layer", "channel", "forward", "backward", "relevance", "kept")
    flat = {f"node_{name}": torch.cat(column) for name, column in zip(names, zip(*columns, strict=True), strict=True)}
    counts = {"layer_kept": [kept[0].sum(1) for kept in path.kept]}
    counts["layer_channels"] = [torch.full_like(target, kept.shape[2]) for kept in path.kept]
    return flat | {name: torch.stack(column, 1) for name, column in counts.items()}
