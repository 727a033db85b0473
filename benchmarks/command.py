"""The manners of the command line: an error is one sentence and exit code 1, unless `debug=true`."""

import difflib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TextIO

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf.errors import ConfigKeyError, InterpolationToMissingValueError, MissingMandatoryValue

# Idle OpenMP threads that spin slow a second process down many times over; torch reads this when it loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# A tracking server that is down must cost seconds, not the minutes of MLflow's own retries.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")


CONF = Path(__file__).parents[1] / "conf"


def sentence(error: BaseException) -> str:
    """Say in one line what is wrong and what is needed."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, entry = str(error.missing_cfg_file).rpartition("/")
        # Hydra leaves out the options of a list such as metric=[a,b].
        options = list(error.options or sorted(path.stem for path in (CONF / group).glob("*.yaml")))
        near = difflib.get_close_matches(entry, options, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(options) or 'none'}"
        return f"{group or 'config'}={entry} is not an entry; {hint}"
    if isinstance(error, OverrideParseException):
        return f"{error.override} cannot be read; a value with such characters needs quotes, as in 'key=\"value\"'"
    cause = error
    # Hydra and OmegaConf wrap the sentence of an entry in their own; the innermost one names the offender.
    while cause.__cause__ is not None and type(cause).__module__.startswith(("hydra", "omegaconf")):
        cause = cause.__cause__
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()] or [type(cause).__name__]
    key = next((m[1] for line in lines if (m := re.match(r"full_key: (.+)", line))), None)
    if isinstance(cause, MissingMandatoryValue | InterpolationToMissingValueError):
        return f"{key or lines[0]} needs a value; give {key or 'it'}=..."
    if isinstance(cause, ConfigKeyError) and key:
        return f"{key} is not a setting: {lines[0]}"
    if isinstance(cause, OSError) and cause.filename is not None:
        return f"{cause.filename}: {cause.strerror}"
    if resolved := re.match(r"\w+ raised while resolving interpolation: (.+)", lines[0]):
        return resolved[1]
    said = " ".join(lines)[:300]
    spoken = isinstance(cause, ValueError | OSError | ImportError)
    if spoken or type(cause).__module__.startswith(("hydra", "omegaconf")):
        return said
    return f"{type(cause).__name__}: {said} (debug=true shows where)"


class WithoutHydra:
    """stderr without the line that Hydra writes before it hands on a job's exception."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        return len(text) if text.startswith("Error executing job with overrides") else self.stream.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn an exception into one sentence on stderr and exit code 1."""
    debug = any(re.fullmatch(r"\+*debug=(true|True|1|yes|on)", argument) for argument in sys.argv[1:])
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra would print its own, longer account and exit
    try:
        experiments = [argument for argument in sys.argv[1:] if re.match(r"\+?experiment=", argument)]
        if len(experiments) > 1 or "," in "".join(experiments):
            raise ValueError("experiment needs one name per command, since each brings its own sweep")
        with redirect_stderr(WithoutHydra(sys.stderr)):
            yield
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on where it was")
    except Exception as error:
        if debug:
            raise
        print(f"error: {sentence(error)}", file=sys.stderr)
        sys.exit(1)
