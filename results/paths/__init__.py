"""Views of critical paths: whole paths, single layers, shares of channels; figures; graphs as files."""

from results import parts
from results.paths.views import OPTIONS, VIEWS

__all__ = ["OPTIONS", "VIEWS"]

__getattr__ = parts.imported_late("paths", "figures", "files")
