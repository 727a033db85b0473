"""Checks that a metric states what a table, a statistic and a reader need to know."""

import re
from dataclasses import fields, is_dataclass, replace
from itertools import product

import torch

from benchmarks.conformance.subject import DoesNotApply, Fails, Subject, check, require, score

INVARIANCES = ("scale", "order", "steps", "size")
WRONG = ("abc", -1, True, None)


@check()
def states_its_facts(subject: Subject) -> None:
    """It states what the score is, which way is better, and when there is none."""
    metric = subject.metric
    for fact in ("category", "higher_is_better", "version", "undefined"):
        require(hasattr(metric, fact), f"it needs `{fact}`")
    require(re.fullmatch("[a-z]+([ -][a-z]+)*", str(metric.category)), "`category` needs words in lower case")
    require(type(metric.higher_is_better) is bool, "`higher_is_better` needs to be True or False")
    require(type(metric.version) is int and metric.version >= 1, "`version` needs a whole number >= 1")
    require(isinstance(metric.undefined, str) and metric.undefined, "`undefined` needs a clause: why a score is nan")
    low, high = getattr(metric, "bounds", (0, 1))
    require(low < high, "`bounds` need the lowest before the highest score")
    require(set(getattr(metric, "needs", ())) <= {"mask", "explain"}, '`needs` may hold "mask" and "explain"')
    require(set(getattr(metric, "invariant", ())) <= set(INVARIANCES), f"`invariant` may hold {', '.join(INVARIANCES)}")


@check()
def states_its_sources(subject: Subject) -> None:
    """It states in one line what is computed, and whose idea it is."""
    first = (type(subject.metric).__doc__ or "").strip().partition("\n")[0]
    known = isinstance(subject.fact("cites"), str) and (subject.metric.cites or "[" not in first)
    require(known, "`cites` needs an author and a year where the docstring's first line names them")
    require(0 < len(first) <= 100, f"its docstring needs a first line of 1 to 100 characters; it has {len(first)}")


@check("batch")
def one_score_per_image(subject: Subject) -> None:
    """Scores are of the kind's type, within bounds, and defined if the metric is not of `only` some images."""
    scores, dtype = subject.plain, getattr(subject.brought, "DTYPE", torch.float32)
    require(scores.dtype == dtype and not scores.requires_grad, f"it gives {scores.dtype}; {dtype} is needed")
    left_out = scores.isnan() & hasattr(subject.metric, "only")
    given = f"random images, maps and network have a score; it gives {scores.tolist()}"
    require((scores.isfinite() | left_out).all(), given)
    low, high = subject.fact("bounds")
    within = ((low <= scores) & (scores <= high)) | left_out
    require(within.all(), f"scores need to lie within {low} and {high}: {scores.tolist()}")
    if hasattr(subject.brought, "parts"):
        parts, need = subject.brought.parts(subject.metric, subject.case())
        require(parts.shape == need, f"its parts need scores of shape {need}; it gives {tuple(parts.shape)}")


@check("batch")
def same_call_same_score(subject: Subject) -> None:
    """The same call gives the same score, because all draws come from a seed."""
    again = subject(subject.case())
    same = (again == subject.plain) | (again.isnan() & subject.plain.isnan())
    require(same.all(), f"the same call gives {again.tolist()} after {subject.plain.tolist()}")


@check("batch")
def wrong_parameter_gives_one_sentence(subject: Subject) -> None:
    """A wrong value is refused with what is needed and what was given; one of a model's layer, when it is called."""
    if not is_dataclass(subject.metric) or not fields(subject.metric):
        raise DoesNotApply("it has no fields")
    entry = type(subject.metric).__name__
    for field, value in product(fields(subject.metric), WRONG):
        if (value is True and "bool" in str(field.type)) or (value is None and "None" in str(field.type)):
            continue
        given = f"{field.name}={value!r}"
        try:
            score(replace(subject.metric, **{field.name: value}), subject.case(2))
        except ValueError as error:
            said = str(error)
            if entry not in said or given not in said or "\n" in said:
                need = f'one sentence with "{entry}" and "{given}"'
                raise Fails(f"{given} needs {need}; it says: {said}") from error
        except Exception as error:
            raise Fails(f"{given} needs a ValueError; it raises {type(error).__name__}: {error}") from error
        else:
            raise Fails(f"{given} is taken")


@check("explained")
def costs_what_it_declares(subject: Subject) -> None:
    """One more image costs the passes of its own, the shared passes and the maps made anew that it declares."""
    declared = subject.fact("passes")
    if isinstance(declared, str):
        raise DoesNotApply(f"its passes depend on the image: {declared}")
    two, six = subject.prices
    own, shared, maps = ((getattr(six, k) - getattr(two, k)) / 4 for k in ("own", "shared", "explanations"))
    taken = f"it takes {own:g}, {shared:g}, {maps:g}"
    kept = (own, maps) == (declared[0], declared[2]) and shared <= declared[1]
    require(kept, f"it declares {declared} own passes, shared passes and maps; {taken}")


@check("explained")
def as_many_calls_for_more_images(subject: Subject) -> None:
    """Images are passed together, never one by one."""
    two, six = (price.calls for price in subject.prices)
    require(two == six, f"2 images take {two} calls of the model and 6 take {six}")
