"""Training of the embedded networks: seeded, cached, done by one process while others wait."""

import hashlib
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, is_dataclass, replace
from itertools import pairwise
from math import inf
from pathlib import Path
from time import perf_counter
from typing import ClassVar

import timm
import torch
from filelock import FileLock, Timeout
from safetensors.torch import load_file, save_file
from timm.optim import create_optimizer_v2, list_optimizers
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils.data import DataLoader
from tqdm import tqdm

from entries import number, refuse, whole

log = logging.getLogger(__name__)
TIMED = 8  # steps after which a fit says how long it will take
UNRELATED = ("accuracy", "test_images", "device", "last_conv", "checkpoints")  # settings that no weight depends on


@dataclass(frozen=True)
class Fit:
    """One-cycle training over a sequence of image sizes; `fit(name, dataset, cache, epoch)` gives the weights file.

    `checkpoints` are the epochs, fractions among them, after which the network is kept on the way: 0 is before
    training, and those from the last epoch on are left out, as the finished weights are kept anyway.

    `architecture` is the network that is trained, if it is another one: `vgg16` is trained as timm's `vgg16_bn`, whose
    batch norms are then folded into its convolutions. `model_args` go to timm for both.

    With `removed_grid` = 8, half of the images of each batch lose patches of an 8 x 8 grid, so that images with removed
    patches are in the network's domain [Hesse et al. 2024]: a share of the patches, uniform in [0, 1], takes the mean
    colour. The paper removes one patch of a 4 x 4 grid, as its score does; our curves remove any number of patches.
    """

    seed: int
    sizes: tuple[int, ...]
    epochs: tuple[int, ...]  # at each of the sizes
    batch: int
    optimiser: str  # timm's name
    lr: float  # the peak
    weight_decay: float
    accuracy: float  # a test accuracy below this warns
    test_images: int
    architecture: str | None
    model_args: dict
    channels_last: bool  # the faster memory layout of some networks
    device: str
    last_conv: str  # the last layer with at least 4 x 4 positions at the last size, for methods that read maps
    checkpoints: tuple[float, ...]  # in epochs
    removed_grid: int | None = None  # patches along a side; left out of the key when null, as are older recipes

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        whole(self, seed=0, batch=2, test_images=1)
        if self.removed_grid is not None:
            whole(self, removed_grid=2)
        for name in ("lr", "weight_decay", "accuracy"):
            number(self, name, ">= 0", lambda value: value >= 0)
        for name in ("sizes", "epochs"):
            value = getattr(self, name)
            if not isinstance(value, list | tuple) or not all(type(item) is int and item >= 1 for item in value):
                refuse(self, name, f"a list of whole numbers >= 1 as {name}")
            object.__setattr__(self, name, tuple(value))
        points = self.checkpoints
        if not isinstance(points, list | tuple) or not all(type(p) in (int, float) and 0 <= p < inf for p in points):
            refuse(self, "checkpoints", "a list of epochs >= 0 as checkpoints")
        object.__setattr__(self, "checkpoints", tuple(sorted({int(p) if p == int(p) else p for p in points})))
        if self.optimiser not in list_optimizers():
            refuse(self, "optimiser", "an optimiser of timm")
        if len(self.sizes) != len(self.epochs) or not self.sizes:
            raise ValueError(f"Fit needs epochs for each size; epochs={self.epochs} for sizes={self.sizes} was given")

    def __call__(self, name: str, dataset: object, cache: Path, epoch: float | None = None) -> Path:
        """Return the weights file of timm's architecture `name` for this data set; fit it if the file is missing.

        With an `epoch`, return the checkpoint after so many; where it alone is missing, the fit runs once more.
        """
        if not hasattr(dataset, "train"):
            raise ValueError(
                f"weights=fit needs a data set with a train split and {type(dataset).__name__} has none; "
                "give weights=pretrained, weights=package or weights=FILE"
            )
        path = cache / f"{name}_{type(dataset).__name__.lower()}_{self.key(name, dataset)}.safetensors"
        files = {p: path.with_name(f"{path.stem}_epoch{p}{path.suffix}") for p in self.checkpoints if p < self.last}
        if epoch is not None and epoch not in (known := [*files, self.last]):
            kept = f"one of the epochs that the fit of {name} keeps, {', '.join(map(str, known))}"
            raise ValueError(f"model.epoch needs {kept}; {epoch} was given")
        wanted = files.get(epoch, path)
        if path.exists() and wanted.exists():
            return wanted
        cache.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock"))
        try:
            held = lock.acquire(timeout=0)
        except Timeout:
            print(f"waiting for another process that fits {name}", file=sys.stderr, flush=True)
            held = lock.acquire()
        with held:
            if not path.exists():
                self.write(path, *self.fitted(name, dataset, files))
            elif not wanted.exists():
                self.again(path, name, dataset, {p: file for p, file in files.items() if not file.exists()})
        return wanted

    @property
    def last(self) -> int:
        """The epoch after which the network is finished."""
        return sum(self.epochs)

    def again(self, path: Path, name: str, dataset: object, files: Mapping[float, Path]) -> None:
        """Fit the network of a weights file once more, for the checkpoints that are missing; the file stays."""
        log.info("%s has checkpoints missing beside its weights; its fit runs once more for them", name)
        state, before = self.fitted(name, dataset, files)[0].state_dict(), load_file(path)
        if before.keys() != state.keys() or not all(torch.equal(before[key], state[key]) for key in state):
            here = f"This machine, with {torch.get_num_threads()} threads, trains {name} otherwise"
            log.warning("%s than the one that wrote %s, to which the new checkpoints do not lead", here, path)

    def key(self, name: str, dataset: object) -> str:
        """Return a digest of all that determines the weights. A data set's `images` does not: it counts test images."""
        recipe = {k: v for k, v in asdict(self).items() if k not in UNRELATED}
        if self.removed_grid is None:
            del recipe["removed_grid"]
        data = {k: v for k, v in asdict(dataset).items() if k != "images"} if is_dataclass(dataset) else repr(dataset)
        source = f"{type(dataset).__module__}.{type(dataset).__qualname__}", getattr(dataset, "version", 1), data
        text = json.dumps([name, self.version, recipe, source], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def write(self, path: Path, network: nn.Module, accuracy: float | None, **facts: float) -> None:
        """Save the weights under a temporary name and rename them, so that no killed process leaves half a file."""
        facts = {name: repr(value) for name, value in facts.items()} | {
            "input_size": str(self.sizes[-1]),
            "model_args": json.dumps(self.model_args),
            "torch": torch.__version__,
            "timm": timm.__version__,
        }
        if accuracy is not None:
            facts["accuracy"] = f"{accuracy:.4f}"
        part = path.with_suffix(".part")
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, part, facts)
        part.replace(path)

    def fitted(self, name: str, dataset: object, files: Mapping[float, Path]) -> tuple[nn.Module, float]:
        """Return the trained network on the CPU and its accuracy on the test split; write the checkpoints by epoch."""
        available = "cuda" if torch.cuda.is_available() else "cpu"
        device = torch.device(available if self.device == "auto" else self.device)
        classes = len(dataset.classes)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            network = timm.create_model(self.architecture or name, num_classes=classes, **self.model_args)
            # inception_v3 starts with logits of +-4, which it needs more than an epoch to unlearn.
            nn.init.normal_(network.get_classifier().weight, std=0.01)
            self.train(network, name, dataset, device, files)
            network = self.finished(network, name)
            accuracy = self.tested(network, dataset)
        log.info("%s fitted on %s: test accuracy %.4f", name, type(dataset).__name__, accuracy)
        if accuracy < self.accuracy:
            reached = f"{name} reached a test accuracy of {accuracy:.3f} on {type(dataset).__name__}"
            log.warning("%s; its recipe promises %.3f", reached, self.accuracy)
        return network, accuracy

    def finished(self, network: nn.Module, name: str) -> nn.Module:
        """Return the network on the CPU in eval mode, as timm's architecture `name`; draw nothing."""
        network = network.cpu().to(memory_format=torch.contiguous_format).eval()
        if not self.architecture:
            return network
        with torch.random.fork_rng():
            plain = timm.create_model(name, num_classes=network.num_classes, **self.model_args)
        return folded(network, plain.eval())

    def train(
        self, network: nn.Module, name: str, dataset: object, device: torch.device, files: Mapping[float, Path]
    ) -> None:
        """Move the network to the device and train its weights in place; write the checkpoints on the way.

        A checkpoint's `lr` is that of the step which follows it.
        """
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        network.to(device, memory_format=layout)
        optimiser = create_optimizer_v2(network, self.optimiser, self.lr, self.weight_decay, momentum=0.9)
        epoch = max(1, len(dataset.train(self.sizes[0])[1]) // self.batch)
        steps = self.last * epoch
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, self.lr, max(steps, 4))
        normalise = normaliser(network, device)
        log.info("%s is fitted to %s once, in %d steps; its weights are kept", name, type(dataset).__name__, steps)
        bar = tqdm(total=steps, desc=f"fitting {name}", unit="step", disable=None, leave=False)
        network.train()

        def store(step: int) -> None:
            for point, path in files.items():
                if round(point * epoch) == step:
                    lr = schedule.get_last_lr()[0]
                    self.write(path, self.finished(deepcopy(network), name), None, epoch=point, step=step, lr=lr)

        store(0)
        start = perf_counter()
        with bar, torch.enable_grad():
            for step, (images, labels) in enumerate(self.batches(dataset), 1):
                images = normalise(images).contiguous(memory_format=layout)
                if self.removed_grid is not None:
                    images = images * kept(len(images), self.removed_grid, images.shape[-1]).to(images)
                loss = nn.functional.cross_entropy(network(images), labels.to(device))
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                store(step)
                bar.update()
                if step == TIMED:
                    seconds = self.duration((perf_counter() - start) / TIMED, steps)
                    log.info("This fit will take about %.1f minutes", seconds / 60)
                if bar.n % 10 == 0:
                    bar.set_postfix(loss=f"{loss.item():.2f}", size=images.shape[-1])

    def duration(self, step: float, steps: int) -> float:
        """Estimate the seconds of all steps from those of one of the first size: pixels cost alike."""
        pixels = sum(epochs * size**2 for size, epochs in zip(self.sizes, self.epochs, strict=True))
        return step * steps * pixels / (self.last * self.sizes[0] ** 2)

    def batches(self, dataset: object) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the full batches of every epoch, shuffled."""
        for size, epochs in zip(self.sizes, self.epochs, strict=True):
            images, labels = dataset.train(size)
            for _ in range(epochs):
                for index in torch.randperm(len(images)).split(self.batch):
                    if len(index) == min(self.batch, len(images)):
                        yield images[index], labels[index]

    @torch.no_grad()
    def tested(self, network: nn.Module, dataset: object) -> float:
        """Return the accuracy on `test_images` images of the test split."""
        if hasattr(dataset, "images"):
            dataset = replace(dataset, images=self.test_images)
        images = dataset.test(self.sizes[-1])
        normalise = normaliser(network, torch.device("cpu"))
        right = 0
        for _, pixels, labels, _ in DataLoader(images, self.batch):
            right += (network(normalise(pixels * 255)).argmax(1) == labels).sum().item()
        return right / len(images)


def kept(images: int, grid: int, size: int) -> Tensor:
    """Return masks (images, 1, size, size) that are 0 on removed patches; half of the images lose a random share."""
    share = torch.rand(images, 1, 1, 1) * (torch.rand(images, 1, 1, 1) < 0.5)
    patches = torch.rand(images, 1, grid, grid) >= share
    patch = torch.arange(size) * grid // size
    return patches[..., patch, :][..., patch].float()


def normaliser(network: nn.Module, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Return the function that turns bytes (n, 3, h, w) into network inputs, by the mean and deviation of timm."""
    config = timm.data.resolve_model_data_config(network)
    mean, std = (255 * torch.tensor(config[key], device=device)[:, None, None] for key in ("mean", "std"))
    return lambda images: (images.to(device) - mean) / std


def folded(trained: nn.Module, plain: nn.Module) -> nn.Module:
    """Return the plain network with the trained one's convolutions and batch norms merged; both compute the same."""
    layers, convolutions = [*trained.features], [layer for layer in plain.features if isinstance(layer, nn.Conv2d)]
    pairs = [(a, b) for a, b in pairwise(layers) if isinstance(b, nn.BatchNorm2d)]
    for target, (convolution, norm) in zip(convolutions, pairs, strict=True):
        target.load_state_dict(fuse_conv_bn_eval(convolution, norm).state_dict())
    rest = {key: value for key, value in trained.state_dict().items() if not key.startswith("features.")}
    plain.load_state_dict({**plain.state_dict(), **rest})
    return plain
