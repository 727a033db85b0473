"""What every entry has: facts that it declares once, and fields that it checks when it is made."""

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from itertools import pairwise
from math import inf
from typing import TypeVar, dataclass_transform

T = TypeVar("T", bound=type)
V = TypeVar("V")


class Inapplicable(ValueError):
    """The entry does not suit this network or data set; the sentence names both sides."""


def declared(facts: dict[str, object]) -> Callable[[T], T]:
    """Make a class a frozen dataclass with facts; those that it defines itself, such as properties, stay."""

    def state(entry: T) -> T:
        if "__dataclass_fields__" not in vars(entry):
            entry = dataclass(frozen=True)(entry)
        for name, value in facts.items():
            if name not in vars(entry):
                setattr(entry, name, value)
        return entry

    return state


@dataclass_transform(frozen_default=True)
def explains(
    group: str,
    *,
    cites: str = "",
    signed: bool = False,
    class_specific: bool = True,
    complete: str = "",
    passes: tuple[int, int] | str = "unknown",
    needs: tuple[str, ...] = (),
) -> Callable[[T], T]:
    """Turn a class into a method: make it a frozen dataclass and set the facts that are declared here.

    `group` is the white-box review's: linearisation, structure, adversarial, black box or control. `complete` names the
    sum that a map adds up to: "" none, "logit", "difference" (of the logits of image and baseline), "background" (the
    logit less its mean over background images). `passes` are the forward and backward passes of one image. `needs`
    names what the method is given beside model, images and target: mask, background, box, image (the images' names; a
    method that looks maps up by name can make none anew).
    """
    return declared(dict(locals()))


@dataclass_transform(frozen_default=True)
def scores(
    category: str,
    *,
    higher_is_better: bool | None,
    cites: str = "",
    bounds: tuple[float, float] = (-inf, inf),
    version: int = 1,
    needs: tuple[str, ...] = (),
    invariant: tuple[str, ...] = (),
    undefined: str = "never",
    passes: tuple[int, int, int] | str = (0, 0, 0),
) -> Callable[[T], T]:
    """Turn a class into a metric: make it a frozen dataclass and set the facts that are declared here.

    A fact that depends on fields is a property of the class, which wins; for it, `higher_is_better` is None here.
    `bounds` are the least and the largest score. `version` rises when the same map gets another score. `needs` may hold
    "mask" and "explain". `invariant` names what leaves the score as it is: scale, order, steps, size. `undefined` says
    when the score is nan. `passes` are the metric's own, those that all entries share, and maps made anew, per image.
    """
    return declared(dict(locals()))


def stated(entry: object, by: Callable, name: str) -> object:
    """Give an entry made without its decorator, which is `by`, the facts that have defaults; ask for the others."""
    facts = {fact: p.default for fact, p in signature(by).parameters.items() if not hasattr(entry, fact)}
    if asked := [fact for fact, default in facts.items() if default is Parameter.empty]:
        raise ValueError(f"{name} needs {' and '.join(asked)}; declare them with entries.{by.__name__}(...)")
    for fact, default in facts.items():
        object.__setattr__(entry, fact, default)
    return entry


def refuse(entry: object, name: str, need: str) -> None:
    """Raise one sentence that names the entry, what the field needs, and the value that was given."""
    raise ValueError(f"{type(entry).__name__} needs {need}; {name}={getattr(entry, name)!r} was given")


def whole(entry: object, **least: int) -> None:
    """Refuse fields that are not whole numbers of at least so much: `whole(self, samples=1, seed=0)`."""
    for name, bound in least.items():
        if type(value := getattr(entry, name)) is not int or value < bound:
            refuse(entry, name, f"a whole number {name} >= {bound}")


def number(
    entry: object, name: str, need: str = "that is finite", good: Callable[[float], bool] = lambda _: True
) -> None:
    """Refuse a field that is no finite number or not `good`: `number(self, "noise", ">= 0", lambda n: n >= 0)`."""
    value = getattr(entry, name)
    if type(value) not in (int, float) or not abs(value) < inf or not good(value):
        refuse(entry, name, f"a number {name} {need}")


def positive(entry: object, *names: str) -> None:
    """Refuse fields that are no finite numbers > 0."""
    for name in names:
        number(entry, name, "> 0", lambda value: value > 0)


def rising(entry: object, name: str, above: float, below: float = inf, sort: Collection[type] = (int, float)) -> None:
    """Refuse a field that is no list of numbers of this sort that rise, from over one bound to under another."""
    values = getattr(entry, name)
    listed = isinstance(values, Sequence) and len(values) and all(type(value) in sort for value in values)
    if not listed or not all(low < high for low, high in pairwise([above, *values, below])):
        words = "numbers" if float in sort else "whole numbers"
        ends = f"> {above}" if below == inf else f"between {above} and {below}"
        refuse(entry, name, f"a list of rising {words} {ends} as {name}")


def gallery(entry: object, *names: str) -> None:
    """Refuse a field `gallery` that does not say of each of these names how many are kept for figures."""
    for name in names:
        value = entry.gallery.get(name)
        if type(value) is not int or value < 0:
            raise ValueError(f"benchmark.gallery.{name} needs a whole number >= 0; {value!r} was given")


def choice(entry: object, name: str, known: Collection[str]) -> None:
    """Refuse a field that is none of the known names."""
    value = getattr(entry, name)
    if not isinstance(value, str) or value not in known:
        refuse(entry, name, f"{name} to be one of {', '.join(known)}")


def layered(entry: object) -> None:
    """Refuse a `layer` that is no name."""
    if not isinstance(entry.layer, str) or not entry.layer:
        refuse(entry, "layer", "the name of a layer")


def flag(entry: object, name: str) -> None:
    """Refuse a field that is neither true nor false."""
    if not isinstance(getattr(entry, name), bool):
        refuse(entry, name, f"{name} to be true or false")


def needed(entry: object, what: str, given: object) -> object:
    """Return what an entry needs of the data set beside images; refuse a data set that gives none."""
    if given is None or not len(given):
        raise Inapplicable(f"{type(entry).__name__} needs a data set with {what}; this one gives none")
    return given


def once(batch: object, key: Hashable, compute: Callable[[], V]) -> V:
    """Return `compute()`, computed at most once per batch and key; the batch's dictionary `shared` keeps it."""
    if key not in batch.shared:
        batch.shared[key] = compute()
    return batch.shared[key]


def rounded_to(model: object) -> object:
    """Return the type to which a network rounds its activations, at a precision that does so; None for float32."""
    return vars(type(model)).get("rounded_to")
