"""Maps made elsewhere: read by the names of images, swept, scored and ranked as if a method had made them."""

import numpy as np
import pytest
import torch

from entries import Inapplicable
from methods.stored import Stored
from results import scores
from tests.conftest import evaluated, run

SMALL = ["model=planted", "dataset=planted", "dataset.images=3", "batch_size=2", "tracking_uri=null"]
X, NAMES = torch.zeros(2, 3, 4, 5), ("cat/1.jpg", "dog")
MAPS = np.arange(40, dtype=float).reshape(2, 4, 5)


def test_maps_are_found_by_name_in_every_form(tmp_path):
    for folder in ("plain", "suffixed", "packed"):
        (tmp_path / folder / "cat").mkdir(parents=True)
    np.save(tmp_path / "plain" / "cat" / "1.npy", MAPS[0])
    np.save(tmp_path / "plain" / "dog.npy", MAPS[1].astype(int))
    np.savez(tmp_path / "suffixed" / "cat" / "1.jpg.npz", MAPS[0])
    np.savez_compressed(tmp_path / "suffixed" / "dog.npz", map=MAPS[1])
    np.savez(tmp_path / "all.npz", **{"cat/1.jpg": MAPS[0], "dog": MAPS[1], "other": MAPS[1, 0]})
    for place in ("plain", "suffixed", "all.npz"):
        maps = Stored(str(tmp_path / place))(None, X, torch.zeros(2), image=NAMES)
        assert maps.dtype == torch.float32 and maps.tolist() == MAPS.tolist(), place


WRONG = {
    r"has none of dog": lambda folder: None,
    r"\(4, 5\).* dog .*\(2, 2\)": lambda folder: np.save(folder / "dog.npy", np.ones((2, 2))),
    r"finite.* dog": lambda folder: np.save(folder / "dog.npy", np.full((4, 5), np.inf)),
    r"real numbers.* dog .*complex": lambda folder: np.save(folder / "dog.npy", np.ones((4, 5), complex)),
    r"dog.npy cannot be read": lambda folder: (folder / "dog.npy").write_text("no array"),
    r"dog.npz cannot be read": lambda folder: (folder / "dog.npz").write_bytes(b"PK\x03\x04"),
}


@pytest.mark.parametrize("said", WRONG)
def test_a_map_that_is_not_there_or_no_map_is_named(tmp_path, said):
    WRONG[said](tmp_path)
    with pytest.raises(ValueError, match=said):
        Stored(str(tmp_path))(None, X[1:], torch.zeros(1), image=NAMES[1:])


def test_it_needs_a_place_that_is_there_and_names():
    with pytest.raises(ValueError, match="maps='nowhere'"):
        Stored("nowhere")
    with pytest.raises(Inapplicable, match=r"method\.maps"):
        Stored(None)(None, X, torch.zeros(2), image=NAMES)


@pytest.mark.slow
def test_stored_maps_are_scored_and_ranked_like_a_method_s(tmp_path):
    names = [f"planted_{i:05d}" for i in range(3)]
    anew = ["max_sensitivity", "input_invariance", "mprt"]
    metrics = f"metric=[deletion,gini,completeness,energy_in_mask,{','.join(anew)}]"
    swept = evaluated(*SMALL, metrics, "method=uniform", "benchmark.gallery.images=3")
    for folder, scale in (("a", 1), ("b", -1)):
        (tmp_path / folder).mkdir()
        for name, values in zip(swept.gallery["image"], swept.gallery["maps"], strict=True):
            np.save(tmp_path / folder / f"{name}.npy", scale * values)
    for method in (["method=stored", "method.maps=a,b"], ["method=uniform"]):
        code, said = run(tmp_path, "-m", *SMALL, metrics, *method)
        assert code == 0, said
    assert "tored (maps=a)" in said and "tored (maps=b)" in said
    rows = scores.labelled(scores.read(tmp_path / "outputs" / "dev")).astype({"entry": str, "metric": str})
    own, same = rows[rows.entry == "stored (maps=a)"], rows[rows.entry == "uniform"]
    lost, own, wanted = own[own.metric.isin(anew)], own[~own.metric.isin(anew)], same[~same.metric.isin(anew)]
    assert set(own.image) == set(names) and set(lost.status) == {"undefined"} and len(lost) == 9
    assert lost.reason.str.contains("made elsewhere").all() and lost.score.isna().all()
    np.testing.assert_array_equal(own.score, wanted.score)
    assert wanted.score.notna().sum() == 9  # no law of completeness is stated


@pytest.mark.slow
def test_a_metric_that_does_not_say_that_it_explains_anew_has_no_score(tmp_path):
    np.savez(tmp_path / "all.npz", **{f"planted_{i:05d}": np.ones((32, 32)) for i in range(3)})
    nodes = {"metric__mine": {"_target_": f"{__name__}.Again"}}
    table = evaluated(*SMALL, "metric=[gini]", "method=stored", f"method.maps={tmp_path}/all.npz", **nodes).scores
    mine = table[table.metric == "mine"]
    assert set(mine.status) == {"undefined"} and mine.reason.str.contains("made elsewhere").all()


class Again:
    """A metric that declares as little as it may."""

    category = "robustness"
    higher_is_better = True

    def __call__(self, explained):
        return (explained.explain(explained.x + 1) - explained.maps).mean((1, 2))
