"""Benchmarks: kinds, each in a folder of its own, and the machinery that runs and stores them."""

from pkgutil import extend_path

# A kind may lie in a folder `benchmarks` anywhere on the Python path, outside this checkout, too.
__path__ = extend_path(__path__, __name__)
