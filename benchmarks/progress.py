"""Lines of the log above the bars of a terminal."""

import logging

from tqdm import tqdm


class Lines(logging.StreamHandler):
    """Write each record as a line above the bars."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=self.stream)
