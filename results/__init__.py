"""Results: the views of every kind, each in a folder of its own, and the machinery that reads and draws scores."""

from pkgutil import extend_path

# The views of a kind may lie in a folder `results` anywhere on the Python path, outside this checkout, too.
__path__ = extend_path(__path__, __name__)
