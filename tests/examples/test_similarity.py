"""Similarity of gradients against torch's autograd and captum, neighbours by literal loops, and all entries."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from captum.influence import TracInCPFast
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from entries import Inapplicable
from methods.examples.controls import Loss, RandomIds, SameClass
from methods.examples.similarity import GradientCosine, KnnFeatures, TracIn
from methods.examples.training import Training
from tests.conftest import CONF, options
from tests.examples.trained import convolutional, linear, training

RATES = (0.1, 0.03, 0.2)


def stored(model: nn.Module) -> list[tuple[nn.Module, float]]:
    """Other weights of the same architecture, with learning rates."""
    networks = [deepcopy(model) for _ in RATES]
    for network in networks:
        for value in network.parameters():
            value.copy_(0.5 * torch.randn_like(value))
    return list(zip(networks, RATES, strict=True))


def gradients(model: nn.Module, layer: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The gradient of each image's cross-entropy by the layer's parameters (n, p), one image at a time."""
    for value in layer.parameters():
        value.requires_grad_(True)
    rows = []
    for image, label in zip(x, y, strict=True):
        loss = nn.functional.cross_entropy(model(image[None]), label[None])
        rows.append(torch.cat([part.flatten() for part in torch.autograd.grad(loss, [*layer.parameters()])]))
    model.requires_grad_(False)
    return torch.stack(rows).double()


@pytest.mark.parametrize("name", ["linear", "convolutional"])
def test_trac_in_and_cosines_are_those_of_autograd(name):
    model, layer = (linear(3, 8, 4), 1) if name == "linear" else (convolutional(4), 2)
    x, y = torch.randn(23, 3, 8, 8), torch.randint(4, (23,))
    networks = stored(model)
    seen = Training(model, x[5:], y[5:], 4, checkpoints=networks)
    tau, own = torch.zeros(5, 18).double(), torch.zeros(18).double()
    for network, rate in networks:
        g = gradients(network, network[layer], x, y)
        tau += rate * g[:5] @ g[5:].T
        own += rate * g[5:].square().sum(1)
    found = TracIn()(seen, x[:5], y[:5])
    assert torch.allclose(found.tau, tau, rtol=1e-4, atol=1e-5) and torch.allclose(found.own, own, rtol=1e-4)
    g = nn.functional.normalize(gradients(model, model[layer], x, y))
    cosine = GradientCosine()(seen, x[:5], y[:5])
    assert torch.allclose(cosine.tau, g[:5] @ g[5:].T, atol=1e-5)


def test_trac_in_is_captum_s():
    seen, x, y = training()
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3, bias=False)).requires_grad_(False)  # it leaves out biases
    seen, networks = replace(seen, model=model), stored(model)
    rates = dict(networks)

    def load(model: nn.Module, network: nn.Module) -> float:
        model.load_state_dict(network.state_dict())
        return rates[network]

    model, data = deepcopy(model), TensorDataset(seen.x, seen.labels)
    reference = TracInCPFast(model, model[1], data, [*rates], load, nn.CrossEntropyLoss(reduction="sum"), batch_size=20)
    found = TracIn()(replace(seen, checkpoints=networks), x, y)
    assert torch.allclose(reference.influence((x, y)).double(), found.tau, rtol=1e-4, atol=1e-5)
    assert torch.allclose(reference.self_influence().double(), found.own, rtol=1e-4)


def test_missing_checkpoints_are_refused():
    seen, x, y = training()
    with pytest.raises(Inapplicable, match="at least one checkpoint"):
        TracIn()(seen, x, y)


def test_neighbours_votes_are_those_of_scikit_learn():
    seen, x, _ = training()
    h, test, labels = seen.features(seen.x).numpy(), seen.features(x).numpy(), seen.labels.numpy()

    def linearly(distance):
        return (distance[:, -1:] - distance) / (distance[:, -1:] - distance[:, :1])

    shares = KNeighborsClassifier(9, weights=linearly).fit(h, labels).predict_proba(test)
    for k in range(3):
        votes = KnnFeatures(9)(seen, x, torch.full((7,), k)).tau
        assert torch.allclose(votes.clamp(min=0).sum(1) / votes.abs().sum(1), torch.tensor(shares)[:, k])
    # A training image is no neighbour of its own.
    own = KnnFeatures(9)(seen, x, torch.zeros(7).long()).own
    for i in (0, 31):
        rest = torch.arange(60) != i
        left = replace(seen, x=seen.x[rest], labels=seen.labels[rest])
        assert torch.allclose(own[i], -KnnFeatures(9)(left, seen.x[i : i + 1], seen.labels[i : i + 1]).tau.sum())


def test_a_copy_of_the_test_image_is_its_first_neighbour_and_equal_distances_have_equal_votes():
    seen, x, y = training()
    copied = replace(seen, x=torch.cat([seen.x[:41], x[:1], seen.x[42:]]))
    assert KnnFeatures(5)(copied, x[:1], y[:1]).tau.abs().argmax() == 41
    same = replace(seen, x=seen.x[:1].expand(60, -1, -1, -1))
    assert KnnFeatures(5)(same, x, y).tau.abs().sum(1).tolist() == [5] * 7


def test_fewer_images_than_neighbours_are_refused():
    seen, x, y = training(images=5)
    with pytest.raises(Inapplicable, match="k=5; there are 5"):
        KnnFeatures(5)(seen, x, y)


def test_controls_are_what_they_say():
    seen, x, y = training()
    same, loss, ids = (entry(seen, x, y) for entry in (SameClass(), Loss(), RandomIds(3)))
    literal = nn.functional.cross_entropy(seen.model(seen.x), seen.labels, reduction="none").double()
    for t in range(7):
        for i in range(60):
            sign = 1 if seen.labels[i] == y[t] else -1
            assert same.tau[t, i] == sign and loss.tau[t, i].isclose(sign * literal[i], atol=1e-6)
    assert torch.allclose(loss.own, literal, atol=1e-6) and not same.own.any()
    assert (ids.tau == ids.tau[0]).all() and len(ids.tau[0].unique()) == 60
    assert not torch.equal(ids.tau, RandomIds(4)(seen, x, y).tau)


def entered(name: str) -> DictConfig:
    """Return an entry as its file has it, with what it reads of other files."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return OmegaConf.create({"benchmark": {"l2": 0.01}, "seed": 0, **compose(f"example/{name}")}).example


@pytest.mark.parametrize("name", options("example"))
def test_every_entry_gives_each_test_image_what_it_gets_alone(name):
    seen, x, y = training()
    networks = stored(seen.model)
    seen, state = replace(seen, checkpoints=networks), torch.get_rng_state()
    entry = instantiate(entered(name))
    found, alone = entry(seen, x, y), entry(replace(seen), x[2:3], y[2:3])
    assert found.tau.shape == (7, 60) and found.own.shape == (60,) and found.tau.isfinite().all()
    assert found.tau.dtype == found.own.dtype == torch.float64 and found.own.isfinite().all()
    assert torch.allclose(found.tau[2], alone.tau[0], rtol=1e-4, atol=1e-7) and torch.allclose(found.own, alone.own)
    assert torch.equal(torch.get_rng_state(), state)
    if name != "random_ids":
        for wrong in (y + 1, y[:1]):
            with pytest.raises(ValueError, match="as many labels from 0 to 2"):
                entry(seen, x, wrong)
