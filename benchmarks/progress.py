"""Progress on a terminal: one bar for the sweep, lines of the log above it; silent where there is no terminal."""

import logging
from math import prod
from typing import TextIO

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from tqdm import tqdm

# Not in the callback, which is pickled for worker processes.
bars: list[tqdm] = []


class Lines(logging.Handler):
    """Write each record as a line above the bars."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=self.stream)


class Bar(Callback):
    """Count the cells of a sweep that runs in this process."""

    def on_multirun_start(self, config: DictConfig, **_: object) -> None:
        if config.hydra.launcher._target_.endswith("BasicLauncher"):
            bars.append(tqdm(total=cells(config), unit="cell", disable=None))

    def on_job_end(self, config: DictConfig, **_: object) -> None:
        for bar in bars:
            bar.update()

    def on_multirun_end(self, config: DictConfig, **_: object) -> None:
        while bars:
            bars.pop().close()


def cells(config: DictConfig) -> int:
    """Return the number of cells: the product of the swept values, the command line's in place of the experiment's."""
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    swept = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    overrides = {o.get_key_element(): o for o in parser.parse_overrides([*swept, *config.hydra.overrides.task])}
    return prod(sum(1 for _ in o.sweep_string_iterator()) for o in overrides.values() if o.is_sweep_override())
