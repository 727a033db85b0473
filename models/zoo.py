"""timm's image classifiers with their weights: from the hub, from a file, or fitted to the data set."""

import hashlib
import json
from dataclasses import dataclass
from difflib import get_close_matches
from math import nan
from pathlib import Path

import timm
import torch
from safetensors import safe_open
from timm.models import get_pretrained_cfg, load_state_dict
from torch import Tensor, nn

from entries import whole
from models.fit import Fit


@dataclass(frozen=True)
class Network:
    """A frozen classifier in eval mode on the CPU; it reads (pixels - mean) / std, pixels in [0, 1]."""

    module: nn.Module
    mean: tuple[float, ...]
    std: tuple[float, ...]
    input_size: int
    digest: str  # of the weights
    promised: float = nan  # the accuracy that the recipe of the fit promises; nan if the weights were not fitted
    accuracy: float = nan  # the test accuracy that the fit reached; nan if the weights were not fitted or it is unknown


@dataclass(frozen=True)
class Timm:
    """Any architecture of timm; `model(dataset)` gives the network with weights for the data set.

    `weights` is `pretrained` (timm's hub), `fit` (trained on the data set's train split, cached) or a .safetensors or
    .pth file in timm's own format. `last_conv` is for methods that read activation maps.
    """

    name: str
    weights: str
    cache: str
    last_conv: str
    input_size: int | None
    fit: Fit

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not timm.is_model(self.name):
            close = get_close_matches(str(self.name), timm.list_models(), 3, 0.5)
            hint = f"; did you mean {', '.join(close)}?" if close else ""
            raise ValueError(f"model.name needs an architecture of timm; it has no {self.name}{hint}")
        if self.input_size is not None:
            whole(self, input_size=1)

    def __call__(self, dataset: object) -> Network:
        """Return the network for this data set."""
        fitted = self.weights == "fit"
        with torch.random.fork_rng():  # architectures draw their initial weights
            if self.weights == "pretrained":
                module, facts = self.pretrained(), {}
            else:
                path = self.fit(self.name, dataset, Path(self.cache)) if fitted else Path(str(self.weights))
                module, facts = self.loaded(path)
        if len(dataset.classes) not in (0, module.num_classes):
            need = f"{type(dataset).__name__} needs a network with {len(dataset.classes)} classes"
            raise ValueError(f"{need}; weights={self.weights} gives {self.name} with {module.num_classes}")
        config = timm.data.resolve_model_data_config(module)
        return Network(
            module=module.eval().requires_grad_(False),
            mean=tuple(config["mean"]),
            std=tuple(config["std"]),
            input_size=self.input_size or int(facts.get("input_size", config["input_size"][-1])),
            digest=digest(module.state_dict()),
            promised=self.fit.accuracy if fitted else nan,
            accuracy=float(facts.get("accuracy", nan)) if fitted else nan,
        )

    def pretrained(self) -> nn.Module:
        """Return the network with the weights of timm's hub."""
        try:
            return timm.create_model(self.name, pretrained=True)
        except Exception as error:  # the hub's client raises errors of many libraries
            raise ValueError(
                f"weights=pretrained needs {self.name} from timm's hub or its cache on this machine, which ended in "
                f"{type(error).__name__}; give weights=FILE where there is no network"
            ) from error

    def loaded(self, path: Path) -> tuple[nn.Module, dict[str, str]]:
        """Return the network with a file's weights and as many classes as these have, and the file's metadata."""
        if path.suffix not in (".safetensors", ".pth") or not path.is_file():
            raise ValueError(f"weights needs pretrained, fit or a .safetensors or .pth file; {path} is no such file")
        try:
            state = load_state_dict(str(path), weights_only=True)
            facts = (safe_open(str(path), "pt").metadata() or {}) if path.suffix == ".safetensors" else {}
        except Exception as error:  # pickle raises many kinds of errors in a file that is no checkpoint
            raise ValueError(f"weights needs a file of tensors; {path} cannot be read as one") from error
        arguments = json.loads(facts.get("model_args", "{}"))
        head = state.get(f"{get_pretrained_cfg(self.name).classifier}.bias")
        if head is not None:
            arguments["num_classes"] = len(head)
        module = timm.create_model(self.name, **arguments)
        # timm's hub file of inception_v3 has an auxiliary head that timm itself leaves out.
        state = {key: value for key, value in state.items() if not key.startswith("AuxLogits.")}
        try:
            module.load_state_dict(state)
        except (RuntimeError, AttributeError) as error:
            raise ValueError(f"weights needs a file of timm's {self.name}; {path} holds another network") from error
        return module, facts


def digest(state: dict[str, Tensor]) -> str:
    """Return twelve hexadecimal digits of SHA-256 over names and bytes of all weights."""
    total = hashlib.sha256()
    for key, value in sorted(state.items()):
        total.update(key.encode() + value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()[:12]
