"""Deconvolutional reconstructions: one channel of a layer, propagated down a DeconvNet to the pixels."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from methods.backprop import Replaced, deconvolved
from methods.graph import canonical_form
from methods.paths import Path
from methods.paths.nodes import layers
from methods.paths.receptive import receptive_fields


def reconstructions(graph: GraphModule, x: Tensor, channels: Mapping[Node, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Reconstruct the pixels from single channels of ReLU outputs [Zeiler & Fergus 2014].

    `channels` has for each layer the channels (n, k) of each image; a negative number is no channel. Returns for each
    layer pictures (n, k, 2, c, h, w) in units of activation, with every other channel set to zero: first from the
    channel's maximum alone (the first of several), then from its whole map. Also returns the receptive field (n, k, 4)
    of the maximum in pixels: top, left, and after the last ones bottom, right; all 0 where the channel is 0 everywhere.

    Max pools pass the signal to their switches, ReLUs rectify the signal whatever their own input was, convolutions are
    transposed, without biases. Our choices: batch norms are folded into convolutions, as in the canonical form;
    residual sums and concatenations pass the signal to all branches; average pools and bounded activations pass their
    gradient. The cost is one forward pass, and two backward passes for each channel.

    Pictures from deep layers differ little between channels: those of the whole maps of a layer's four most relevant
    channels correlate by .99 in the last convolution of a VGG16 fitted to shapes, and by .42 in the first.
    """
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        run = Replaced(graph, deconvolved)
        run.garbage_collect_values = False  # the layers are read afterwards
        run.run(x)
        results = []
        for layer, numbers in channels.items():
            output, (rows, columns) = run.env[layer], receptive_fields(graph, layer)
            pictures, boxes = [], []
            for channel in numbers.unbind(1):
                at, top, whole = seeds(output.detach(), channel)
                down = [torch.autograd.grad(output, x, seed, retain_graph=True)[0] for seed in (top, whole)]
                pictures.append(torch.stack(down, 1))
                (first, last), (left, right) = rows[at // len(columns)].T, columns[at % len(columns)].T
                box = torch.stack([first, left, last, right], 1)
                boxes.append(box * top.flatten(1).any(1).cpu()[:, None])
            results.append((torch.stack(pictures, 1), torch.stack(boxes, 1)))
        return results


def seeds(output: Tensor, channel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return where each image's channel (n,) is largest (on the CPU), and the layer with only that, or that channel."""
    whole = torch.zeros_like(output)
    image = torch.arange(len(output), device=output.device)[channel >= 0]
    whole[image, channel[image]] = output[image, channel[image]]
    maps = whole.sum(1).flatten(1)
    at = maps.argmax(1, keepdim=True)
    only = torch.zeros_like(maps).scatter(1, at, 1)
    return at[:, 0].cpu(), whole * only.view(len(output), 1, *output.shape[2:]), whole


def chosen(graph: GraphModule, rows: int) -> list[int]:
    """Return `rows` layers of a path that have positions, spread evenly from the first to the last of them."""
    spatial = [i for i, node in enumerate(layers(graph)) if max(node.meta["size"][1:], default=1) > 1]
    return [spatial[i] for i in torch.linspace(0, len(spatial) - 1, min(rows, len(spatial))).round().int()]


def pictures(
    method: object, model: nn.Module, x: Tensor, path: Path, images: int, rows: int, columns: int
) -> dict[str, Tensor]:
    """Return reconstructions of the path's strongest channels for the first `images`, as stored in a gallery.

    `path` is that of the images x (n, c, h, w); `method` has a `canonical`. All arrays are on the CPU, for m images:
    recon_layer (m, r): numbers of layers of the path, at most `rows` of them (`chosen`).
    recon_channel (m, r, k): the `columns` channels with the largest |b| that the first draw keeps, the largest first;
    -1 where a layer keeps fewer.
    recon (m, r, k, 2, h, w, c) float16: `reconstructions`, from the maximum and from the whole map, each divided by its
    largest magnitude; 0 where there is no channel.
    recon_box (m, r, k, 4): the receptive field of the maximum.
    """
    graph, x = canonical_form(method, model, x), x[:images]
    numbers, nodes = chosen(graph, rows), layers(graph)
    channels = {nodes[i]: strongest(path, i, len(x), columns).to(x.device) for i in numbers}
    recon, box = (torch.stack(parts, 1) for parts in zip(*reconstructions(graph, x, channels), strict=True))
    scale = recon.abs().amax((-3, -2, -1), keepdim=True)
    return {
        "recon_layer": torch.tensor(numbers).expand(len(x), -1),
        "recon_channel": torch.stack([*channels.values()], 1).cpu(),
        "recon": (recon / scale.where(scale > 0, 1)).half().movedim(4, -1).cpu(),
        "recon_box": box,
    }


def strongest(path: Path, layer: int, images: int, columns: int) -> Tensor:
    """Return the kept channels (m, k) of a layer with the most relevance, padded with -1."""
    kept, size = path.kept[layer][0, :images], path.backward[layer][:images].abs()
    order = size.masked_fill(~kept, -1).argsort(dim=1, descending=True, stable=True)[:, :columns]
    return nn.functional.pad(order.where(kept.gather(1, order), -1), (0, columns - order.shape[1]), value=-1)
