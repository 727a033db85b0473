"""This package lists all checks of metrics and runs them on one metric."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from benchmarks.conformance.answers import answers
from benchmarks.conformance.checks import facts, images, sharing, trace, truth
from benchmarks.conformance.subject import DoesNotApply, Fails, Subject

CHECKS: dict[str, Callable[[Subject], None]] = {
    name: check
    for module in (facts, trace, sharing, images, truth)
    for name, check in vars(module).items()
    if hasattr(check, "trait")
}


class Verdict(NamedTuple):
    """The outcome of one check."""

    metric: str
    check: str
    model: str  # whose answer is known
    outcome: str  # ok | fails | departs | does not apply
    sentence: str


def judge(subject: Subject, name: str, check: Callable[[], None], model: str = "") -> Verdict:
    """Run one check; a preset that reproduces another suite's convention may declare which ones it `departs` from."""
    outcome, sentence = "ok", ""
    try:
        check()
    except DoesNotApply as reason:
        outcome, sentence = "does not apply", str(reason)
    except Fails as reason:
        outcome, sentence = "fails", str(reason)
    except Exception as error:  # whatever it raises is what its user would see
        outcome, sentence = "fails", f"raises {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    if name in getattr(subject.metric, "departs", ()):
        outcome = "departs" if outcome == "fails" else "fails"
        sentence = sentence or "`departs` names a check that it passes"
    return Verdict(subject.name, name, model, outcome, sentence)


def verdicts(subject: Subject) -> Iterator[Verdict]:
    """Run the checks that apply to a metric and compare it with its known answers; fail if no check applies."""
    some = False
    for name, check in CHECKS.items():
        if name != "known_answers" and (check.trait in subject.traits or not subject.brought):
            verdict = judge(subject, name, partial(check, subject))
            some |= verdict.outcome != "does not apply"
            yield verdict
    if not some:
        yield Verdict(subject.name, "some_check", "", "fails", "no check applies to it")
    try:
        known = list(answers(subject.name, subject.metric, *subject.answers))
    except Exception:  # the check says which
        known = []
    if not known:
        yield judge(subject, "known_answers", partial(truth.known_answers, subject))
    for answer in known:
        yield judge(subject, f"known answer: {answer.question}", partial(truth.returns, subject, answer), answer.model)
