"""Layers that are read: which they are, their features, and what is left of the network without some of them."""

import pytest
import timm
import torch
from torch import nn

from benchmarks.contracts import state
from entries import Inapplicable
from methods.layers.layered import Layered, chosen_layers, layer_names


def frozen(module: nn.Module) -> nn.Module:
    return module.eval().requires_grad_(False)


def network(name: str) -> nn.Module:
    return frozen(timm.create_model(name, num_classes=5))


def small() -> nn.Module:
    """Two layers and a residual one, with operations in place, and a module that runs twice."""

    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm, self.relu = nn.Conv2d(3, 6, 3, 2), nn.BatchNorm2d(6), nn.ReLU(inplace=True)
            self.inner, self.act, self.pool, self.head = (
                nn.Conv2d(6, 6, 1),
                nn.ReLU(True),
                nn.MaxPool2d(2),
                nn.Linear(6, 4),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.relu(self.norm(self.first(x)))
            x = self.act(x + self.relu(self.inner(x)))
            return self.head(self.pool(x).mean((2, 3)))

    return frozen(Small())


def depends(model: nn.Module, x: torch.Tensor, name: str) -> bool:
    """Whether the logits still depend on the image when a module's output is detached."""
    with model.get_submodule(name).register_forward_hook(lambda m, i, output: output.detach()):
        return model(x.clone().requires_grad_()).requires_grad


NAMES = {
    "resnet18": ["act1", *(f"layer{i}.{j}.act2" for i in range(1, 5) for j in range(2))],
    "vgg16": [
        *(f"features.{i}" for i in (1, 3, 6, 8, 11, 13, 15, 18, 20, 22, 25, 27, 29)),
        *("pre_logits.act1", "pre_logits.act2"),
    ],
    "inception_v3": [
        *(f"Conv2d_{name}.bn.act" for name in ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")),
        *(f"Mixed_{name}" for name in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")),
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("resnet18", 64), ("vgg16", 64), ("inception_v3", 96)])
def test_the_layers_of_known_networks(name, size):
    assert [*layer_names(network(name), torch.rand(1, 3, size, size))] == NAMES[name]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"), [("resnet18", 32), ("efficientnet_lite0", 64), ("densenet121", 32), ("vit_tiny_patch16_224", 224)]
)
def test_the_whole_decision_passes_through_every_layer(name, size):
    model, x = network(name), torch.rand(1, 3, size, size)
    names = layer_names(model, x)
    assert len(names) > 1 and not any(depends(model, x, layer) for layer in names)


def test_a_layer_is_kept_after_its_activation_and_before_pooling():
    model, x = small(), torch.rand(2, 3, 12, 12)
    assert layer_names(model, x) == ("norm", "act"), "the ReLU that runs twice has no output of its own"
    assert depends(model, x, "inner") and not depends(model, x, "act")


def test_a_part_of_what_is_split_is_no_layer():
    class Split(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.part = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), nn.Identity()
            self.mix, self.head = nn.Conv2d(4, 4, 1), nn.Linear(8, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            left, right = torch.cat([self.one(x), self.two(x)], 1).chunk(2, 1)
            return self.head(torch.cat([self.part(left), self.mix(right)], 1).mean((2, 3)))

    with pytest.raises(Inapplicable, match="Split has none"):
        layer_names(frozen(Split()), torch.rand(1, 3, 8, 8))


def test_features_are_means_over_positions_in_one_pass_and_leave_nothing():
    model, x = small(), torch.rand(5, 3, 12, 12)
    passes, before = [], state(type("Batch", (), {"model": model, "x": x})())
    with model.register_forward_hook(lambda m, i, output: passes.append(len(output))):
        kept = {}
        layers = Layered(model, ("norm", "act"), 2, lambda inputs, key, compute: kept.setdefault(key, compute()))
        norm, act = layers.features(x)
        logits = layers.logits(x)
    first = model.norm(model.first(x))
    second = (first.relu() + model.inner(first.relu()).relu()).relu()
    assert torch.allclose(norm, first.mean((2, 3)), atol=1e-6), "as it was before the operation in place"
    assert torch.allclose(act, second.mean((2, 3)), atol=1e-6) and torch.allclose(logits, model(x), atol=1e-6)
    assert len(kept) == 1 and passes[:3] == [2, 2, 1]
    after = state(type("Batch", (), {"model": model, "x": x})())
    assert after == before


def test_skipped_layers_go_to_what_follows_the_last():
    model, x = small(), torch.rand(5, 3, 12, 12)
    first, inner, last, after = Layered(model, ("norm", "inner", "act", "pool"), 2).skipped(x)
    maps = model.norm(model.first(x))
    assert torch.allclose(first, model.head(model.pool(maps).mean((2, 3))), atol=1e-6)
    branch = model.inner(maps.relu())
    assert torch.allclose(inner, model.head(model.pool(branch).mean((2, 3))), atol=1e-6)
    assert torch.allclose(last, model(x), atol=1e-6) and torch.allclose(after, model(x), atol=1e-6)
    wide = frozen(
        nn.Sequential(nn.Conv2d(3, 7, 1), nn.ReLU(), nn.Conv2d(7, 6, 1), nn.ReLU(), nn.Flatten(), nn.Linear(864, 4))
    )
    assert [part is None for part in Layered(wide, ("1", "3"), 8).skipped(x)] == [True, False]


def test_an_untrained_network_has_new_weights_of_a_seed_and_keeps_nothing_of_the_other():
    model, x, kept = small(), torch.rand(3, 3, 12, 12), {}
    keep = lambda inputs, key, compute: kept.setdefault(key, compute())  # noqa: E731
    layers, state = Layered(model, ("norm", "act"), 8, keep), torch.random.get_rng_state()
    own, one, other = (net.features(x)[1] for net in (layers, layers.untrained(1), layers.untrained(2)))
    assert not torch.equal(own, one) and not torch.equal(one, other) and len(kept) == 3
    assert torch.equal(one, Layered(layers.untrained(1).model, layers.names, 8).features(x)[1])
    assert torch.equal(state, torch.random.get_rng_state())
    torch.manual_seed(1)
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    assert torch.equal(one, Layered(model, layers.names, 8).features(x)[1])


def test_an_untrained_network_leaves_the_random_state_of_accelerators(monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    Layered(small(), ("act",), 8).untrained(1)
    assert not seeded


def test_passes_of_an_untrained_network_are_counted_with_those_of_the_network():
    model, passes = small(), []
    with model.register_forward_hook(lambda m, i, output: passes.append(len(output))):
        Layered(model, ("act",), 8).untrained(0).features(torch.rand(3, 3, 12, 12))
    assert passes == [3]


def test_layers_by_name_are_checked_and_ordered():
    model, x = small(), torch.rand(1, 3, 12, 12)
    assert chosen_layers(model, x, "auto") == ("norm", "act")
    assert chosen_layers(model, x, ["head", "first", "act"]) == ("first", "act", "head")
    for names, said in ((["norn"], "norm"), (["relu"], "2 outputs"), ([], "auto"), ("act", "auto"), ([3], "3")):
        with pytest.raises(ValueError, match=said):
            chosen_layers(model, x, names)
    tokens = network("vit_tiny_patch16_224")
    with pytest.raises(ValueError, match=r"blocks\.0"):
        chosen_layers(tokens, torch.rand(1, 3, 224, 224), ["blocks.0"])


def test_a_network_without_layers_is_refused():
    with pytest.raises(Inapplicable, match="Sequential"):
        layer_names(frozen(nn.Sequential(nn.Flatten(), nn.Linear(27, 2))), torch.rand(1, 3, 3, 3))
