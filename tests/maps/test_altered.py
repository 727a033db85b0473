"""Maps changed on purpose: what changes, and what does not."""

import pytest
import torch

from benchmarks.conformance.cases import InputXGradient, frozen, images
from benchmarks.conformance.models import Network
from benchmarks.maps.benchmark import MINOR, Altered
from tests.conftest import composed, evaluated, options

X, TARGET = images(3, 16), torch.tensor([0, 3, 1])


def test_minor_noise_is_one_hundredth_of_the_map_s_spread():
    model, method = frozen(Network()), InputXGradient()
    maps = method(model, X, TARGET)
    change = Altered(method, "minor", 4, 0)(model, X, TARGET) - maps
    spread = change.std((1, 2)) / maps.std((1, 2))
    assert ((spread > 0.8 * MINOR) & (spread < 1.2 * MINOR)).all()
    torch.testing.assert_close(change[0] / maps[0].std(), change[2] / maps[2].std(), rtol=1e-3, atol=1e-5)
    alone = Altered(method, "minor", 4, 0)(model, X[1:2], TARGET[1:2])
    torch.testing.assert_close(alone[0], (maps + change)[1], rtol=1e-5, atol=1e-5)
    assert not Altered(method, "minor", 4, 1)(model, X, TARGET).equal(maps + change)


def test_another_class_is_explained_and_facts_stay():
    model, method = frozen(Network()), InputXGradient()
    changed = Altered(method, "other_class", 4, 0)
    assert changed(model, X, TARGET).equal(method(model, X, torch.tensor([1, 0, 2])))
    assert changed.complete == "logit" and changed.baseline == 0 and not hasattr(changed, "reference")


@pytest.mark.slow
def test_a_cell_under_a_change_scores_other_maps_for_the_same_question():
    small = ["model=planted", "dataset=planted", "dataset.images=6", "batch_size=4", "metric=[energy_in_mask]"]
    plain, other = (
        evaluated(*small, "method=gradient", f"benchmark.change={change}").scores for change in ("none", "other_class")
    )
    assert plain.target.equals(other.target) and (plain.score > 0.9).all() and not (other.score > 0.5).any()
    with pytest.raises(Exception, match="change='all'"):
        evaluated(*small, "benchmark.change=all")


@pytest.mark.slow
def test_every_condition_changes_one_thing():
    plain = composed("experiment=meta", "condition=plain")
    for name in options("condition"):
        cfg = composed("experiment=meta", f"condition={name}")
        changed = {key for key in plain if plain[key] != cfg[key]}
        wanted = {"other_seed": {"seed"}, "other_model": {"model"}, "oracle": {"dataset", "model"}, "plain": set()}
        baseline = {"black": {"baseline"}, "blur": {"baseline"}}
        wanted = wanted | baseline | {"minor": {"benchmark"}, "other_class": {"benchmark"}}
        assert changed - {"metric", "method"} == wanted[name], name
        assert cfg.dataset.images == 12 and cfg.name == "meta"
