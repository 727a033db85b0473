"""DeconvNet reconstructions against captum and against unpooling by hand, receptive fields against gradients."""

from copy import deepcopy
from types import SimpleNamespace

import pytest
import timm
import torch
from captum.attr import NeuronDeconvolution
from torch import nn
from torch.nn import functional as F

from methods.paths import Path
from methods.paths.receptive import receptive_fields
from methods.paths.reconstruction import chosen, pictures, reconstructions, seeds
from models.canonical import canonical
from tests.methods.networks import Block, Network, branches, head, plain, residual


def relus(graph):
    return [node.name for node in graph.graph.nodes if node.meta["role"] == "relu"]


def run(make, n=3, size=32, wide=None):
    model, x = make().double().eval(), torch.randn(n, 3, size, wide or size, dtype=torch.float64)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight)  # of both signs
    return model, x, canonical(model, x)


def test_deconvnet_through_a_residual_block_with_batch_norms_by_hand():
    model, x, graph = run(lambda: Network([nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), Block(6)], head(6, 4)))
    conv, _, block = model.features
    scale1, scale2 = (
        (bn.weight / (bn.running_var + bn.eps).sqrt())[None, :, None, None] for bn in (block.bn1, block.bn2)
    )
    output = model.features(x)
    signal = torch.zeros_like(output)
    signal[:, 2] = output[:, 2]
    branch = F.conv_transpose2d(signal * scale2, block.conv2.weight, padding=1).relu()
    branch = F.conv_transpose2d(branch * scale1, block.conv1.weight, padding=1)
    signal = F.conv_transpose2d((signal + branch).relu(), conv.weight, stride=2, padding=1, output_padding=1)
    last = relus(graph)[-1]
    ours, _ = reconstructions(graph, x, {last: torch.full((3, 1), 2)})[last]
    torch.testing.assert_close(ours[:, 0, 1], signal, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("layer", [1, 4, 7])
def test_deconvnet_agrees_with_captum(layer):
    model, x, graph = run(plain)
    name, channels = relus(graph)[[1, 4, 7].index(layer)], torch.tensor([[0, 3], [2, 5], [4, 1]])
    ours, _ = reconstructions(graph, x, {name: channels})[name]
    theirs_of = NeuronDeconvolution(copy := deepcopy(model), copy.features[layer])
    for image, both in enumerate(channels):
        for k, channel in enumerate(both.tolist()):
            activation = model.features[: layer + 1](x[image : image + 1])[0, channel].detach()
            for whole, weight in enumerate((activation * (activation == activation.max()), activation)):
                one = x[image : image + 1].clone().requires_grad_()
                theirs = theirs_of.attribute(one, lambda out, c=channel, w=weight: (out[:, c] * w).sum((1, 2)))
                torch.testing.assert_close(ours[image, k, whole], theirs[0].detach(), rtol=1e-9, atol=1e-12)


def test_a_reconstruction_is_of_its_image_alone_and_nothing_leaks():
    model, x, graph = run(branches)
    layers = {name: torch.tensor([[1], [3], [0]]) for name in relus(graph)[:3]}
    with torch.no_grad():
        together = reconstructions(graph, x, layers)
        assert not torch.is_grad_enabled()
    for i in range(3):
        alone = reconstructions(graph, x[i : i + 1], {name: c[i : i + 1] for name, c in layers.items()})
        for name, (ours, box) in together.items():
            torch.testing.assert_close(ours[i], alone[name][0][0], rtol=1e-9, atol=1e-12)
            assert (box[i] == alone[name][1][0]).all()
            assert not ours.requires_grad
    assert not x.requires_grad and all(p.grad is None for p in (*model.parameters(), *graph.parameters()))
    assert not any(m._forward_hooks or m._backward_hooks for m in model.modules())


def test_seeds_are_the_first_maximum_and_the_map_and_nothing_of_no_channel():
    output = torch.tensor([[[[1.0, 3.0], [3.0, 0.0]], [[9.0, 9.0], [9.0, 9.0]]]]).expand(2, -1, -1, -1)
    at, top, whole = seeds(output, torch.tensor([0, -1]))
    assert at[0] == 1 and whole[0].tolist() == [[[1, 3], [3, 0]], [[0, 0], [0, 0]]]
    assert top[0].tolist() == [[[0, 3], [0, 0]], [[0, 0], [0, 0]]] and not top[1].any() and not whole[1].any()


def averaging(model):
    """The same windows, with positive weights and without maxima: a gradient is zero where nothing is read only."""
    model = deepcopy(model).double().eval()
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.MaxPool2d):
            pool = nn.AvgPool2d(module.kernel_size, module.stride, module.padding, module.ceil_mode)
            model.set_submodule(name, pool)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            nn.init.constant_(module.weight, 1.0)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
    return model


def odd():
    """Strides beyond the kernel, holes, uneven kernels and paddings, and pools that round up."""
    layers = [nn.Conv2d(3, 4, (1, 7), padding=(0, 3)), nn.ReLU(), nn.Conv2d(4, 4, (7, 1), (3, 2), (3, 0)), nn.ReLU()]
    layers += [nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.Conv2d(4, 4, 3, padding=1, dilation=2), nn.ReLU()]
    layers += [nn.Conv2d(4, 4, 2, padding="same"), nn.ReLU(), nn.ZeroPad2d((1, 0, 2, 0)), nn.Conv2d(4, 4, 1, 3)]
    return Network([*layers, nn.ReLU()], head(4, 2))


