"""A network with the layers that are read, and the features of all of them from one pass.

A layer's features are the means of its channels over positions. With `layers: auto` the layers are those through which
the whole decision passes: what a network computes after such a layer depends on the image by this layer only.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import groupby
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn.modules.conv import _ConvNd

from entries import Inapplicable

T = TypeVar("T")


def computed(inputs: tuple[Tensor, ...], key: Hashable, compute: Callable[[], T]) -> T:
    """Keep nothing: compute anew each time."""
    return compute()


@dataclass(frozen=True, eq=False)
class Layered:
    """A network and the layers that are read."""

    model: nn.Module  # in eval mode, frozen
    names: tuple[str, ...]  # of its modules, from the image to the logits, without the logits
    batch: int  # images in one pass
    keep: Callable[[tuple[Tensor, ...], Hashable, Callable[[], T]], T] = computed

    def features(self, x: Tensor) -> list[Tensor]:
        """Return the features (n, c) float32 of each layer for images (n, 3, h, w), on the CPU."""
        return [part.cpu() for part in self.read(x)["features"]]

    def logits(self, x: Tensor) -> Tensor:
        """Return the logits (n, k) of images (n, 3, h, w), on the CPU; they come from the pass of `features`."""
        return self.read(x)["logits"].cpu()

    def read(self, x: Tensor) -> dict[str, object]:
        return self.keep((x,), ("layers", self.names), lambda: self.compute(x))

    @torch.no_grad()
    def compute(self, x: Tensor) -> dict[str, object]:
        parts = [(*self.means(images).values(),) for images in x.split(self.batch)]
        *features, logits = (torch.cat(part) for part in zip(*parts, strict=True))
        return {"features": features, "logits": logits}

    def means(self, x: Tensor) -> dict[str, Tensor]:
        """Return the features of one batch by layer, and last its logits."""
        means: dict[str, Tensor] = dict.fromkeys(self.names)

        def record(name: str, output: Tensor) -> None:
            means[name] = (output.mean((2, 3)) if output.ndim == 4 else output).float().cpu()

        with hooked(self.model, dict.fromkeys(self.names, record)):
            logits = self.model(x.clone())
        return means | {"": logits.float().cpu()}

    def skipped(self, x: Tensor) -> list[Tensor | None]:
        """Return for each layer the logits (n, k) without what lies between it and the network's last layer.

        The layer's maps are handed to what follows the last layer. A layer whose maps do not suit that gives None.
        """
        found = self.keep((x,), ("skipped", self.names), lambda: self.shortened(x))
        return [part if part is None else part.cpu() for part in found]

    def shortened(self, x: Tensor) -> list[Tensor | None]:
        last = layer_names(self.model, x)[-1]
        shapes = {call.name: call.shape for call in calls(self.model, x)[0]}
        forms = {name: (len(shape), shape[1:2]) for name, shape in shapes.items()}  # and the number of channels
        return [self.without(x, name, last) if forms[name] == forms[last] else None for name in self.names]

    @torch.no_grad()
    def without(self, x: Tensor, name: str, last: str) -> Tensor | None:
        parts = []
        for images in x.split(self.batch):
            maps: list[Tensor] = []

            def record(_: str, output: Tensor, maps: list[Tensor] = maps) -> None:
                maps.append(output.clone())

            def replaced(_: str, output: Tensor, maps: list[Tensor] = maps) -> Tensor:
                return maps[0] if maps else output  # a layer that comes after the last one skips nothing

            try:
                with hooked(self.model, {name: record}), hooked(self.model, {last: replaced}):
                    parts.append(self.model(images.clone()).float().cpu())
            except torch.OutOfMemoryError:
                raise
            except RuntimeError:  # what follows the last layer is made for another number of positions
                return None
        return torch.cat(parts)

    def untrained(self, seed: int) -> "Layered":
        """Return the same architecture with the weights of its modules drawn anew, and batch norms that do nothing.

        A parameter that no module resets, such as an embedding of positions, stays as it is.
        """
        model = deepcopy(self.model)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed accelerators as well, and stay
            model = model.cpu()
            for module in model.modules():
                if hasattr(module, "reset_parameters"):
                    module.reset_parameters()
        model = model.to(next(iter(self.model.state_dict().values())).device)
        model._forward_hooks = self.model._forward_hooks  # a pass of the copy counts as a pass of the network

        def keep(inputs: tuple[Tensor, ...], key: Hashable, compute: Callable[[], T]) -> T:
            return self.keep(inputs, ("untrained", seed, key), compute)

        return replace(self, model=model, keep=keep)


@contextmanager
def hooked(model: nn.Module, hooks: dict[str, Callable[[str, Tensor], Tensor | None]]) -> Iterator[None]:
    """Call `hook(name, output)` when a module has run; what it returns, if anything, replaces the output."""
    with ExitStack() as stack:
        for name, hook in hooks.items():
            called = lambda m, i, output, name=name, hook=hook: hook(name, output)  # noqa: E731
            stack.enter_context(model.get_submodule(name).register_forward_hook(called))
        yield


class Call(NamedTuple):
    """A module that has run on one image."""

    name: str
    module: nn.Module
    shape: torch.Size  # of its output; empty for what is no tensor
    node: Node | None  # of the autograd graph that made the output; None where it does not depend on the image
    weighed: int  # convolutions and linear layers that have run, this one included


def calls(model: nn.Module, x: Tensor) -> tuple[list[Call], Tensor]:
    """Return the modules that run for an image, in order, and the logits with their graph."""
    made: list[Call] = []
    weighed = 0

    def record(name: str, output: object) -> None:
        nonlocal weighed
        module = model.get_submodule(name)
        weighed += isinstance(module, (_ConvNd, nn.Linear))
        shape, node = getattr(output, "shape", torch.Size()), getattr(output, "grad_fn", None)
        made.append(Call(name, module, shape, node, weighed))

    hooks = {name: record for name, _ in model.named_modules() if name}
    with torch.enable_grad(), hooked(model, hooks):
        image = x[:1].detach().clone().requires_grad_()
        logits = model.forward(image.clone())  # past the hooks of the model itself, which count its passes
    return made, logits


def layer_names(model: nn.Module, x: Tensor) -> tuple[str, ...]:
    """Return the names of the layers through which the whole decision passes, from the image to the logits.

    Of layers between which no convolution and no linear layer works one is kept: the last before pooling, which comes
    after norm and activation. Of modules that return the same tensor the innermost is named. The logits, and what has
    no weights before it, are no layers. Refuses a network without any layer.
    """
    made, logits = calls(model, x)
    cut, times = cuts(logits.grad_fn), Counter(call.name for call in made)
    makers = {call.node: call.module for call in reversed(made)}  # the first module that returns a tensor makes it
    pooled = {node for node, module in makers.items() if "Pool" in type(module).__name__}
    able = [call for call in made if call.node in cut and len(call.shape) in (2, 4) and times[call.name] == 1]
    names = []
    for weighed, group in groupby(able, key=lambda call: call.weighed):
        group = [*group]
        same = [call for call in group if call.shape == group[0].shape and call.node not in pooled]
        if same and 0 < weighed < made[-1].weighed:
            last = [call for call in same if call.node is same[-1].node]
            names.append(max(last, key=lambda c: (not isinstance(c.module, nn.Identity), c.name.count("."))).name)
    if not names:
        need = "layers=auto needs a network with a layer through which the whole decision passes"
        raise Inapplicable(f"{need}; {type(model).__name__} has none")
    return tuple(names)


def cuts(end: Node) -> set[Node]:
    """Return the nodes of an autograd graph that every way from the image to its end passes, by one tensor.

    A node's number is larger than those of what it reads. Ways that pass by a node are edges over its number. Of a node
    that splits a tensor several parts are read, none of which is the whole.
    """
    nodes, reached = [end], {end}
    for node in nodes:
        new = {n for n, _ in node.next_functions if n is not None} - reached
        nodes.extend(new)
        reached |= new
    by_age = sorted((node for node in nodes if node.next_functions), key=lambda node: node._sequence_nr())
    last_read: dict[Node, int] = {}
    parts: dict[Node, set[int]] = {}
    for place, node in enumerate(by_age):
        for n, part in node.next_functions:
            if n is not None:
                last_read[n] = place
                parts.setdefault(n, set()).add(part)
    found, farthest = set(), 0
    for place, node in enumerate(by_age):
        if farthest <= place and len(parts.get(node, ())) < 2:
            found.add(node)
        farthest = max(farthest, last_read.get(node, 0))
    return found


def chosen_layers(
    model: nn.Module, x: Tensor, names: str | Sequence[str], setting: str = "benchmark.layers"
) -> tuple[str, ...]:
    """Return the layers that are read, from the image to the logits: "auto", or modules by name.

    Refuses a name that the network does not have, and a module that does not give one vector or maps for an image;
    `setting` is what the message calls the names.
    """
    if names == "auto":
        return layer_names(model, x)
    if isinstance(names, str) or not isinstance(names, Sequence) or not names:
        raise ValueError(f"{setting} needs auto or a list of names of modules; {names!r} was given")
    known = [name for name, _ in model.named_modules() if name]
    made, _ = calls(model, x)
    times, shapes = Counter(call.name for call in made), {call.name: call.shape for call in made}
    for name in names:
        if name not in known:
            close = get_close_matches(str(name), known, 3, 0.3)
            hint = f"; did you mean {', '.join(close)}?" if close else ""
            raise ValueError(f"{setting} needs names of modules of the network, not {name!r}{hint}")
        if times[name] != 1 or len(shapes[name]) not in (2, 4):
            given = f"an output {tuple(shapes[name])}" if times[name] == 1 else f"{times[name]} outputs"
            raise ValueError(f"{setting} needs modules that give (n, c) or (n, c, h, w) once; {name} has {given}")
    return tuple(dict.fromkeys(call.name for call in made if call.name in names))
