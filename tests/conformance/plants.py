"""Mistakes, written so that they can be planted in a copy of a metric."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import fields, replace
from zlib import crc32

import torch
from torch import Tensor, nn

from benchmarks.conformance.cases import InputXGradient, part
from benchmarks.conformance.subject import Metric
from benchmarks.explained import Explained, draws
from benchmarks.metrics.baselines import baseline
from benchmarks.metrics.faithfulness import curves
from benchmarks.metrics.faithfulness.infidelity import squares
from benchmarks.metrics.faithfulness.subsets import falls_without
from benchmarks.metrics.ranking import pixel_order
from benchmarks.metrics.similarity import pearson, spearman


def altered(metric: Metric, **members: object) -> Metric:
    """Return a copy with other methods or facts."""
    kind = type(type(metric).__name__, (type(metric),), {"__doc__": type(metric).__doc__, **members})
    return kind(**{f.name: getattr(metric, f.name) for f in fields(metric)})


def call(change: Callable[[object, Explained, Callable[[Explained], Tensor]], Tensor]) -> Callable[[Metric], Metric]:
    """Plant another `__call__`, which is given the right one."""

    def plant(metric: Metric) -> Metric:
        right = type(metric).__call__
        return altered(metric, __call__=lambda self, e: change(self, e, lambda e: right(self, e)))

    return plant


def fact(**facts: object) -> Callable[[Metric], Metric]:
    return lambda metric: altered(metric, **facts)


def curve(states: Callable[[object, Explained], list[Tensor]]) -> Callable[[Metric], Metric]:
    """Plant other images (n, c, h, w) of the states of a deletion."""

    def change(self: object, e: Explained) -> tuple[Tensor, Tensor]:
        logits = torch.stack([e.logits(image) for image in states(self, e)], 1)
        return curves.fractions(self.steps, e), curves.probability(e, logits)

    return lambda metric: altered(metric, curve=change)


def with_gradient(self, e, right):
    class Gradient(InputXGradient):
        def __call__(self, model: nn.Module, x: Tensor, target: Tensor) -> Tensor:
            return super().__call__(model, x, target) / x.sum(1)

    return right(replace(e, method=Gradient(), shared={}, store=None))


def insert_the_baseline(self, e, right):
    return right(replace(e, x=baseline(e, self.baseline, self.seed).expand_as(e.x), shared={}, store=None))


def index_values_by_pixels(self, e, right):
    e.x.flatten(1)[:, torch.ones(e.maps[0].numel(), dtype=torch.bool)]
    return right(e)


def first_image_for_all(self, e, right):
    return right(e)[:1].expand(len(e.x)).clone()


def channels_apart(self, e):
    copies = e.maps[:, None].expand(-1, 3, -1, -1).flatten(1, 2)
    place, values = pixel_order(e, copies, self.seed).view_as(e.x), e.x[0].numel()
    fill = baseline(e, self.baseline, self.seed)
    return [torch.where(place < round(k * values / self.steps), fill, e.x) for k in range(self.steps + 1)]


def area_of_unit_steps(self, e, right):
    return torch.trapezoid(self.curve(e)[1][:, 1:], dim=1)


def original_in_the_mean(self, e, right):
    return self.curve(e)[1].mean(1)


def randomised(by_running: bool, by_name: bool, forked: bool) -> Callable[[Metric], Metric]:
    """Draw the layers anew by `reset_parameters`, under the global generator."""

    def correlations(self, e: Explained) -> tuple[Tensor, Tensor]:
        model, ran, values = deepcopy(e.model), [], [torch.ones(len(e.x))]
        for name, module in model.named_modules():
            module.register_forward_pre_hook(lambda *_, name=name: ran.append(name))
        model(e.x[:1])
        names = ran[::-1] if by_running else [name for name, _ in model.named_modules()][::-1]
        names = [name for name in names if hasattr(model.get_submodule(name), "reset_parameters")]
        with torch.random.fork_rng(enabled=forked):
            for stage in range(self.stages):
                for name in names[stage * len(names) // self.stages : (stage + 1) * len(names) // self.stages]:
                    torch.manual_seed(crc32(name.encode()) if by_name else self.seed + 1)
                    model.get_submodule(name).reset_parameters()
                values.append(spearman(e.maps, e.explain(model=model)).abs())
        return torch.linspace(0, 1, self.stages + 1), torch.stack(values, 1).float()

    return lambda metric: altered(metric, correlations=correlations)


def without(metric, e, sets):
    """Return the map's sums over sets of pixels and the falls without them, both (n, k)."""
    sums = e.maps.flatten(1).double() @ sets.flatten(1).double().T
    return sums, falls_without(e, sets, metric.baseline, metric.seed)


