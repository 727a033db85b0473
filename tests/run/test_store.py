"""What methods share: computed once, found again on disk, and never mistaken for another's."""

import pandas as pd
import pytest
import torch
from torch import nn

from benchmarks.store import Store
from tests.conftest import evaluated

CPU = torch.device("cpu")
X = torch.arange(12.0).view(2, 1, 2, 3)


class Model(nn.Module):
    def forward(self, x):
        return x.flatten(1)


@pytest.fixture(params=["disk", "memory"])
def store(request, tmp_path):
    return Store(tmp_path / "shared" if request.param == "disk" else None, Model(), "abc", CPU)


def test_a_result_is_computed_once_and_its_passes_are_counted_as_reused(store):
    calls = []

    def compute():
        calls.append(None)
        return {"logits": [store.model(X), store.model(X + 1)], "pair": (X[0], X[1])}

    first = store((X,), ("key", 1), compute)
    assert store.reused == 0
    again = store((X.clone(),), ("key", 1), compute)
    assert len(calls) == 1 and store.reused == 4
    assert again["logits"][1].equal(first["logits"][1]) and again["pair"][1].equal(X[1])


def test_whatever_it_depends_on_makes_another_result(store):
    def answer(value, inputs=(X,), key="key"):
        return store(inputs, key, lambda: torch.tensor(value)).item()

    assert answer(1) == answer(2) == 1
    assert answer(3, key="other") == 3
    assert answer(4, (X + 1e-6,)) == 4 and answer(5, (X.view(2, 1, 3, 2),)) == 5 and answer(6, (X, X)) == 6
    assert Store(store.folder, Model(), "other weights", CPU)((X,), "key", lambda: torch.tensor(7)).item() == 7


def test_another_process_finds_it_and_a_killed_one_leaves_nothing(tmp_path):
    def broken():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Store(tmp_path, Model(), "abc", CPU)((X,), "key", broken)
    assert not [*tmp_path.glob("*.pt")]
    Store(tmp_path, Model(), "abc", CPU)((X,), "key", lambda: X)
    other = Store(tmp_path, Model(), "abc", CPU)
    assert other((X,), "key", broken).equal(X) and other.reused == 0


@pytest.mark.slow
def test_a_second_method_makes_its_maps_and_its_curves_only(tmp_path):
    """The price of one more method, in passes: nothing that does not depend on its maps."""
    small = ["model=planted", "dataset=planted", "dataset.images=6", "batch_size=4"]
    small += ["metric=[deletion,aopc,faithfulness_correlation,gini]"]
    names = ("gradient", "input_x_gradient")
    first, second = (evaluated(*small, f"method={name}", sweep=tmp_path).scores for name in names)
    spent = first.groupby("metric").forwards.sum()
    assert spent.faithfulness_correlation == pytest.approx(32 * 6)
    spent = second.groupby("metric").forwards.sum().to_dict()
    assert spent == pytest.approx({"aopc": 0, "deletion": 15 * 6, "faithfulness_correlation": 0, "gini": 0})
    reused = second.groupby("metric").reused.sum()
    assert reused.faithfulness_correlation == pytest.approx(32 * 6) and reused.gini == 0
    alone = evaluated(*small, "method=input_x_gradient").scores
    pd.testing.assert_series_equal(second.score, alone.score, rtol=0, atol=0)


def test_a_folder_that_cannot_be_written_costs_passes_and_no_score(tmp_path, caplog):
    (tmp_path / "shared").write_text("a file where the folder should be")
    store = Store(tmp_path / "shared", Model(), "abc", CPU)
    assert store((X,), "key", lambda: X).equal(X) and store((X,), "key", lambda: X + 1).equal(X + 1)
    assert "nothing is shared" in caplog.text


def test_an_edit_of_the_code_makes_another_result(store, monkeypatch):
    assert store((X,), "key", lambda: torch.tensor(1)).item() == 1
    monkeypatch.setattr("benchmarks.store.sources", lambda: "edited")
    assert store((X,), "key", lambda: torch.tensor(2)).item() == 2


def test_another_architecture_with_the_same_weights_is_another_network(store):
    other = Store(store.folder, nn.Sequential(Model()), "abc", CPU, memory=store.memory)
    assert store((X,), "key", lambda: torch.tensor(1)).item() == 1
    assert other((X,), "key", lambda: torch.tensor(2)).item() == 2