NETWORKS = {
    "vgg": plain,
    "residual": residual,
    "branches": branches,
    "odd": odd,
    "adaptive": lambda: Network([nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d((7, 4)), nn.ReLU()], head(4, 2)),
    "resnet18": lambda: timm.create_model("resnet18", num_classes=2, channels=(8, 8, 8, 8)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_receptive_fields_are_where_gradients_are_not_zero(name):
    model, shape = averaging(NETWORKS[name]()), (33, 40) if name != "resnet18" else (64, 72)
    x = torch.rand(1, 3, *shape, dtype=torch.float64).add(0.1).requires_grad_()
    graph = canonical(model, x)
    interpreter = torch.fx.Interpreter(graph, garbage_collect_values=False)
    interpreter.run(x)
    nodes = {node.name: node for node in graph.graph.nodes}
    tested = 0
    for layer in relus(graph):
        output = interpreter.env[nodes[layer]]
        if output.ndim != 4:
            continue
        rows, columns = receptive_fields(graph, layer)
        assert rows.shape == (output.shape[2], 2) and columns.shape == (output.shape[3], 2)
        places = {(0, 0), (len(rows) - 1, len(columns) - 1), (len(rows) // 2, len(columns) // 3), (len(rows) // 3, 0)}
        for i, j in places:
            (gradient,) = torch.autograd.grad(output[0, :, i, j].sum(), x, retain_graph=True)
            support = gradient[0].abs().sum(0) > 0
            for field, seen in ((rows[i], support.any(1)), (columns[j], support.any(0))):
                where = seen.nonzero().flatten().tolist() or [0, -1]
                assert field.tolist() == [where[0], where[-1] + 1], (layer, i, j)
                tested += 1
    assert tested > 4


def test_a_unit_of_the_head_sees_the_whole_image_and_padding_is_no_pixel():
    _, _, graph = run(plain)
    rows, columns = receptive_fields(graph, relus(graph)[-1])
    assert rows.tolist() == [[0, 32]] == columns.tolist()
    _, _, graph = run(lambda: Network([nn.Conv2d(3, 2, 1, padding=2), nn.ReLU()], head(2, 2)), size=8)
    rows, _ = receptive_fields(graph, relus(graph)[0])
    assert rows[:3].tolist() == [[0, 0], [0, 0], [0, 1]] and rows[-3:].tolist() == [[7, 8], [0, 0], [0, 0]]


@pytest.fixture
def followed():
    model, x, graph = run(residual, wide=24)
    interpreter = torch.fx.Interpreter(graph, garbage_collect_values=False)
    interpreter.run(x)
    nodes = {node.name: node for node in graph.graph.nodes}
    outputs = [interpreter.env[nodes[name]].detach() for name in relus(graph)]
    kept = tuple(torch.rand(2, *output.shape[:2]) > 0.5 for output in outputs)
    kept[-1][0, 0] = torch.arange(6) == 3
    forward = tuple(output.sum((2, 3)) for output in outputs)
    backward = tuple(map(torch.randn_like, forward))
    backward[-1][0, 3] = 0  # kept all the same
    return model, x, graph, Path(tuple(relus(graph)), kept, forward, backward)


def test_pictures_are_of_the_strongest_kept_channels(followed):
    model, x, graph, path = followed
    found = pictures(SimpleNamespace(canonical=canonical), model, x, path, images=2, rows=3, columns=4)
    assert found["recon_layer"].tolist() == [[0, 2, 4]] * 2
    assert found["recon"].shape == (2, 3, 4, 2, 32, 24, 3) and found["recon"].dtype == torch.float16
    assert found["recon_channel"][0, 2].tolist() == [3, -1, -1, -1]
    for image in range(2):
        for row, layer in enumerate((0, 2, 4)):
            kept = path.kept[layer][0, image].nonzero().flatten().tolist()
            best = sorted(kept, key=lambda c, b=path.backward[layer][image]: -abs(b[c]))[:4]
            assert found["recon_channel"][image, row].tolist() == best + [-1] * (4 - len(best))
            for k, channel in enumerate(best):
                name = path.layers[layer]
                alone = reconstructions(graph, x[image : image + 1], {name: torch.tensor([[channel]])})[name]
                (raw,), (box,) = (part[0] for part in alone)
                raw = raw / raw.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-300)
                ours = found["recon"][image, row, k].double().movedim(-1, 1)
                torch.testing.assert_close(ours, raw, rtol=0, atol=1e-3)
                assert found["recon_box"][image, row, k].tolist() == box.tolist()
                outside = ours[0].clone()
                outside[:, box[0] : box[2], box[1] : box[3]] = 0
                assert not outside.any()
            assert not found["recon"][image, row, len(best) :].any()
            assert not found["recon_box"][image, row, len(best) :].any()


def test_rows_are_spread_over_the_layers_that_have_positions(followed):
    _, _, graph, path = followed
    assert [chosen(graph, path, rows) for rows in (1, 2, 9)] == [[0], [0, 4], [0, 1, 2, 3, 4]]
    _, _, graph = run(plain)
    assert chosen(graph, SimpleNamespace(layers=tuple(relus(graph))), 9) == [0, 1, 2]
