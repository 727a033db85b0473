"""What metrics of one family share on a batch, and what all methods of a sweep share."""

from dataclasses import dataclass, field, replace

import pytest
import torch

from benchmarks.conformance.cases import case
from benchmarks.cost import counted
from benchmarks.store import Store
from tests.metrics.entries import METRICS


@dataclass(frozen=True)
class Free:
    """A map without a pass."""

    made: list = field(default_factory=list)

    def __call__(self, model, x, target):
        self.made.append(None)
        return x[:, 0]


@pytest.mark.parametrize(
    ("maps", "family"),
    [
        (4, {"max_sensitivity": 0, "noise_stability_ssim": 0, "relative_input_stability": 24, "local_lipschitz": 0}),
        (4, {"relative_representation_stability": 54, "relative_output_stability": 0}),
        (11, {"max_sensitivity": 0, "mprt": 17, "smooth_mprt": 0}),
        (1, {"attack_stability_spearman": 60, "attack_stability_top_10": 0}),
        (1, {"attacked_spearman_kept": 66, "attacked_ssim_changed": 0, "attacked_ssim_kept": 0}),
        (0, {"infidelity": 192, "infidelity_scaled": 0}),
        (0, {"single_deletion": 384, "non_sensitivity": 0}),
        (0, {"fisher_eigenvalue": 30, "fisher_trace": 0, "logit_radius": 0}),
    ],
)
def test_second_method_costs_only_its_maps(maps, family):
    """Metrics of one family, in this order, make so many maps together and cost so many passes each, of six images."""
    e = case(Free())
    e = replace(e, store=Store(None, e.model, "", torch.device("cpu")), shared={})
    e.clean_logits()
    for method, price in ((Free(), 1), (Free(), 0)):
        e = replace(e, method=method, shared={})
        for name, passes in family.items():
            with counted(e.model) as cost:
                METRICS[name](e)
            assert cost.forwards + cost.backwards == price * passes, name
        assert len(method.made) == maps
