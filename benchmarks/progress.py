"""Progress on a terminal: one bar for the sweep, lines of the log above it; silent where there is no terminal."""

import logging
from typing import TextIO

from tqdm import tqdm


class Lines(logging.Handler):
    """Write each record as a line above the bars."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=self.stream)


# The sweep's bar, in a list: the callback itself is pickled for worker processes and cannot hold it.
bars: list[tqdm] = []


def start(cells: int) -> None:
    """Show a bar for so many cells."""
    bars.append(tqdm(total=cells, desc="cells", unit="cell", disable=None))


def step(computed: bool) -> None:
    """Count one cell. Cells that were done before leave the total, so that the time left is that of the others."""
    for bar in bars:
        if computed:
            bar.update()
        else:
            bar.total -= 1
            bar.refresh()


def stop() -> None:
    """Close the bar."""
    while bars:
        bars.pop().close()
