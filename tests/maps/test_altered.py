"""Maps changed on purpose: what changes, and what does not."""

import pytest
import torch

from benchmarks.changed import MINOR, Changed
from benchmarks.conformance.cases import InputXGradient, frozen, images
from benchmarks.conformance.models import Network
from tests.conftest import composed, options
from tests.run.test_attribution import evaluated

X, TARGET = images(3, 16), torch.tensor([0, 3, 1])


def test_minor_noise_is_one_hundredth_of_the_map_s_spread():
    model, method = frozen(Network()), InputXGradient()
    maps = method(model, X, TARGET)
    change = Changed(method, "minor", 4, 0)(model, X, TARGET) - maps
    spread = change.std((1, 2)) / maps.std((1, 2))
    assert ((spread > 0.8 * MINOR) & (spread < 1.2 * MINOR)).all()
    torch.testing.assert_close(change[0] / maps[0].std(), change[2] / maps[2].std(), rtol=1e-3, atol=1e-5)
    alone = Changed(method, "minor", 4, 0)(model, X[1:2], TARGET[1:2])
    torch.testing.assert_close(alone[0], (maps + change)[1], rtol=1e-5, atol=1e-5)
    assert not Changed(method, "minor", 4, 1)(model, X, TARGET).equal(maps + change)


def test_another_class_is_explained_and_facts_stay():
    model, method = frozen(Network()), InputXGradient()
    changed = Changed(method, "other_class", 4, 0)
    assert changed(model, X, TARGET).equal(method(model, X, torch.tensor([1, 0, 2])))
    assert changed.complete == "logit" and changed.baseline == 0 and not hasattr(changed, "reference")


def test_a_cell_under_a_change_scores_other_maps_for_the_same_question():
    plain, other = (evaluated("method=gradient", f"benchmark.change={change}", "metric=[energy_in_mask]").scores
                    for change in ("none", "other_class"))  # fmt: skip
    assert plain.target.equals(other.target) and (plain.score > 0.9).all() and not (other.score > 0.5).any()
    with pytest.raises(Exception, match="needs one of none, minor, other_class; 'all' was given"):
        evaluated("method=gradient", "benchmark.change=all")


def test_every_condition_changes_one_thing():
    plain = composed("experiment=meta", "condition=plain")
    for name in options("condition"):
        cfg = composed("experiment=meta", f"condition={name}")
        changed = {key for key in plain if plain[key] != cfg[key]}
        wanted = {"plain": set(), "other_seed": {"seed"}, "other_model": {"model"}, "minor": {"benchmark"},
                  "other_class": {"benchmark"}, "black": {"baseline"}, "blur": {"baseline"},
                  "oracle": {"dataset", "model"}}[name]  # fmt: skip
        assert changed - {"metric", "method"} == wanted, name
        assert cfg.dataset.images == 12 and cfg.name == "meta"
