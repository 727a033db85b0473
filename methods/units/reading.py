"""The units of one layer: its channels, read after and before the activation function, and removed."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from layers import layer_name
from methods.layers.layered import calls, computed, cuts

T = TypeVar("T")
ACTIVATIONS = ("torch.nn.modules.activation", "timm.layers.activations", "timm.layers.activations_me")
AT_ONCE = 2**24  # numbers of a layer's maps that are held for one pass without some of its units


@dataclass(frozen=True, eq=False)
class Units:
    """One layer of a network, whose channels are its units; `units_of` makes it ready."""

    model: nn.Module  # in eval mode, frozen
    layer: str  # the name of a module that gives maps (n, c, h, w)
    activations: tuple[str, ...]  # the names of the activation functions whose outputs these maps are, one for a branch
    alone: bool  # whether what is computed after the layer depends on the image by its maps only
    shape: tuple[int, int, int]  # of the maps of one image: c, h, w
    index: tuple[int, ...]  # of the units that are asked about
    batch: int  # images in one pass
    keep: Callable[[tuple[Tensor, ...], Hashable, Callable[[], T]], T] = computed  # as `benchmarks.store.Store`

    @property
    def channels(self) -> int:
        """Return how many units the layer has."""
        return self.shape[0]

    def live(self, x: Tensor, before: bool = False) -> Tensor:
        """Return the maps (n, c, h, w) of one pass, which are differentiable; `before` the activation function.

        If no activation function makes the layer's maps, the maps before and after it are the same.
        """
        inputs, maps = {}, []

        def record(module: nn.Module, _: tuple, output: Tensor) -> None:
            maps.append(torch.cat([inputs[name] for name in names], 1) if names else output.clone())

        def enter(module: nn.Module, given: tuple, name: str) -> None:
            inputs[name] = given[0].clone()  # the function may work in place

        names = self.activations if before else ()
        with ExitStack() as hooks:
            hooks.enter_context(self.model.get_submodule(self.layer).register_forward_hook(record))
            for name in names:
                module = self.model.get_submodule(name)
                hooks.enter_context(module.register_forward_pre_hook(partial(enter, name=name)))
            self.model(x.clone())
        return maps[0]

    def streamed(self, x: Tensor) -> Iterator[Tensor]:
        """Yield the maps (b, c, h, w) float32 of one batch of images after the other, on the CPU, without gradients."""
        for images in x.split(self.batch):
            with torch.no_grad():
                maps = self.live(images).float().cpu()
            yield maps

    def maps(self, x: Tensor) -> Tensor:
        """Return the maps (n, c, h, w) of images (n, 3, h, w) after the activation function, on the CPU."""
        return torch.cat([*self.streamed(x)])

    def means(self, x: Tensor) -> Tensor:
        """Return the mean over positions (n, c) of every unit for images, on the CPU; it is kept."""
        means = lambda: torch.cat([maps.mean((2, 3)) for maps in self.streamed(x)])  # noqa: E731
        return self.keep((x,), ("unit means", self.layer), means).cpu()

    def logits(self, x: Tensor) -> Tensor:
        """Return the logits (n, k) of images, on the CPU; they are kept."""
        with torch.no_grad():
            compute = lambda: torch.cat([self.model(images.clone()) for images in x.split(self.batch)])  # noqa: E731
            return self.keep((x,), "logits", compute).float().cpu()

    def ablations(self, x: Tensor, directions: Tensor) -> Tensor:
        """Return the logits (u, n, k) of images when the layer lacks one of its directions (u, c), on the CPU.

        A direction is a unit vector, whose part is taken from the maps at every position; that of a unit sets the unit
        to zero. What comes before the layer is computed once for many directions where nothing passes by the layer.
        """
        return self.keep((x, directions), ("ablated units", self.layer), lambda: self.lacking(x, directions)).cpu()

    @torch.no_grad()
    def lacking(self, x: Tensor, directions: Tensor) -> Tensor:
        rows = max(1, AT_ONCE // torch.Size(self.shape).numel()) if self.alone else self.batch
        parts = directions.to(x).split(rows)
        return torch.stack([torch.cat([self.without(image, part) for part in parts]) for image in x.split(1)], 1)

    def without(self, image: Tensor, directions: Tensor) -> Tensor:
        """Return the logits (u, k) of one image without each of some directions (u, c), from one pass."""
        u, d = len(directions), directions[:, :, None, None]

        def remove(module: nn.Module, _: tuple, maps: Tensor) -> Tensor:
            return maps - d * (maps * d).sum(1, keepdim=True)

        with self.model.get_submodule(self.layer).register_forward_hook(remove):
            return self.model(image.clone() if self.alone else image.repeat(u, 1, 1, 1)).float().cpu()


def units_of(
    model: nn.Module, x: Tensor, layer: str, units: int | Sequence[int] | None, batch: int, keep: Callable = computed
) -> Units:
    """Return the units of a layer for images like x; `units` are how many, spread evenly, or indices, or null: all."""
    name = chosen_layer(model, x, layer)
    made, logits = calls(model, x)
    (own,) = (call for call in made if call.name == name)
    makers = {call.node: call.name for call in made if type(call.module).__module__ in ACTIVATIONS}
    activations = tuple(makers.get(node, "") for node in joined(own.node))
    single = all(activations) and len({*activations}) == len(activations)
    shape = tuple(own.shape[1:])
    index = chosen_units(name, shape[0], units)
    alone = own.node in cuts(logits.grad_fn)
    return Units(model, name, activations if single else (), alone, shape, index, batch, keep)


@dataclass(frozen=True)
class Reading:
    """What a network without maps is refused by."""

    layer: str


def joined(node: Node) -> list[Node]:
    """Return the nodes of an autograd graph whose outputs a node concatenates, or itself."""
    if node.name() != "CatBackward0":
        return [node]
    return [part for source, _ in node.next_functions for part in joined(source)]


def chosen_layer(model: nn.Module, x: Tensor, name: str) -> str:
    """Return the layer whose units are read: "auto", the last convolutional maps of the network, or a module by name.

    Refuses a name that the network does not have, and a module that does not give maps (n, c, h, w) once.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"benchmark.layer needs auto or the name of a module; {name!r} was given")
    name = layer_name(Reading(name), model, x)
    known = [known for known, _ in model.named_modules() if known]
    if name not in known:
        close = get_close_matches(name, known, 3, 0.3)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise ValueError(f"benchmark.layer needs the name of a module of {type(model).__name__}, not {name!r}{hint}")
    shapes = [tuple(call.shape) for call in calls(model, x)[0] if call.name == name]
    if len(shapes) != 1 or len(shapes[0]) != 4:
        given = f"gives {shapes[0]}" if len(shapes) == 1 else f"runs {len(shapes)} times"
        raise ValueError(f"benchmark.layer needs a module that gives maps (n, c, h, w) once; {name} {given}")
    return name


def chosen_units(layer: str, channels: int, units: int | Sequence[int] | None) -> tuple[int, ...]:
    """Return the indices of units: all for null, so many spread evenly over the channels, or those of a list."""
    if units is None:
        return tuple(range(channels))
    if type(units) is int and units > 0:
        few = min(units, channels)
        return tuple(k * channels // few for k in range(few))
    if isinstance(units, str) or not isinstance(units, Sequence) or not len(units):
        raise ValueError(f"benchmark.units needs a whole number > 0, a list of indices, or null; {units!r} was given")
    for unit in units:
        if type(unit) is not int or not 0 <= unit < channels:
            raise ValueError(f"benchmark.units needs indices from 0 to {channels - 1} for {layer}; {unit!r} was given")
    if twice := [unit for k, unit in enumerate(units) if unit in units[:k]]:
        raise ValueError(f"benchmark.units needs each index once; {twice[0]} was given twice")
    return tuple(units)