def accumulating(self, e, right):
    sums, falls = without(self, e, squares(e, self).cumsum(0).bool())
    return (sums - falls).square().mean(1).float()


def whole_patches_only(self, e, right):
    e.x.unfold(2, 4, 4).reshape(len(e.x), 3, -1, 4, *(side // 4 for side in e.x.shape[3:])).view(e.x.shape)
    return right(e)


def least_value_is_black(self, e):
    return removed(self, e, e.x.amin((1, 2, 3), keepdim=True).expand_as(e.x))


def one_scalar_is_noise(self, e):
    value = torch.rand(1, 1, 1, 1, generator=draws(self.seed, "baseline"))
    return removed(self, e, e.normalised(value.expand_as(e.x)))


def removed(self, e, fill):
    place = curves.order(e, self.seed)[:, None]
    return [torch.where(place < count, fill, e.x) for count in curves.even(e, self.steps)]


def normalised_over_the_batch(self, e, right):
    value = e.maps.flatten(1).abs().double()
    share = (value > self.threshold * value.amax()).double().mean(1)
    return torch.where(value.amax(1) > 0, share, torch.nan).float()


def epsilon(self, e, right):
    return right(replace(e, maps=e.maps.abs() + 1e-7, shared={}))


def divides_in_place(self, e, right):
    score = right(e)
    e.maps.div_(e.maps.abs().sum((1, 2), keepdim=True))
    return score


def across_images(self, e, right):
    sets = self.pixel_sets(e)
    scores = []
    for these in sets:
        sums, falls = without(self, e, these)
        scores.append(pearson(sums.T, falls.T).mean())
    return torch.stack(scores).mean().expand(len(e.x)).float()


def by_threshold(self, e):
    value, fill = e.maps.flatten(1), baseline(e, self.baseline, self.seed)
    images = [e.x]
    for count in curves.even(e, self.steps)[1:]:
        least = value.topk(count, dim=1).values[:, -1]
        images.append(torch.where((e.maps >= least[:, None, None])[:, None], fill, e.x))
    return images


def by_value(self, e):
    low, high = e.maps.amin((1, 2), keepdim=True), e.maps.amax((1, 2), keepdim=True)
    fill, levels = baseline(e, self.baseline, self.seed), torch.linspace(1, 0, self.steps + 1)
    return [torch.where((e.maps >= low + level * (high - low))[:, None], fill, e.x) for level in levels]


def unseeded(self, e, right):
    noise = 0.05 * torch.randn(e.x.shape, generator=seeded_by_the_clock()) / e.std[:, None, None]
    return right(replace(e, x=e.x + noise, shared={}, store=None))


def seeded_by_the_clock():
    rng = torch.Generator()
    rng.seed()
    return rng


def segments_less_area(self, e, right):
    return self.segments - self.steps * (1 - right(e))


def without_undefined(self, e, right):
    score = right(e)
    return score[~score.isnan()]


def normalised_to_nothing(self, e, right):
    sums, falls = without(self, e, squares(e, self))
    best = (sums * falls).mean(1) / sums.square().mean(1)
    return (best.nan_to_num()[:, None] * sums - falls).square().mean(1).float()


def without_correction(self, e, right):
    sums, falls = without(self, e, squares(e, self))
    share = (sums - falls).square().mean(1) / falls.square().mean(1)
    return torch.where(falls.abs().amax(1) > 0, share, torch.nan).float()


def quietly_wrong(self, e, right):
    """Keep noisier maps under the name of the right ones."""
    key, maps = ("noisy maps", self.radius, self.samples, self.seed), [e.explain(2 * e.x)] * self.samples
    others = e.once(key, lambda: maps)
    return right(replace(e, shared={key: others}))


def by_place(self, e):
    place = (-e.maps.flatten(1)).argsort(1).argsort(1).view_as(e.maps)
    fill = baseline(e, self.baseline, self.seed)
    return [torch.where(place[:, None] < count, fill, e.x) for count in curves.even(e, self.steps)]


def grad_mode_off(self, e, right):
    torch.set_grad_enabled(False)
    score = right(e)
    torch.set_grad_enabled(True)
    return score


def image_by_image(self, e, right):
    return torch.cat([right(part(e, [i])) for i in range(len(e.x))])


def by_the_whole_fall(self, e, right):
    probability = self.curve(e)[1]
    return right(e) / (probability[:, 0] - probability[:, -1])


def in_model_units(self, e, right):
    others = [e.explain(e.x + self.radius * (2 * torch.rand(e.x.shape[1:], generator=rng) - 1))
              for rng in [draws(self.seed, "noise")] for _ in range(self.samples)]  # fmt: skip
    return right(replace(e, shared={("noisy maps", self.radius, self.samples, self.seed): others}))
