"""Views of whole networks: robustness and induced metrics, curves over radii, correlations within networks; figures."""

from results.networks.views import OPTIONS, VIEWS

__all__ = ["OPTIONS", "VIEWS"]


def __getattr__(name: str):
    """Import the figures where they are asked for, since matplotlib takes a third of a second."""
    if name == "figures":
        from results.networks.pictures import figures

        return figures
    raise AttributeError(name)
