"""Mistakes, written so that they can be planted in a copy of a metric."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import fields, replace
from zlib import crc32

import torch
from torch import Tensor

from benchmarks.conformance.cases import part
from benchmarks.conformance.checks.images import PixelGradient
from benchmarks.conformance.subject import Metric
from benchmarks.explained import Explained, draws
from benchmarks.metrics.baselines import baseline
from benchmarks.metrics.faithfulness import curves
from benchmarks.metrics.similarity import spearman
from benchmarks.metrics.superpixels import superpixels


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
    return right(replace(e, method=PixelGradient(std=torch.ones(3)), shared={}, store=None))


def insert_the_baseline(self, e, right):
    return right(replace(e, x=baseline(e, self.baseline, self.seed).expand_as(e.x), shared={}, store=None))


def index_values_by_pixels(self, e, right):
    e.x.flatten(1)[:, torch.ones(e.maps[0].numel(), dtype=torch.bool)]
    return right(e)


def one_channel_only(self, e, right):
    mask = superpixels(e, self.segments)[:, None] == 0
    assert mask.shape == e.x.shape, "the mask needs the shape of the image"
    return right(e)


def first_call_for_all(metric: Metric) -> Metric:
    kept = []

    def change(self: object, e: Explained, right: Callable[[Explained], Tensor]) -> Tensor:
        kept.append(right(e))
        return kept[0][: len(e.x)] if len(e.x) <= len(kept[0]) else kept[-1]

    return call(change)(metric)


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


def whole_patches_only(self, e, right):
    e.x.unfold(2, 4, 4).reshape(len(e.x), 3, -1, 4, *(side // 4 for side in e.x.shape[3:])).view(e.x.shape)
    return right(e)


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


def unseeded(self, e, right):
    noise = 0.05 * torch.randn(e.x.shape, generator=seeded_by_the_clock()) / e.std[:, None, None]
    return right(replace(e, x=e.x + noise, shared={}, store=None))


def seeded_by_the_clock():
    rng = torch.Generator()
    rng.seed()
    return rng


def without_undefined(self, e, right):
    score = right(e)
    return score[~score.isnan()]


def quietly_wrong(self, e, right):
    """Keep noisier maps under the name of the right ones."""
    key, maps = ("noisy maps", self.radius, self.samples, self.seed), [e.explain(2 * e.x)] * self.samples
    others = e.once(key, lambda: maps)
    return right(replace(e, shared={key: others}))


def grad_mode_off(self, e, right):
    torch.set_grad_enabled(False)
    score = right(e)
    torch.set_grad_enabled(True)
    return score


def image_by_image(self, e, right):
    return torch.cat([right(part(e, [i])) for i in range(len(e.x))])


def in_model_units(self, e, right):
    others = [e.explain(e.x + self.radius * (2 * torch.rand(e.x.shape[1:], generator=rng) - 1))
              for rng in [draws(self.seed, "noise")] for _ in range(self.samples)]  # fmt: skip
    return right(replace(e, shared={("noisy maps", self.radius, self.samples, self.seed): others}))


def kept_for_all_methods(self, e, right):
    settings = self.steps, self.baseline, self.seed
    logits = e.for_all(("states", *settings), lambda: curves.removal(e, *settings))
    return curves.area(curves.probability(e, logits))


def key_without(setting: str) -> Callable[[Metric], Metric]:
    """Keep the score for a batch under all settings but one."""

    def change(self: object, e: Explained, right: Callable[[Explained], Tensor]) -> Tensor:
        settings = tuple(getattr(self, f.name) for f in fields(self) if f.name != setting)
        return e.once(("score", settings), lambda: right(e))

    return call(change)
