"""The exact fall of all logits when one channel of a convolution is removed, for every channel and image.

The network's canonical form is run once for an image, and the outputs of all nodes are kept. Then the channels of a
layer are the rows of one pass through what depends on the layer. Three things save time and change nothing but
rounding:

- Up to the next convolutions, removing a channel changes this channel only. One run with all channels removed shows
  what each of them changes, and a channel that changes nothing for the image, as behind a ReLU, gets no row.
- The next convolutions give what they gave before, plus what one changed channel adds.
- A convolution of a map no larger than its kernel is a matrix product, in which inputs that are 0 in all rows, as half
  of them are behind a ReLU, are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node
from torch.nn.functional import pad, unfold

from methods.graph import depending

CHANNELWISE = ("relu", "rectifier", "activation", "scale", "sum", "gate", "product", "average", "max")
LEFT_OUT = 0.8  # copying the rest of a matrix pays below this share of it
Outputs = Mapping[Node, object]  # of all nodes


def convolutions(graph: GraphModule) -> list[Node]:
    """Return the nodes of the convolutions of maps, whose channels are the filters, from the image to the logits."""
    return [node for node in graph.graph.nodes if isinstance(called(graph, node), nn.Conv2d)]


def called(graph: GraphModule, node: Node) -> nn.Module | None:
    return graph.get_submodule(node.target) if node.op == "call_module" else None


def dense(of: nn.Module | None) -> bool:
    """Return whether each channel of a module's output reads all channels of its input."""
    return isinstance(of, nn.Conv2d) and of.groups == 1 and of.padding_mode == "zeros" and of.in_channels > 1


@torch.no_grad()
def outputs(graph: GraphModule, x: Tensor) -> dict[Node, object]:
    """Return the outputs of all nodes for images (n, 3, h, w)."""
    run = Interpreter(graph, garbage_collect_values=False)
    run.run(x)
    return {node: value.contiguous() if isinstance(value, Tensor) else value for node, value in run.env.items()}


@torch.no_grad()
def matrices(graph: GraphModule) -> dict[Node, Tensor]:
    """Return for each convolution of a map no larger than its kernel the matrix (inputs, outputs) of its weights.

    The other dense convolutions have their weights in the layout that is fast for small maps.
    """
    found = {}
    for node in convolutions(graph):
        conv, size = called(graph, node), node.args[0].meta["size"]
        if dense(conv):
            found[node] = conv.weight.contiguous()
            if prod(size[1:]) <= prod(conv.kernel_size):
                units = torch.eye(prod(size)).to(conv.weight).unflatten(1, size)
                found[node] = conv._conv_forward(units, found[node], None).flatten(1)
    return found


@dataclass(frozen=True, eq=False)
class Removal:
    """Removes each channel of a layer of a canonical graph."""

    graph: GraphModule
    layer: Node
    weights: Mapping[Node, Tensor]  # `matrices` of the graph

    @cached_property
    def places(self) -> dict[Node, int]:
        """Return the nodes in which one channel changes, each with the place of the layer's first channel in it."""
        places = {self.layer: 0}
        for node in self.graph.graph.nodes:
            sources = [source for source in node.all_input_nodes if source in self.reached]
            if sources and all(source in places for source in sources):
                place = self.place(node, sources, {places[source] for source in sources})
                places |= {} if place is None else {node: place}
        return places

    def place(self, node: Node, sources: list[Node], places: set[int]) -> int | None:
        """Return the place of the layer's first channel in a node; None where channels mix."""
        of, role, size = called(self.graph, node), node.meta["role"], node.meta.get("size", ())
        if len(size) != 3 or len(places) > 1:
            return None
        (place,), (source, *more) = places, sources
        if role == "concat" and of.dim == 1 and not more and node.args.count(source) == 1:
            return place + sum(part.meta["size"][0] for part in node.args[: node.args.index(source)])
        single = isinstance(of, nn.Conv2d) and of.groups == of.in_channels == of.out_channels
        same = all(one.meta["size"][0] == size[0] for one in sources)
        return place if same and (single or role in CHANNELWISE) else None

    @cached_property
    def ends(self) -> list[Node]:
        """Return the nodes in which one channel changes and from which the change spreads."""
        return [node for node in self.places if any(user not in self.places for user in node.users)]

    @cached_property
    def reached(self) -> set[Node]:
        """Return the layer and all nodes that depend on it."""
        return depending(self.graph, [self.layer])

    def changes(self, clean: Outputs, fill: Tensor) -> dict[Node, Tensor]:
        """Return the change (c, h, w) of each channel in each of the `ends`, when it alone is removed."""
        run = Interpreter(self.graph)
        run.env = {**clean, self.layer: fill.reshape(1, -1, 1, 1).expand_as(clean[self.layer])}
        for node in self.places:
            if node is not self.layer:
                run.env[node] = run.run_node(node)
        own = {node: slice(self.places[node], self.places[node] + len(fill)) for node in self.ends}
        return {node: (run.env[node] - clean[node])[0, channels] for node, channels in own.items()}

    @torch.no_grad()
    def falls(self, clean: Outputs, fill: Tensor, batch: int) -> Tensor:
        """Return by how much each logit of an image falls (c, k) when a channel is set to its `fill` (c,) everywhere.

        `clean` are the image's `outputs`. At most `batch` channels are rows of one pass.
        """
        changes = self.changes(clean, fill)
        alive = torch.stack([change.flatten(1).any(1) for change in changes.values()]).any(0)
        logits = clean[next(reversed(self.graph.graph.nodes))]
        falls = logits.new_zeros(len(fill), logits.shape[1])
        for rows in alive.nonzero()[:, 0].split(batch) if alive.any() else ():
            parts = {node: Part(change[rows], rows + self.places[node]) for node, change in changes.items()}
            falls[rows] = logits - Rows(self, clean, parts, len(rows)).logits()
        return falls


