"""Views of whole networks: robustness and induced metrics, curves over radii, correlations within networks; figures."""

from results import parts
from results.networks.views import OPTIONS, VIEWS

__all__ = ["OPTIONS", "VIEWS"]

__getattr__ = parts.imported_late("networks", "figures")
