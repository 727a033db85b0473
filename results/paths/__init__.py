"""Views of critical paths: whole paths, single layers, shares of channels; figures; graphs as files."""

from results.paths.views import OPTIONS, VIEWS

__all__ = ["OPTIONS", "VIEWS"]


def __getattr__(name: str):
    """Import the figures and files where they are asked for, since matplotlib takes a third of a second."""
    if name in ("figures", "files"):
        from results.paths import drawing

        return getattr(drawing, name)
    raise AttributeError(name)