@dataclass(frozen=True, eq=False)
class Part:
    """A change of one channel of a map in each row."""

    change: Tensor  # (m, h, w)
    channel: Tensor  # (m,)

    def added(self, clean: Tensor) -> Tensor:
        """Return maps (m, c, h, w) of which (1, c, h, w) is clean."""
        maps = clean.repeat(len(self.channel), 1, 1, 1)
        maps[torch.arange(len(maps), device=maps.device), self.channel] += self.change
        return maps

    def convolved(self, conv: nn.Conv2d, clean: Tensor) -> Tensor:
        """Return the outputs (m, c, h, w) of a convolution of which (1, c, h, w) is clean."""
        change = self.change[:, None]
        if isinstance(conv.padding, str):
            change = pad(change, conv._reversed_padding_repeated_twice)
        around = 0 if isinstance(conv.padding, str) else conv.padding
        windows = unfold(change, conv.kernel_size, conv.dilation, around, conv.stride)
        weight = conv.weight[:, self.channel].flatten(2).transpose(0, 1)
        before = clean.flatten(2).expand(len(change), -1, -1)
        return torch.baddbmm(before, weight, windows).unflatten(2, clean.shape[2:])


class Rows(Interpreter):
    """Runs what depends on a layer, in rows each of which has another change of it."""

    def __init__(self, removal: Removal, clean: Outputs, parts: Mapping[Node, Part], rows: int):
        super().__init__(removal.graph)
        self.clean, self.parts, self.weights, self.extra_traceback = clean, parts, removal.weights, False
        self.known: dict[Node, Tensor | None] = dict.fromkeys(removal.places)  # only convolutions read these
        for node, value in clean.items():
            if node not in removal.reached and isinstance(value, Tensor):
                whole = node.op == "get_attr" or len(value) != 1
                self.known[node] = value if whole else value.expand(rows, *value.shape[1:])
            elif node in parts and not all(dense(called(removal.graph, user)) for user in node.users):
                self.known[node] = parts[node].added(value)

    def logits(self) -> Tensor:
        return self.run(initial_env=self.known)

    def run_node(self, node: Node) -> object:
        if node not in self.weights:
            return super().run_node(node)
        conv, (source,) = called(self.module, node), node.args
        if source in self.parts:
            return self.parts[source].convolved(conv, self.clean[node])
        maps, weight = self.env[source], self.weights[node]
        if weight.ndim == 4:
            return conv._conv_forward(maps.contiguous(), weight, conv.bias)
        flat = maps.flatten(1)
        some = flat.any(0)
        few = some.sum() < LEFT_OUT * len(some)
        products = flat[:, some] @ weight[some] if few else flat @ weight
        products = products.view(len(flat), conv.out_channels, *self.clean[node].shape[2:])
        return products if conv.bias is None else products + conv.bias[:, None, None]


class Without(Interpreter):
    """Runs a canonical graph in which some channels of some nodes are zero, and convolves only what is left."""

    def __init__(self, graph: GraphModule, removed: Mapping[Node, Tensor]):
        super().__init__(graph)
        self.removed, self.extra_traceback = removed, False

    def run_node(self, node: Node) -> object:
        conv, removed = called(self.module, node), self.removed.get(node)
        if dense(conv):
            maps = self.env[node.args[0]]
            left = (maps.amax((0, 2, 3)) != 0) | (maps.amin((0, 2, 3)) != 0)
            made = torch.ones(conv.out_channels, dtype=torch.bool, device=maps.device) if removed is None else ~removed
            if 0 < left.sum() * made.sum() < LEFT_OUT * conv.in_channels * conv.out_channels:
                bias = None if conv.bias is None else conv.bias[made]
                some = conv._conv_forward(maps[:, left], conv.weight[made][:, left], bias)
                output = some.new_zeros(len(some), conv.out_channels, *some.shape[2:])
                return output.index_copy_(1, made.nonzero()[:, 0], some)
        output = super().run_node(node)
        return output if removed is None else output.masked_fill(removed[:, None, None], 0)


@torch.no_grad()
def without(graph: GraphModule, x: Tensor, removed: Mapping[Node, Tensor], clean: Outputs | None = None) -> Tensor:
    """Return the logits (n, k) when channels (c,) bool of some layers are set to zero together.

    With `clean`, the outputs of all nodes for x, only what depends on these layers is run.
    """
    reached = depending(graph, removed) if clean else ()
    known = {node: value for node, value in (clean or {}).items() if node not in reached}
    return Without(graph, removed).run(x, initial_env=known)
