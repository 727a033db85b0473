"""Influence and representer points against heads that are fitted anew without an image, and against torch's Hessian."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from entries import Inapplicable
from methods.examples.head import convex_head
from methods.examples.influence import InfluenceLastLayer, RepresenterPoints
from methods.examples.training import fitted_head
from tests.examples.trained import training

L2 = 0.01
FIRST = InfluenceLastLayer(l2=L2, solver="exact", leverage=False, components=None, gigabytes=1)
NEWTON = replace(FIRST, leverage=True)


def margins(logits: Tensor, targets: Tensor) -> Tensor:
    """z_y less the logarithm of the summed exponentials of the others, image by image."""
    rows = zip(logits, targets.tolist(), strict=True)
    return torch.stack([z[y] - torch.cat([z[:y], z[y + 1 :]]).logsumexp(0) for z, y in rows])


def refitted(seen, x: Tensor, y: Tensor, l2: float) -> tuple[Tensor, Tensor]:
    """What test images' margins (t, n) lose without each training image, and what its own loss gains."""
    h, test, n = seen.features(seen.x), seen.features(x), len(seen.x)
    full, tau, own = fitted_head(h, seen.labels, 3, l2), [], []
    for i in range(n):
        weights = torch.ones(n).double()
        weights[i] = 0
        weight, bias = fitted_head(h, seen.labels, 3, l2, weights, full)
        tau.append(margins(test @ full[0].T + full[1], y) - margins(test @ weight.T + bias, y))
        losses = [-(h[i] @ w.T + b).log_softmax(0)[seen.labels[i]] for w, b in ((weight, bias), full)]
        own.append(losses[0] - losses[1])
    return torch.stack(tau, 1), torch.stack(own)


def correlations(a: Tensor, b: Tensor) -> np.ndarray:
    return np.array([np.corrcoef(p, q)[0, 1] for p, q in zip(a, b, strict=True)])


@pytest.mark.slow
def test_a_newton_step_with_leverage_gives_the_refits_and_first_order_falls_below():
    seen, x, y = training(images=50)
    drawn = torch.randint(3, (50,))
    # Labels say nothing and three images are far off, so that these have much leverage.
    seen = replace(seen, x=torch.cat([6 * seen.x[:3], seen.x[3:]]), labels=drawn)
    tau, own = refitted(seen, x, y, 0.1)
    newton, first = (replace(entry, l2=0.1)(seen, x, y) for entry in (NEWTON, FIRST))
    exact, plain = correlations(newton.tau, tau), correlations(first.tau, tau)
    assert (exact > 0.99).all() and (plain < exact).all() and plain.min() < 0.99
    assert np.corrcoef(newton.own, own)[0, 1] > 0.995 > np.corrcoef(first.own, own)[0, 1]
    # They have the sign and the size of the refits, too.
    slope, first_slope = ((t * tau).sum() / (tau * tau).sum() for t in (newton.tau, first.tau))
    assert abs(slope - 1) < 0.1 < abs(first_slope - 1)


def test_first_order_influence_is_the_limit_of_a_little_less_weight():
    seen, x, y = training(images=30)
    h, test, step = seen.features(seen.x), seen.features(x), 1e-4
    influence = FIRST(seen, x, y)
    for i in (0, 11, 29):
        sides, losses = [], []
        for sign in (1, -1):
            weights = torch.ones(30).double()
            weights[i] += sign * step
            weight, bias = fitted_head(h, seen.labels, 3, L2, weights)
            sides.append(margins(test @ weight.T + bias, y))
            losses.append(-(h[i] @ weight.T + bias).log_softmax(0)[seen.labels[i]])
        assert torch.allclose(influence.tau[:, i], (sides[0] - sides[1]) / (2 * step), rtol=1e-4, atol=1e-6)
        assert torch.allclose(influence.own[i], (losses[1] - losses[0]) / (2 * step), rtol=1e-4)


def test_conjugate_gradients_give_the_same_but_no_own_influence():
    seen, x, y = training()
    exact, cg = FIRST(seen, x, y), replace(FIRST, solver="cg")(seen, x, y)
    assert torch.allclose(cg.tau, exact.tau, atol=1e-7) and cg.own.isnan().all()


def test_all_principal_components_are_all_features_and_few_are_a_head_of_few():
    seen, x, y = training()
    whole, few = replace(FIRST, components=12), replace(FIRST, components=3)
    assert torch.allclose(whole(seen, x, y).tau, FIRST(seen, x, y).tau, atol=1e-8)
    assert convex_head(seen, L2, 3).theta.shape == (3, 4) and few(seen, x, y).tau.shape == (7, 60)
    with pytest.raises(Inapplicable, match="components=13"):
        replace(FIRST, components=13)(seen, x, y)


def test_a_hessian_that_does_not_fit_is_refused_with_its_size_and_what_helps():
    seen, x, y = training()
    small = replace(FIRST, gigabytes=1e-5)
    with pytest.raises(Inapplicable, match=r"3.65e-05 GB.*solver=cg.*components"):
        small(seen, x, y)
    assert replace(small, components=4)(seen, x, y).tau.shape == (7, 60)


def test_representer_points_sum_to_the_logit():
    seen, x, y = training()
    points = RepresenterPoints(L2)(seen, x, y)
    weight, bias = fitted_head(seen.features(seen.x), seen.labels, 3, L2)
    logits = seen.features(x) @ weight.T + bias
    assert torch.allclose(points.tau.sum(1), logits[torch.arange(7), y], atol=1e-7)
    # Each image's own part is the one that it would have as a test image of its label.
    assert torch.allclose(points.own, RepresenterPoints(L2)(seen, seen.x, seen.labels).tau.diagonal())
