"""A network in bfloat16: scores near those of float32, another key, and a sentence where it cannot be."""

from copy import deepcopy

import pytest
import timm
import torch
from omegaconf import OmegaConf
from torch import nn

from benchmarks.batches import remembered
from benchmarks.cell import Cell
from benchmarks.device import chosen_device
from benchmarks.precision import at_precision, bearing
from entries import Inapplicable
from models.canonical import canonical
from tests.conftest import evaluated, job

CPU = torch.device("cpu")
FEW = ["model=planted", "dataset=planted", "dataset.images=4", "batch_size=4", "metric=[gini,deletion,insertion]"]
TOLERANCE = 0.01  # of a score, as docs/speed.md says


@pytest.fixture
def model():
    torch.manual_seed(0)
    return timm.create_model("resnet18", num_classes=5).eval().requires_grad_(False)


def test_logits_and_gradients_are_near_and_copies_are_rounded_too(model):
    plain, x = deepcopy(model), torch.randn(2, 3, 32, 32).requires_grad_()
    rounded = at_precision(model, "bfloat16", CPU)
    inside = []
    with rounded.layer1.register_forward_hook(lambda _m, _i, output: inside.append(output.dtype)):
        logits = rounded(x)
    wanted = plain(x)
    assert inside == [torch.bfloat16] and logits.dtype == torch.float32
    assert 0 < (logits - wanted).abs().max() <= 0.03 * wanted.abs().max()
    assert torch.equal(deepcopy(rounded)(x), logits) and torch.equal(rounded.forward(x), logits)
    near, far = (torch.autograd.grad(one[:, 0].sum(), x)[0] for one in (logits, wanted))
    assert near.dtype == torch.float32 and torch.cosine_similarity(near.flatten(), far.flatten(), dim=0) > 0.95


@pytest.mark.parametrize("method", ["gradient", "grad_cam", "eigen_cam", "score_cam", "ablation_cam"])
def test_scores_are_near_those_of_float32(method):
    plain, rounded = (
        evaluated(*FEW, f"method={method}", f"precision={one}").scores.set_index(["metric", "image"])
        for one in ("float32", "bfloat16")
    )
    assert (plain.status == "ok").all() and (rounded.status == "ok").all()
    assert (rounded.score - plain.score).abs().max() <= TOLERANCE


def test_a_cell_of_float32_keeps_its_key_and_others_say_their_precision(tmp_path):
    cfg, choices = job(*FEW)
    plain = Cell.of(cfg, choices, tmp_path)
    assert "precision" not in plain.columns()["model_settings"]
    cfg = OmegaConf.create({key: node for key, node in cfg.items_ex(resolve=False) if key != "precision"})  # as before
    assert Cell.of(cfg, choices, tmp_path).key == plain.key
    rounded = Cell.of(*job(*FEW, "precision=bfloat16"), tmp_path)
    assert rounded.key != plain.key and '"precision":"bfloat16"' in rounded.columns()["model_settings"]


def test_a_canonical_form_is_refused(model):
    with pytest.raises(ValueError, match="needs precision=float32"):
        canonical(at_precision(model, "bfloat16", CPU), torch.zeros(1, 3, 32, 32))


def test_a_method_that_cannot_says_so():
    scores = evaluated(*FEW, "method=lrp_epsilon", "precision=bfloat16").scores
    assert (scores.status == "inapplicable").all() and scores.reason.str.contains("needs precision=float32").all()


@pytest.mark.parametrize(("precision", "said"), [("tf32", "needs device=cuda"), ("half", "needs to be one of float32")])
def test_a_precision_that_there_is_not_is_refused(precision, said):
    with pytest.raises(ValueError, match=f"precision.*{said}"):
        evaluated(*FEW, f"precision={precision}", "device=cpu")


def test_an_unsuited_entry_is_inapplicable_and_other_errors_stay():
    with pytest.raises(Inapplicable, match="cam needs precision=float32"), bearing("bfloat16", "cam"):
        torch.zeros(1, dtype=torch.bfloat16).numpy()
    for precision, error in (("float32", TypeError("Got unsupported ScalarType BFloat16")), ("bfloat16", TypeError())):
        with pytest.raises(TypeError), bearing(precision, "cam"):
            raise error


def test_a_sequential_network_stays_one():
    rounded = at_precision(nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), "bfloat16", CPU)
    assert isinstance(rounded, nn.Sequential) and type(rounded).__name__ == "Sequential" and len(rounded) == 2


def test_cells_of_another_precision_share_nothing(tmp_path):
    evaluated(*FEW, "method=gradient", sweep=tmp_path)
    one, other = (
        evaluated(*FEW, "method=gradient", "precision=bfloat16", sweep=place).scores.score
        for place in (tmp_path, tmp_path / "other")
    )
    assert one.equals(other)


def test_a_batch_is_remembered_for_each_precision(model, tmp_path):
    for network in (model, at_precision(deepcopy(model), "bfloat16", CPU)):
        remembered(tmp_path, network, 32, CPU, 1)
    assert len([*tmp_path.glob("*.json")]) == 2


def test_tf32_is_a_setting_of_torch():
    try:
        for precision, wanted in (("tf32", True), ("float32", False)):
            chosen_device("cpu", None, precision)
            assert torch.backends.cudnn.allow_tf32 == torch.backends.cuda.matmul.allow_tf32 == wanted
    finally:
        chosen_device("cpu", None, "float32")
