"""What the resolvers of conf/ give: one number scales what methods spend, one baseline serves all metrics."""

import re

import pytest
from hydra.utils import instantiate

from benchmarks.command import sentence
from benchmarks.resolvers import scaled
from tests.conftest import CONF, composed

SCALED = ["rise", "lime", "kernel_shap", "integrated_gradients", "expected_gradients", "smooth_grad"]


@pytest.mark.slow
@pytest.mark.parametrize("name", SCALED)
def test_variants_spend_ten_times_and_a_tenth(name):
    plenty = ["budget.steps=40", "budget.samples=40", "batch_size=8", "metric=[]"]
    few, some, many = (
        instantiate(composed(f"method={name}", f"budget.scale={scale}", *plenty).method).passes
        for scale in (0.1, 1, 10)
    )
    assert few[0] < some[0] < many[0]
    for k in range(2):
        assert many[k] - some[k] == pytest.approx(10 * (some[k] - few[k]), abs=1)


def test_every_budget_scales():
    """No method reads a budget past the scale."""
    for path in (CONF / "method").glob("*.yaml"):
        reads = re.findall(r"^\w+: .*\$\{budget\..*", path.read_text(), re.M)
        assert all(re.search(r": \$\{scaled:\$\{budget\.\w+\},\$\{budget\.scale\}\}", line) for line in reads), path


@pytest.mark.slow
def test_a_wrong_scale_is_said_plainly():
    with pytest.raises(Exception, match="resolving") as error:
        instantiate(composed("method=rise", "budget.scale=0").method)
    assert sentence(error.value) == "budget.scale needs a number > 0; 0 was given"


@pytest.mark.parametrize(("budget", "scale", "expected"), [(1000, 0.1, 100), (32, 10, 320), (3, 0.1, 1), (5, 0.5, 2)])
def test_scaled(budget, scale, expected):
    assert scaled(budget, scale) == expected


@pytest.mark.parametrize(("budget", "scale"), [(0, 1), (2.5, 1), ("abc", 1), (10, 0), (10, "x"), (10, float("inf"))])
def test_a_wrong_budget_is_one_sentence(budget, scale):
    with pytest.raises(ValueError, match=r"^budget.* needs (whole numbers >= 1|a number > 0); .* was given$"):
        scaled(budget, scale)


@pytest.mark.slow
def test_one_baseline_for_all_metrics_that_remove_pixels_or_each_its_own():
    own, black = (
        composed("metric=[deletion,insertion,single_deletion,gini]", *more).metric for more in ([], ["baseline=black"])
    )
    assert (own.deletion.baseline, own.insertion.baseline) == ("mean", "blur")
    assert {node.baseline for name, node in black.items() if name != "gini"} == {
        "black"
    } and "baseline" not in black.gini
