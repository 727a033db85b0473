"""One layer of a network: its activations, the logits that follow from them, and the logits' derivatives by them."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from entries import Inapplicable
from layers import SIDE, last_maps
from methods.layers.layered import chosen_layers, computed, hooked

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer of a network by the name of its module; all that it returns is on the CPU.

    Images are (n, 3, h, w) float32, normalised for the network, on its device. Maps are (n, c, h, w), or (n, c) where
    the layer has no positions.
    """

    model: nn.Module  # in eval mode, frozen
    name: str
    batch: int  # images in one pass
    keep: Callable[[tuple[Tensor, ...], Hashable, Callable[[], T]], T] = computed

    def maps(self, x: Tensor) -> Tensor:
        """Return what the layer gives for each image."""
        return torch.cat([self.passed(part)[0] for part in x.split(self.batch)])

    def pooled(self, x: Tensor) -> Tensor:
        """Return the means of the layer's channels over positions (n, c)."""
        return self.read(x)["pooled"].cpu()

    def logits(self, x: Tensor) -> Tensor:
        """Return the logits (n, k); they come from the pass of `pooled`."""
        return self.read(x)["logits"].cpu()

    def read(self, x: Tensor) -> dict[str, Tensor]:
        return self.keep((x,), ("concepts", self.name), lambda: self.compute(x))

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        parts = [self.passed(part) for part in x.split(self.batch)]
        return {
            "pooled": torch.cat([maps.flatten(2).mean(2) if maps.ndim == 4 else maps for maps, _ in parts]),
            "logits": torch.cat([logits for _, logits in parts]),
        }

    @torch.no_grad()
    def passed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maps and the logits of one batch."""
        maps: list[Tensor] = []
        with hooked(self.model, {self.name: lambda _, output: maps.append(output.float().cpu().clone())}):
            logits = self.model(x.clone())
        return maps[0], logits.float().cpu()

    def gradients(self, x: Tensor, target: int | Tensor) -> Tensor:
        """Return the derivative of a class's logit by the layer's maps, in their shape; `target` is one or (n,)."""
        target = torch.as_tensor(target, device=x.device).expand(len(x))
        pairs = zip(x.split(self.batch), target.split(self.batch), strict=True)
        return torch.cat([self.derived(*pair) for pair in pairs])

    def slopes(self, x: Tensor, target: int | Tensor) -> Tensor:
        """Return how a class's logit rises (n, c) as a channel rises alike at all positions: gradients, summed."""
        gradients = self.gradients(x, target)
        return gradients.flatten(2).sum(2) if gradients.ndim == 4 else gradients

    def derived(self, x: Tensor, target: Tensor) -> Tensor:
        leaf: list[Tensor] = []

        def replaced(_: str, output: Tensor) -> Tensor:
            leaf.append(output.detach().clone().requires_grad_())
            return leaf[0].clone()  # what follows may work in place

        with torch.enable_grad(), hooked(self.model, {self.name: replaced}):
            logit = self.model(x.clone()).gather(1, target[:, None]).sum()
            return torch.autograd.grad(logit, leaf[0])[0].float().cpu()

    @torch.no_grad()
    def replaced(self, x: Tensor, maps: Tensor) -> Tensor:
        """Return the logits (n, k) where the layer gives other maps (n, c, h, w) than those of the images."""
        parts = []
        for images, given in zip(x.split(self.batch), maps.split(self.batch), strict=True):
            with hooked(self.model, {self.name: lambda _, output, given=given: given.to(output).clone()}):
                parts.append(self.model(images.clone()).float().cpu())
        return torch.cat(parts)


def chosen_layer(model: nn.Module, x: Tensor, name: str) -> str:
    """Return the name of the layer that is read: "auto" is the last convolutional maps; refuse an unknown one."""
    if name != "auto":
        return chosen_layers(model, x, [name], "benchmark.layer")[0]
    if found := last_maps(model, x[:1]):
        return found
    need = f"layer=auto needs a network that ends in convolutional maps of at least {SIDE} x {SIDE} positions"
    raise Inapplicable(f"{need}; {type(model).__name__} has none, so name one of its modules: benchmark.layer=NAME")
