"""What the checks of metrics need of concepts: no score of theirs is of an image."""

from benchmarks.conformance.of_no_image import DTYPE, case, part, score, suits

__all__ = ["DTYPE", "case", "part", "score", "suits"]
