"""Importance of filters beside literal loops and known answers, and the removal curves of a cell."""

import json
from contextlib import contextmanager

import numpy as np
import pytest
import timm
import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from entries import Inapplicable
from methods.layers.importance import Ablation, Random, Taylor, WeightNorm
from methods.layers.layered import Layered
from models.canonical import canonical
from tests.conftest import composed, evaluated
from tests.methods.networks import built, images, network, precise

FAMILIES = ["residual", "branches", "mobile", "gated"]
ENTRIES = {
    "ablation_zero": Ablation("zero", 500, canonical),
    "ablation_mean": Ablation("mean", 500, canonical),
    "taylor": Taylor(canonical),
}
METRICS = [
    "removal_most_first",
    "removal_least_first",
    "layer_removal",
    "channel_importance",
    "filter_importance",
    "dead_filters",
]
SMALL = ["benchmark=layers", "dataset=planted", "model=planted", "dataset.images=6", "batch_size=4"]
SMALL += ["benchmark.reference_images=5", "benchmark.shares=[0.25,0.5]", "seed=3"]


def subject(family: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A network in float64 with images and labels."""
    model = precise(family)[0] if family in ("mobile", "gated") else network(family).double()
    x, labels = images(3, 32)
    return model, x.double(), labels


def layered(model: nn.Module) -> Layered:
    return Layered(model, (), 2)


def after(model: nn.Module, name: str) -> nn.Module:
    """The module in which a convolution's filters end: its batch norm, if it has one."""
    mobile = {"stem": "bn1", "depthwise": "bn2", "bottleneck": "bn3"} if hasattr(model, "depthwise") else {}
    gated = {"stem": "bn"} if hasattr(model, "excite") else {}
    head, _, last = name.rpartition(".")
    bn = (mobile | gated).get(name) or (f"{head}.{int(last) + 1}" if last.isdigit() else name.replace("conv", "bn"))
    found = dict(model.named_modules()).get(bn)
    return found if isinstance(found, nn.BatchNorm2d) else model.get_submodule(name)


@contextmanager
def removed(model: nn.Module, masks: dict[str, Tensor], fill: Tensor = 0):
    """Forward hooks on the network itself set channels (c,) of layers to a value."""

    def hook(mask):
        return lambda _module, _inputs, a: torch.where(mask[:, None, None], torch.as_tensor(fill).to(a), a)

    handles = [after(model, name).register_forward_hook(hook(mask)) for name, mask in masks.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def mean_of(model: nn.Module, x: Tensor, name: str) -> Tensor:
    kept = []
    handle = after(model, name).register_forward_hook(lambda _m, _i, a: kept.append(a.mean((0, 2, 3))))
    model(x)
    handle.remove()
    return kept[0]


@pytest.mark.parametrize("fill", ["zero", "mean"])
@pytest.mark.parametrize("family", FAMILIES)
def test_each_filter_weighs_what_a_hook_that_removes_it_shows(family, fill):
    model, x, labels = subject(family)
    found, clean = Ablation(fill, 500, canonical)(layered(model), x, labels), model(x)
    assert set(found.names) == {n for n, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    for name, signed, order in zip(found.names, found.signed, found.order, strict=True):
        value = mean_of(model, x, name)[:, None, None] if fill == "mean" else 0
        for channel in range(order.shape[1]):
            with removed(model, {name: torch.arange(order.shape[1]) == channel}, value):
                fall = (clean - model(x)).gather(1, labels[:, None])[:, 0]
            assert (order[0, channel] - fall.abs().mean()).abs() < 1e-9
            assert (signed[:3, channel] - fall).abs().max() < 1e-9 and signed[3, channel].isnan(), "one image a class"


def test_fewer_images_are_spread_over_the_classes():
    model, x, _ = subject("residual")
    x, labels = torch.cat([x, x.flip(3)]), torch.tensor([1, 1, 1, 2, 2, 3])
    few, chosen = (Ablation("zero", images, canonical) for images in (4, 500))
    few, chosen = few(layered(model), x, labels), chosen(layered(model), x[[0, 1, 3, 5]], labels[[0, 1, 3, 5]])
    assert all(torch.equal(a, b) for a, b in zip(few.order, chosen.order, strict=True)) and few.order[0].min() > 0


@pytest.mark.slow
def test_layers_have_the_names_of_their_modules_whoever_calls_the_convolution():
    """This network's own convolutions with a stride are functions in the canonical form."""
    model = timm.create_model("tf_efficientnet_lite0", num_classes=4).eval().requires_grad_(False)
    found = Taylor(canonical)(layered(model), *images(2, 32))
    assert found.names == tuple(n for n, module in model.named_modules() if isinstance(module, nn.Conv2d))


def test_taylor_is_ablation_where_the_rest_of_the_network_is_linear():
    convolutions = nn.Conv2d(3, 5, 3, 2), nn.BatchNorm2d(5), nn.Conv2d(5, 6, 3, padding=1, groups=1)
    model = nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))
    model = model.double().eval().requires_grad_(False)
    x, labels = images(6, 16)
    taylor, ablation = (ENTRIES[name](layered(model), x.double(), labels) for name in ("taylor", "ablation_zero"))
    for field in ("signed", "order"):
        for one, other in zip(getattr(taylor, field), getattr(ablation, field), strict=True):
            assert one.abs().max() > 1e-3 and (one - other).abs().max() < 1e-12


@torch.no_grad()
def widened(dead: int = 2) -> nn.Sequential:
    """Six channels, copies of them that nothing reads, and channels that are always 0 after the ReLU."""
    first, second = nn.Conv2d(3, 12 + dead, 3, padding=1), nn.Conv2d(12 + dead, 5, 3)
    first.weight[6:12], first.bias[6:12], second.weight[:, 6:12] = first.weight[:6], first.bias[:6], 0
    first.weight[12:], first.bias[12:] = 0.01 * first.weight[12:], -9
    pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)
    model = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), *pooled)
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize("name", ENTRIES)
def test_channels_that_nothing_reads_come_last_and_dead_ones_have_no_place(name):
    x, labels = images(8, 16)
    found = ENTRIES[name](layered(widened()), x, labels)
    assert found.alive[0].tolist() == [True] * 12 + [False] * 2 and found.alive[1].all()
    assert found.order[0][0, :6].min() > 1e-6 > found.order[0][0, 6:].max()


