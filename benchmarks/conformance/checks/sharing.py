"""Checks that the score of an image is its own, whatever else is in the batch and whatever was kept before."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace

import torch

from benchmarks.conformance.cases import InputXGradient, case, explained, images
from benchmarks.conformance.checks.images import PixelGradient
from benchmarks.conformance.subject import DoesNotApply, Metric, Subject, check
from benchmarks.explained import Explained
from benchmarks.store import Store


@check("batch")
def order_of_the_batch_does_not_matter(subject: Subject) -> None:
    """Permuted images have permuted scores."""
    order = [4, 2, 0, 5, 1, 3]
    subject.same(subject(subject.part(subject.case(), order)), subject.plain[order], "in a batch of another order")


@check("batch")
def alone_as_in_a_batch(subject: Subject) -> None:
    """An image has the same score alone as beside others."""
    for i in (0, 4):
        subject.same(subject(subject.part(subject.case(), [i])), subject.plain[[i]], "alone")


@check("explained")
def rest_of_the_batch_does_not_matter(subject: Subject) -> None:
    """An image has the same score beside images and maps that are fifty times as large."""
    batch = case()
    x = torch.cat([batch.x[:1], 50 * images(5, 16, seed=7)])
    score = subject(explained(batch.model, x, target=batch.target))
    subject.same(score[:1], subject.plain[:1], "beside images and maps 50 times as large")


@check("map")
def undefined_stays_in_its_place(subject: Subject) -> None:
    """A zero map without a mask touches no other image's score, and what is undefined is nan in its own row."""
    batch, others = case(), [0, 1, 3, 4, 5]
    broken = replace(batch, maps=batch.maps.clone(), mask=batch.mask.clone(), shared={})
    broken.maps[2], broken.mask[2] = 0, False
    score = subject(broken)
    subject.same(score[others], subject.plain[others], "beside a zero map without a mask")
    subject.same(score[[2]], subject(subject.part(broken, [2])), "as a zero map without a mask, in a batch,")


@check("batch")
def sharing_changes_nothing(subject: Subject) -> None:
    """The score is the same after all other metrics have scored the batch."""
    if not subject.company.metrics:
        raise DoesNotApply("there is no other metric")
    batch = subject.company.batch(subject.kind)
    score = subject(replace(subject.part(batch, [*range(len(batch.x))]), shared=dict(batch.shared)))
    subject.same(score, subject.plain, "after other metrics on the same batch", within=0)


@check("map")
def other_methods_change_nothing(subject: Subject) -> None:
    """The score is the same after another method of the same sweep, because what is kept for all depends on no map."""
    first = swept(case(InputXGradient(complete="difference")))
    second = case(PixelGradient(complete="difference", baseline=0.5))
    subject(first)
    score = subject(replace(second, model=first.model, store=first.store, shared={}))
    subject.same(score, subject(second), "after another method, with one store for both (`for_all`)")


@check("explained")
def other_settings_change_nothing(subject: Subject) -> None:
    """The score is the same after the metric with other settings, because these are in the key of what is kept."""
    if not is_dataclass(subject.metric) or not fields(subject.metric):
        raise DoesNotApply("it has no fields")
    batch = swept(case(n=3))
    subject(batch)
    for name, metric in variants(subject.metric):
        other = replace(subject, metric=metric)
        try:
            fresh = other(case(n=3))
        except ValueError:  # a value that this network does not allow
            continue
        given = f"{name}={getattr(metric, name)!r}"
        subject.same(other(batch), fresh, f"with {given} after another {name} (the key of `once` or `for_all`)")


def swept(batch: Explained) -> Explained:
    """Return the batch with a store such as all cells of a sweep share."""
    return replace(batch, store=Store(None, batch.model, "conformance", batch.x.device), shared={})


def variants(metric: Metric) -> Iterator[tuple[str, Metric]]:
    """Yield the fields of which another value is known, each with a metric that has it."""
    for name in (f.name for f in fields(metric)):
        value = getattr(metric, name)
        if name == "baseline":
            other = "black" if value != "black" else "mean"
        elif type(value) is bool:
            other = not value
        elif type(value) is int:
            other = value + 1
        elif type(value) is float:
            other = 0.75 * value
        elif isinstance(value, list | tuple) and len(value) > 1:
            other = value[:-1]
        else:
            continue
        try:
            yield name, replace(metric, **{name: other})
        except ValueError:
            continue
