"""timm's image classifiers with their weights: from the hub, from a file, or fitted to the data set."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import nan
from pathlib import Path

import timm
import torch
from safetensors import safe_open
from timm.models import get_pretrained_cfg
from torch import Tensor, nn

from entries import flag, number, whole
from models.fit import Fit
from models.merging import merged
from models.packaged import COUNTER, packaged, renamed

# Where training scripts put the weights in a checkpoint, averaged ones first as in timm, and before their names.
WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model", "net")
PREFIXES = ("module.", "model.", "net.", "_orig_mod.")


@dataclass(frozen=True)
class Network:
    """A frozen classifier in eval mode on the CPU; it reads (pixels - mean) / std, pixels in [0, 1]."""

    module: nn.Module
    mean: tuple[float, ...]
    std: tuple[float, ...]
    input_size: int
    digest: str  # of the weights
    crop_pct: float = 0.875  # of the evaluation: the shorter side is resized to input_size / crop_pct
    crop_mode: str = "center"  # timm's name of how what is left is cropped
    interpolation: str = "bicubic"  # timm's name of how pixels are resized
    promised: float = nan  # the accuracy that the recipe of the fit promises; nan if no finished fit gave the weights
    accuracy: float = nan  # the test accuracy that the fit reached; nan in the same case or if it is unknown


@dataclass(frozen=True)
class Timm:
    """Any architecture of timm; `model(dataset)` gives the network with weights for the data set.

    `weights` is `pretrained` (timm's hub), `package` (a Python package that ships them), `fit` (trained on the data
    set's train split, cached) or a file with timm's names: .safetensors, or what torch.save writes. `last_conv` is for
    methods that read activation maps. `epoch` takes a checkpoint of the fit instead of the finished network. With
    `merged` its batch norms are part of its convolutions: the same function but for rounding, with other weights.
    """

    name: str
    weights: str
    cache: str
    last_conv: str
    input_size: int | None
    epoch: float | None
    merged: bool
    fit: Fit

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not timm.is_model(self.name):
            close = get_close_matches(str(self.name), timm.list_models(), 3, 0.5)
            hint = f"; did you mean {', '.join(close)}?" if close else ""
            raise ValueError(f"model.name needs an architecture of timm; it has no {self.name}{hint}")
        flag(self, "merged")
        if self.input_size is not None:
            whole(self, input_size=1)
        if self.epoch is not None:
            number(self, "epoch", ">= 0", lambda epoch: epoch >= 0)
            if self.weights != "fit":
                need = f"model.epoch={self.epoch} needs weights=fit, which keeps checkpoints"
                raise ValueError(f"{need}; weights={self.weights} was given")

    def __call__(self, dataset: object) -> Network:
        """Return the network for this data set."""
        fitted = self.weights == "fit"
        with torch.random.fork_rng():  # architectures draw their initial weights
            if self.weights == "pretrained":
                module, facts = self.pretrained(), {}
            elif self.weights == "package":
                module, facts = self.packaged(), {}
            else:
                path = self.fit(self.name, dataset, Path(self.cache), self.epoch) if fitted else Path(str(self.weights))
                module, facts = self.loaded(path)
        if len(dataset.classes) not in (0, module.num_classes):
            need = f"{type(dataset).__name__} needs a network with {len(dataset.classes)} classes"
            raise ValueError(f"{need}; weights={self.weights} gives {self.name} with {module.num_classes}")
        config = timm.data.resolve_model_data_config(module)
        size = self.input_size or int(facts.get("input_size", config["input_size"][-1]))
        if self.merged:
            module = merged(module.eval(), torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0)))
        return Network(
            module=module.eval().requires_grad_(False),
            mean=tuple(config["mean"]),
            std=tuple(config["std"]),
            input_size=size,
            digest=digest(module.state_dict()),
            crop_pct=config["crop_pct"],
            crop_mode=config["crop_mode"],
            interpolation=config["interpolation"],
            promised=self.fit.accuracy if fitted and "epoch" not in facts else nan,
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

    def packaged(self) -> nn.Module:
        """Return the network with the weights of a Python package."""
        module = timm.create_model(self.name)
        fill(module, renamed(packaged(self.name), module), self.name, "its package")
        return module

    def loaded(self, path: Path) -> tuple[nn.Module, dict[str, str]]:
        """Return the network with a file's weights and as many classes as these have, and the file's metadata."""
        if not path.is_file():
            raise ValueError(f"weights needs pretrained, package, fit or a file; {path} is no file")
        state, facts = read(path)
        arguments = json.loads(facts.get("model_args", "{}"))
        classifier = get_pretrained_cfg(self.name).classifier
        head = state.get(f"{classifier if isinstance(classifier, str) else classifier[0]}.bias")
        if head is not None:
            arguments["num_classes"] = len(head)
        module = timm.create_model(self.name, **arguments)
        # timm's hub file of inception_v3 has an auxiliary head that timm itself leaves out.
        fill(module, {key: v for key, v in state.items() if not key.startswith("AuxLogits.")}, self.name, path)
        return module, facts


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a checkpoint, without what training scripts wrap them in, and a file's metadata."""
    try:
        if path.suffix == ".safetensors":
            with safe_open(str(path), "pt") as file:
                return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
        state = torch.load(path, map_location="cpu", weights_only=True)
        while key := next((key for key in WRAPPERS if isinstance(state.get(key), Mapping)), None):
            state = state[key]
        state = {key: value for key, value in state.items() if isinstance(value, Tensor)}
    except Exception as error:  # pickle raises many kinds of errors in a file that is no checkpoint
        raise ValueError(
            f"weights needs a file of tensors, such as torch.save(model.state_dict(), FILE) writes; {path} cannot be "
            "read as one"
        ) from error
    while prefix := next((prefix for prefix in PREFIXES if state and all(k.startswith(prefix) for k in state)), None):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state, {}


def fill(module: nn.Module, state: dict[str, Tensor], name: str, source: object) -> None:
    """Load all weights into a network in place; refuse a file with other ones, by the first name that differs."""
    expected = module.state_dict()
    need = f"weights needs a file of timm's {name}; {source}"
    if lacking := [key for key in expected if key not in state and not key.endswith(COUNTER)]:
        raise ValueError(f"{need} lacks {lacking[0]}" + (f" and {len(lacking) - 1} more" if lacking[1:] else ""))
    if more := [key for key in state if key not in expected]:
        raise ValueError(f"{need} also has {more[0]}, which that network does not have")
    for key, value in state.items():
        if value.shape != expected[key].shape:
            shapes = f"{tuple(value.shape)} where the network has {tuple(expected[key].shape)}"
            raise ValueError(f"{need} has {key} of shape {shapes}")
        if value.is_floating_point() and not value.isfinite().all():
            raise ValueError(f"weights needs finite numbers; {key} of {source} has others")
    module.load_state_dict(state, strict=False)


def digest(state: dict[str, Tensor]) -> str:
    """Return twelve hexadecimal digits of SHA-256 over names and bytes of all weights."""
    total = hashlib.sha256()
    for key, value in sorted(state.items()):
        total.update(key.encode() + value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()[:12]
