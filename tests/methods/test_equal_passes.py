"""Methods that magnify rounding give the same maps, bit for bit, whatever images are beside one."""

from dataclasses import replace

import pytest
import timm
import torch

from benchmarks.cost import counted
from tests.methods.entries import entry

SLOW = pytest.mark.slow
NAMES = ["adversarial_difference"]
NAMES += [pytest.param(name, marks=SLOW) for name in ("guided_integrated_gradients", "mask_optimisation")]


@pytest.mark.parametrize(
    ("architecture", "small"), [("vgg11", {"mlp_ratio": 1 / 32}), pytest.param("resnet18", {}, marks=SLOW)]
)
@pytest.mark.parametrize("name", NAMES)
def test_the_batch_does_not_show(name, architecture, small):
    torch.manual_seed(0)
    model = timm.create_model(architecture, num_classes=4, **small).eval().requires_grad_(False)
    x, target = torch.randn(5, 3, 32, 32), torch.arange(5) % 4
    method = replace(entry(name), batch=16)
    with counted(model) as cost:
        whole = method(model, x, target)
    assert cost.forwards == 8 * method.passes[0]  # copies that fill the last part are counted, too
    parts = [method(model, x[part], target[part]) for part in (slice(0, 1), slice(1, 3), slice(3, 5))]
    assert torch.equal(torch.cat(parts), whole)
    assert torch.equal(replace(method, batch=4)(model, x, target), whole)
