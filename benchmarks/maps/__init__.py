"""The kind `maps`: every pixel gets one number of evidence for a class, and metrics score these maps."""

from benchmarks.maps.scoring import composed, method, score

__all__ = ["composed", "method", "score"]