class Skipped(nn.Module):
    """A block whose ReLU comes before the sum with what skips it; three of its filters are always 0 there."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 4, 3)
        self.relu, self.pool = nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        self.second.bias.data[:3] = -9

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.pool(self.head(x + self.relu(self.second(x))).relu()).flatten(1)


def test_a_filter_is_dead_behind_its_relu_though_the_sum_with_what_skips_it_varies():
    found = ENTRIES["ablation_zero"](layered(Skipped().eval().requires_grad_(False)), *images(8, 16))
    assert found.alive[1].tolist() == [False] * 3 + [True] * 5 == (found.order[1][0] > 0).tolist()
    assert found.alive[0].all() and found.alive[2].all()


def test_what_is_observed_has_the_same_key_in_every_process():
    keys, (model, x, labels) = [], subject("residual")
    keep = lambda inputs, key, compute: keys.append(repr(key)) or compute()  # noqa: E731
    Random(2, 0, canonical)(Layered(model, (), 2, keep), x, labels)
    assert len(keys) == 1 and "0x" not in keys[0]


def test_weight_norm_is_that_of_the_weights_with_their_batch_norm():
    model, x, labels = subject("residual")
    found = WeightNorm(canonical)(layered(model), x, labels)
    conv, bn = model.features[0], model.features[1]
    wanted = (conv.weight.abs().sum((1, 2, 3)) * bn.weight.abs() / (bn.running_var + bn.eps).sqrt())[None]
    assert (found.order[0] - wanted).abs().max() < 1e-9 and all(signed.isnan().all() for signed in found.signed)


def test_random_orders_differ_and_come_again_with_their_seed():
    model, x, labels = subject("residual")
    one, same, other = (Random(20, seed, canonical)(layered(model), x, labels).order for seed in (0, 0, 1))
    places = torch.stack([order.argsort(1) for order in one])
    assert torch.equal(torch.stack(one), torch.stack(same)) and not torch.equal(torch.stack(one), torch.stack(other))
    assert len(places.flatten(0, 1).unique(dim=0)) > 80, (
        "20 orders of each of five layers, nearly all of them different"
    )


def test_a_network_without_convolutions_is_named():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4)).requires_grad_(False).eval()
    with pytest.raises(Inapplicable, match="Sequential has none"):
        Taylor(canonical)(layered(model), *images(2, 16))


def cell(*overrides: str, family: str = "residual"):
    nodes = {"model": {"_target_": "tests.methods.networks.Tiny", "family": family}}
    return evaluated(*SMALL, f"metric=[{','.join(METRICS)}]", *overrides, **nodes)


@pytest.mark.slow
def test_removal_curves_are_those_of_hooks_that_remove_filters():
    """An order that cannot be wrong: the sizes of the weights, which need no image."""
    scores, curves, *_ = cell("importance=weight_norm")
    model, x = built("residual"), pixels()
    order = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            bn = after(model, name)
            scale = bn.weight.abs() / (bn.running_var + bn.eps).sqrt()
            order[name] = (module.weight.abs().sum((1, 2, 3)) * scale).argsort(descending=True)
    predicted = model(x).argmax(1)

    def hits(share: float, most_first: bool, names=tuple(order)) -> np.ndarray:
        ranked = {name: order[name] if most_first else order[name].flip(0) for name in names}
        masks = {n: torch.isin(torch.arange(len(o)), o[: round(share * len(o) + 1e-9)]) for n, o in ranked.items()}
        with removed(model, masks):
            return (model(x).argmax(1) == predicted).numpy().astype(float)

    fractions = [0, 0.25, 0.5, 1]
    for metric, most_first in (("removal_most_first", True), ("removal_least_first", False)):
        wanted = np.stack([hits(share, most_first) for share in fractions], 1)
        curve = curves[curves.metric == metric].pivot(index="image", columns="fraction", values="value")
        rows = scores[scores.metric == metric].set_index("image").score
        assert np.array_equal(curve.loc[rows.index], wanted)
        assert np.allclose(rows, np.trapezoid(wanted, fractions, axis=1))
    layers = scores[scores.metric == "layer_removal"].pivot(index="image", columns="part", values="score")
    for name in order:
        assert np.array_equal(layers[name].loc[rows.index], hits(0.5, True, (name,)))


def pixels() -> Tensor:
    """The normalised images of the cell."""
    found = instantiate(composed(*SMALL, "metric=[dead_filters]").dataset, _convert_="all").test(32)
    return (torch.stack([found[i][1] for i in range(len(found))]) - 0.5) / 0.25


@pytest.mark.slow
def test_a_row_of_each_image_and_layer_and_once_of_each_filter_and_class():
    scores = cell("importance=taylor").scores
    sizes = scores.groupby("metric").size().to_dict()
    told = scores[scores.metric == "channel_importance"]
    shown = sorted({*told.target})  # the classes of reference images
    assert sizes == dict(zip(METRICS, (6, 6, 6 * 5, 5 * 6 * len(shown), 5 * 6, 5), strict=True))
    assert set(told.image) == {""} and 1 < len(shown) < 4 and told.data.nunique() == 1
    assert [json.loads(part) for part in told.part.unique()[:2]] == [["features.0", 0, k] for k in shown[:2]]
    assert (told.status == "ok").all()
    silent = cell("importance=weight_norm", "metric=[channel_importance]").scores
    assert silent.status.tolist() == ["undefined"]


@pytest.mark.slow
def test_random_lies_between_most_and_least_important_first():
    shares = "benchmark.shares=[0.2,0.35,0.5,0.7]"
    wide = ["metric=[removal_most_first,removal_least_first]", "dataset.images=12", shares]
    wide += ["benchmark.reference_images=12", "batch_size=12"]
    areas = {}
    for entry in ("ablation_zero", "random"):
        scores = cell(f"importance={entry}", *wide).scores
        areas[entry] = scores.groupby("metric").score.mean()
    most, least = areas["ablation_zero"].removal_most_first, areas["ablation_zero"].removal_least_first
    assert most < areas["random"].removal_most_first < least
    assert np.isclose(*areas["random"]), "orders and their reverses: the same filters are removed"
    passes = scores.groupby("metric").forwards.sum() / 12
    assert passes.to_dict() == {"removal_most_first": 4 * 10 + 1, "removal_least_first": 0}
