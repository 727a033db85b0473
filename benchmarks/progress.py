"""Progress on a terminal: a bar that counts the cells of a sweep, and the lines of the log above it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from tqdm import tqdm

from benchmarks.plan import DONE, FAILED, Plan

OFTEN = 2  # seconds between two updates of the bar
# The bar of a sweep that this process computes, in a list: the callback of a sweep is pickled and cannot hold it.
bars: list[tqdm] = []


class Lines(logging.StreamHandler):
    """Write each record as a line above the bars."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=self.stream)


@contextmanager
def bar(total: int) -> Iterator[None]:
    """Show how many cells of a sweep this process has computed."""
    bars.append(tqdm(total=total, desc="cells", unit="cell", disable=None))
    try:
        yield
    finally:
        bars.pop().close()


@contextmanager
def watched(plan: Plan) -> Iterator[None]:
    """Show how many cells of a plan its workers have ended."""
    over, before = Event(), len(plan.cells(DONE))

    def ended() -> int:
        return len(plan.cells(DONE + FAILED)) - before

    def look() -> None:
        with tqdm(total=len(plan.names) - before, desc="cells", unit="cell", disable=None) as shown:
            while not over.wait(OFTEN):
                shown.update(ended() - shown.n)
            shown.update(ended() - shown.n)

    looking = Thread(target=look, daemon=True)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()
