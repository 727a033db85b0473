"""Deconvolutional reconstructions: what one channel of a layer, carried down a DeconvNet, shows in the image."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from methods.backprop import Deconvolved, Replaced
from methods.graph import canonical_form
from methods.paths import Path
from methods.paths.receptive import receptive_fields


def reconstructions(graph: GraphModule, x: Tensor, channels: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """Carry channels of ReLU outputs down to the pixels [Zeiler & Fergus 2014].

    `channels` has for each layer the channels (n, k) of each image; a negative one is no channel. Returns for each
    layer pictures (n, k, 2, c, h, w), in units of activation: first the channel's activation at the place of its
    maximum alone (the first of several), then its whole map; every other channel is zero. And the receptive field
    (n, k, 4) of that place in pixels: top, left, and behind the last bottom, right; all 0 where the channel is silent.

    Max pools pass the signal to their switches, ReLUs rectify the signal whatever their own input was, convolutions
    are transposed, without biases. Ours: convolutions have their batch norms folded in, as the canonical form has
    them; residual sums and concatenations pass the signal to all branches; average pools and activations that are no
    ReLU pass their gradient. One forward pass for all, and two backward passes for each channel of an image.

    From deep layers a picture tells little of its channel: the whole maps of a layer's four channels of most relevance
    correlate by .99 in the last convolution of a VGG16 fitted to shapes, by .42 in the first.
    """
    nodes = {node.name: node for node in graph.graph.nodes}
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        run = Replaced(graph, Deconvolved)
        run.garbage_collect_values = False  # the layers are read afterwards
        run.run(x)
        found = {}
        for layer, numbers in channels.items():
            output, (rows, columns) = run.env[nodes[layer]], receptive_fields(graph, layer)
            pictures, boxes = [], []
            for channel in numbers.unbind(1):
                at, top, whole = seeds(output.detach(), channel)
                down = [torch.autograd.grad(output, x, seed, retain_graph=True)[0] for seed in (top, whole)]
                pictures.append(torch.stack(down, 1))
                (first, last), (left, right) = rows[at // len(columns)].T, columns[at % len(columns)].T
                box = torch.stack([first, left, last, right], 1)
                boxes.append(box * top.flatten(1).any(1).cpu()[:, None])
            found[layer] = torch.stack(pictures, 1), torch.stack(boxes, 1)
        return found


def seeds(output: Tensor, channel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return where a channel (n,) of each image is largest (on the CPU), and the layer with that and with all of it."""
    whole = torch.zeros_like(output)
    image = torch.arange(len(output), device=output.device)[channel >= 0]
    whole[image, channel[image]] = output[image, channel[image]]
    maps = whole.sum(1).flatten(1)
    at = maps.argmax(1, keepdim=True)
    only = torch.zeros_like(maps).scatter(1, at, 1)
    return at[:, 0].cpu(), whole * only.view(len(output), 1, *output.shape[2:]), whole


def chosen(graph: GraphModule, path: Path, rows: int) -> list[int]:
    """Return `rows` layers of a path that have positions, spread evenly from the first to the last of them."""
    sizes = {node.name: node.meta["size"] for node in graph.graph.nodes if "size" in node.meta}
    spatial = [i for i, layer in enumerate(path.layers) if max(sizes[layer][1:], default=1) > 1]
    return [spatial[i] for i in torch.linspace(0, len(spatial) - 1, min(rows, len(spatial))).round().int()]


def pictures(
    method: object, model: nn.Module, x: Tensor, path: Path, images: int, rows: int, columns: int
) -> dict[str, Tensor]:
    """Return what a gallery stores of the first `images`: the reconstructions of the path's strongest channels.

    `path` is that of the images x (n, c, h, w); `method` has a `canonical`. All are on the CPU, m images each:
    recon_layer (m, r): layers of the path by number, at most `rows` of them (`chosen`).
    recon_channel (m, r, k): the `columns` kept channels (in the first draw) with the most relevance |b|, strongest
    first; -1 where a layer keeps fewer.
    recon (m, r, k, 2, h, w, c) float16: `reconstructions`, at the maximum and of the whole map, each over its largest
    magnitude; 0 where there is no channel.
    recon_box (m, r, k, 4): the receptive field of the maximum.
    """
    graph, x = canonical_form(method, model, x), x[:images]
    layers = chosen(graph, path, rows)
    channels = {path.layers[i]: strongest(path, i, len(x), columns).to(x.device) for i in layers}
    found = reconstructions(graph, x, channels).values()
    recon, box = (torch.stack(parts, 1) for parts in zip(*found, strict=True))
    scale = recon.abs().amax((-3, -2, -1), keepdim=True)
    return {
        "recon_layer": torch.tensor(layers).expand(len(x), -1),
        "recon_channel": torch.stack([*channels.values()], 1).cpu(),
        "recon": (recon / scale.where(scale > 0, 1)).half().movedim(4, -1).cpu(),
        "recon_box": box,
    }


def strongest(path: Path, layer: int, images: int, columns: int) -> Tensor:
    """Return the kept channels (m, k) of a layer with the most relevance, -1 behind the last."""
    kept, size = path.kept[layer][0, :images], path.backward[layer][:images].abs()
    order = size.masked_fill(~kept, -1).sort(dim=1, descending=True, stable=True).indices[:, :columns]
    best = torch.full((len(order), columns), -1, device=order.device)
    best[:, : order.shape[1]] = order.where(kept.gather(1, order), -1)
    return best
