"""What the checks of metrics need of examples: no score of theirs is of an image of the batch alone."""

from benchmarks.conformance.of_no_image import DTYPE, case, part, score, suits

__all__ = ["DTYPE", "case", "part", "score", "suits"]
