"""DeconvNet reconstructions against captum, receptive fields against gradients."""

from copy import deepcopy
from types import SimpleNamespace

import pytest
import torch
from captum.attr import NeuronDeconvolution
from torch import Tensor, nn

from methods.paths import Path
from methods.paths.nodes import layers
from methods.paths.receptive import receptive_fields
from methods.paths.reconstruction import chosen, pictures, reconstructions, seeds
from models.canonical import canonical
from tests.methods.networks import Network, branches, head, images, network, not_in_place, residual


def run(family, n=2, size=24, wide=None):
    """A network with factors of both signs in its batch norms, images, its canonical form and the form's layers."""
    model, x = network(family).double(), images(n, size)[0][..., :wide].double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, generator=torch.Generator().manual_seed(0))
    graph = canonical(model, x)
    return model, x, graph, layers(graph)


@pytest.mark.parametrize("family", ["plain", "residual", "branches"])
def test_deconvnet_agrees_with_captum(family):
    """And what is given of an image does not depend on the images beside it; nothing is left behind."""
    model, x, graph, nodes = run(family)
    wanted = {node: torch.tensor([[0, 3], [2, 5]]) for node in nodes if len(node.meta["size"]) == 3}
    with torch.no_grad():
        ours = reconstructions(graph, x, wanted)
        assert not torch.is_grad_enabled()
    assert not x.requires_grad and not any(picture.requires_grad for picture, _ in ours)
    model = not_in_place(model)
    for (node, channels), (drawn, _) in zip(wanted.items(), ours, strict=True):
        module = model.get_submodule(node.name.replace("_", "."))
        theirs_of = NeuronDeconvolution(model, module)
        for image, both in enumerate(channels.tolist()):
            one, kept = x[image : image + 1].clone().requires_grad_(), []
            with module.register_forward_hook(lambda _m, _i, output, kept=kept: kept.append(output.detach())):
                model(one)
            for k, channel in enumerate(both):
                activation = kept[0][0, channel]
                for whole, weight in enumerate((activation * (activation == activation.max()), activation)):
                    theirs = theirs_of.attribute(one, lambda out, c=channel, w=weight: (out[:, c] * w).sum((1, 2)))
                    torch.testing.assert_close(drawn[image, k, whole], theirs[0].detach(), rtol=1e-9, atol=1e-12)


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
    "residual": residual,
    "branches": branches,
    "odd": odd,
    "adaptive": lambda: Network([nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d((7, 4)), nn.ReLU()], head(4, 2)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_receptive_fields_are_where_gradients_are_not_zero(name):
    model = averaging(NETWORKS[name]())
    x = torch.rand(1, 3, 33, 40, dtype=torch.float64).add(0.1).requires_grad_()
    graph = canonical(model, x)
    interpreter = torch.fx.Interpreter(graph, garbage_collect_values=False)
    interpreter.run(x)
    for node in layers(graph):
        output, (rows, columns) = interpreter.env[node], receptive_fields(graph, node)
        assert rows.shape == (output.shape[2], 2) and columns.shape == (output.shape[3], 2)
        places = {(0, 0), (len(rows) - 1, len(columns) - 1), (len(rows) // 2, len(columns) // 3), (len(rows) // 3, 0)}
        for i, j in places:
            (gradient,) = torch.autograd.grad(output[0, :, i, j].sum(), x, retain_graph=True)
            support = gradient[0].abs().sum(0) > 0
            for field, seen in ((rows[i], support.any(1)), (columns[j], support.any(0))):
                where = seen.nonzero().flatten().tolist() or [0, -1]
                assert field.tolist() == [where[0], where[-1] + 1], (node, i, j)


def test_a_unit_of_the_head_sees_the_whole_image_and_padding_is_no_pixel():
    _, _, graph, nodes = run("plain")
    rows, columns = receptive_fields(graph, nodes[-1])
    assert rows.tolist() == [[0, 24]] == columns.tolist()
    graph = canonical(Network([nn.Conv2d(3, 2, 1, padding=2), nn.ReLU()], head(2, 2)).eval(), torch.zeros(1, 3, 8, 8))
    rows, _ = receptive_fields(graph, layers(graph)[0])
    assert rows[:3].tolist() == [[0, 0], [0, 0], [0, 1]] and rows[-3:].tolist() == [[7, 8], [0, 0], [0, 0]]


class Turned(nn.Sequential):
    """Layers that read channels last, and a step to the right; there are as many channels as columns."""

    def forward(self, x: Tensor) -> Tensor:
        conv, linear, norm, out = self
        x = conv(x).relu().roll(1, 3).relu()
        x = linear(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).relu()
        return out(norm(x).relu().mean((2, 3)))


def test_linear_layers_at_every_position_and_norms_see_everything():
    model = Turned(nn.Conv2d(3, 8, 1), nn.Linear(8, 8), nn.GroupNorm(1, 8), nn.Linear(8, 2)).eval()
    graph = canonical(model, torch.zeros(1, 3, 8, 8))
    first, *others = (receptive_fields(graph, layer)[1] for layer in layers(graph))
    assert first.tolist() == [[i, i + 1] for i in range(8)]
    assert all(columns.tolist() == [[0, 8]] * 8 for columns in others) and len(others) == 3


def test_pictures_are_of_the_strongest_kept_channels():
    model, x, graph, nodes = run("residual", 3, 32, 24)
    rng = torch.Generator().manual_seed(2)
    kept = tuple(torch.rand(2, 3, 6, generator=rng) > 0.5 for _ in nodes)
    kept[-1][0, 0] = torch.arange(6) == 3
    backward = tuple(torch.randn(3, 6, generator=rng) for _ in nodes)
    backward[-1][0, 3] = 0  # kept all the same
    path = Path(tuple(node.name for node in nodes), kept, backward, backward)
    found = pictures(SimpleNamespace(canonical=canonical), model, x, path, images=2, rows=3, columns=4)
    assert found["recon_layer"].tolist() == [[0, 2, 4]] * 2
    assert found["recon"].shape == (2, 3, 4, 2, 32, 24, 3) and found["recon"].dtype == torch.float16
    assert found["recon_channel"][0, 2].tolist() == [3, -1, -1, -1]
    for image in range(2):
        for row, layer in enumerate((0, 2, 4)):
            order = backward[layer][image].abs().argsort(descending=True).tolist()
            best = [channel for channel in order if kept[layer][0, image, channel]][:4]
            padded = torch.tensor([best + [-1] * (4 - len(best))])
            assert found["recon_channel"][image, row].tolist() == padded[0].tolist()
            ((raw, box),) = reconstructions(graph, x[image : image + 1], {nodes[layer]: padded})
            raw = raw / raw.abs().amax((3, 4, 5), keepdim=True).clamp(min=1e-300)
            ours = found["recon"][image, row].double().movedim(-1, 2)
            torch.testing.assert_close(ours, raw[0], rtol=0, atol=1e-3)
            assert found["recon_box"][image, row].tolist() == box[0].tolist()
            for picture, (top, left, bottom, right) in zip(ours[:, 0].clone(), box[0].tolist(), strict=True):
                picture[:, top:bottom, left:right] = 0
                assert not picture.any()


def test_rows_are_spread_over_the_layers_that_have_positions():
    graphs = run("residual")[2], run("plain")[2]
    assert [chosen(graphs[0], rows) for rows in (1, 2, 9)] == [[0], [0, 4], [0, 1, 2, 3, 4]]
    assert chosen(graphs[1], 9) == [0, 1, 2]
