"""Small random networks of several families, for tests of methods."""

from copy import deepcopy
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from unittest import mock

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from models import zoo


class Block(nn.Module):
    """A residual block with batch norm and ReLUs that work in place, one of them on the sum."""

    def __init__(self, k: int):
        super().__init__()
        self.conv1, self.bn1, self.relu1 = nn.Conv2d(k, k, 3, padding=1), nn.BatchNorm2d(k), nn.ReLU(inplace=True)
        self.conv2, self.bn2, self.relu2 = nn.Conv2d(k, k, 3, padding=1), nn.BatchNorm2d(k), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu2(self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x))))) + x)


class Branches(nn.Module):
    """Two branches side by side, as in an inception block."""

    def __init__(self, k: int):
        super().__init__()
        self.narrow = nn.Sequential(nn.Conv2d(k, k, 1), nn.BatchNorm2d(k), nn.ReLU(inplace=True))
        self.wide = nn.Sequential(nn.Conv2d(k, k, 3, padding=1), nn.BatchNorm2d(k), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.narrow(x), self.wide(x)], 1)


def head(k: int, classes: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(k, classes)]


class Mobile(nn.Module):
    """What mobile networks have: padding of one side only, clipped ReLUs and convolutions of single channels."""

    def __init__(self, k: int = 6, classes: int = 4):
        super().__init__()
        self.stem, self.bn1 = nn.Conv2d(3, k, 3, 2), nn.BatchNorm2d(k)
        self.depthwise, self.bn2 = nn.Conv2d(k, k, 3, groups=k), nn.BatchNorm2d(k)
        self.bottleneck, self.bn3 = nn.Conv2d(k, k, 1, bias=False), nn.BatchNorm2d(k)
        self.head = nn.Linear(k, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.stem(functional.pad(x, (0, 1, 0, 1)))).clamp(0, 6)
        y = functional.relu6(self.bn2(self.depthwise(functional.pad(x, [1, 1, 1, 1], value=0.0))))
        y = functional.pad(self.bn3(self.bottleneck(y)) + x, (0, 1, 0, 1), value=-torch.inf)
        y = functional.hardtanh(functional.max_pool2d(y, 3, 2), -2, 2)
        return self.head(y.mean((2, 3)))

    def get_classifier(self) -> nn.Linear:
        return self.head


class Gated(nn.Module):
    """Gates of three sorts: squeeze-and-excitation, split attention by a softmax, and a gated linear unit."""

    def __init__(self, k: int = 6, classes: int = 4):
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, k, 3, 2, padding=1, bias=False), nn.BatchNorm2d(k)
        self.squeeze, self.excite = nn.Conv2d(k, 3, 1), nn.Conv2d(3, k, 1)
        self.one, self.two, self.split = nn.Conv2d(k, k, 1), nn.Conv2d(k, k, 3, padding=1), nn.Conv2d(k, 2 * k, 1)
        self.unit, self.other, self.head = nn.Conv2d(k, k, 3), nn.Conv2d(k, k, 3), nn.Linear(k, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.hardswish(self.bn(self.stem(x)))
        gate = functional.relu(self.squeeze(x.mean((2, 3), keepdim=True)))
        x = functional.hardsigmoid(self.excite(gate)) * x
        pair = torch.stack([self.one(x), self.two(x)], dim=1)
        gate = self.split(pair.sum(dim=1).mean((2, 3), keepdim=True)).view(x.shape[0], 2, -1, 1, 1)
        x = functional.relu(torch.sum(pair * torch.softmax(gate, dim=1), 1))
        return self.head((self.unit(x) * functional.gelu(self.other(x))).mean((2, 3)))

    def get_classifier(self) -> nn.Linear:
        return self.head


class Normed(nn.Module):
    """Norms over channels and groups, linear layers at every pixel, a difference, a square and upsampling."""

    def __init__(self, k: int = 6, classes: int = 4):
        super().__init__()
        self.stem, self.norm1 = nn.Conv2d(3, k, 4, 4), nn.LayerNorm(k)
        self.up, self.down, self.scale = nn.Linear(k, 2 * k), nn.Linear(2 * k, k), nn.Parameter(torch.rand(k))
        self.norm2, self.pool, self.wide = nn.GroupNorm(2, k), nn.AvgPool2d(3, 1, 1), nn.Conv2d(k, k, 3, 2, 1)
        self.norm3, self.head = nn.LayerNorm(k), nn.Linear(k, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).permute(0, 2, 3, 1)
        x = x + self.scale * self.down(torch.square(functional.relu(self.up(self.norm1(x)))))
        x = x.permute(0, 3, 1, 2).contiguous()
        y = self.norm2(x)
        x = x + (self.pool(y) - y)
        x = x + functional.interpolate(self.wide(x), scale_factor=2, mode="bilinear")
        return self.head(functional.gelu(self.norm3(x.permute(0, 2, 3, 1).mean((1, 2)))))

    def get_classifier(self) -> nn.Linear:
        return self.head


class Assorted(nn.Module):
    """Operations whose forms are made of others, with constants on either side."""

    def __init__(self):
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(8, 4)
        self.shift, self.scale = (nn.Parameter(torch.randn(1, 4, 1, 1)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = 1 - self.conv(functional.pad(x, (1, 1, 2, 2), mode="reflect"))
        x = torch.add(x, x.sigmoid(), alpha=-0.5) / 2
        x = torch.addcmul(self.shift, self.scale, x * (x.pow(2).mean(1, keepdim=True) + 1).rsqrt())
        gate = functional.adaptive_avg_pool2d(x, 1).sigmoid().expand_as(x)
        x = functional.group_norm(x * gate, 2) + functional.interpolate(
            functional.hardtanh(functional.max_pool2d(x, 2)), x.shape[2:]
        ).clamp(max=0.5)
        x = torch.stack([x, functional.layer_norm(x, x.shape[1:])], 1).flatten(1, 2)
        return self.out((x * x).sum((2, 3)).clamp(min=1).sqrt())


class Network(nn.Sequential):
    """`features` and then `head`."""

    def __init__(self, features: list[nn.Module], head: list[nn.Module]):
        super().__init__()
        self.features, self.head = nn.Sequential(*features), nn.Sequential(*head)


def residual(k: int = 6, classes: int = 4) -> nn.Module:
    stem = [nn.Conv2d(3, k, 3, stride=2, padding=1), nn.BatchNorm2d(k), nn.ReLU(inplace=True)]
    return Network([*stem, Block(k), nn.MaxPool2d(2), Block(k)], head(k, classes))


def plain(k: int = 6, classes: int = 4) -> nn.Module:
    features = [nn.Conv2d(3, k, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(k, k, 3, padding=1)]
    features += [nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(k, k, 3, padding=1), nn.ReLU(inplace=True)]
    hidden = [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * k, 8), nn.ReLU(inplace=True), nn.Dropout()]
    return Network(features, [*hidden, nn.Linear(8, classes)])


def branches(k: int = 6, classes: int = 4) -> nn.Module:
    stem = [nn.Conv2d(3, k, 3, stride=2, padding=1), nn.BatchNorm2d(k), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    return Network([*stem, Branches(k), Branches(2 * k)], head(4 * k, classes))


def resnet18(classes: int = 4) -> nn.Module:
    """Timm's with narrow blocks: a hundredth of the weights, and every kind of block."""
    return timm.create_model("resnet18", num_classes=classes, channels=(16, 16, 16, 16))


def vgg16(classes: int = 4) -> nn.Module:
    """Timm's, a quarter as wide."""
    widths = ((16, 16), (32, 32), (64, 64, 64), (128, 128, 128), (128, 128, 128))
    layers = [layer for stage in widths for layer in (*stage, "M")]
    return timm.models.vgg.VGG(layers, num_classes=classes, mlp_ratio=1 / 32)


def inception_v3(classes: int = 4) -> nn.Module:
    """Timm's, an eighth as wide."""
    module = import_module("timm.models.inception_v3")
    plain = module.ConvNormAct
    with mock.patch.object(module, "ConvNormAct", lambda i, o, **rest: plain(i if i == 3 else i // 8, o // 8, **rest)):
        model = timm.create_model("inception_v3", num_classes=classes)
    model.fc = nn.Linear(model.fc.in_features // 8, classes)
    return model


@torch.no_grad()
def ready(model: nn.Module, side: int = 32) -> nn.Module:
    """Make a random network behave like a fitted one: live batch norms, logits that tell images apart; frozen."""
    x, _ = images(16, side)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # the running statistics become those of the next pass
            module.weight.uniform_(0.5, 1.5)
            module.bias.normal_(0, 0.2)
    model.train()(x)
    head = model.get_classifier() if hasattr(model, "get_classifier") else model.head
    (*_, last) = (module for module in head.modules() if isinstance(module, nn.Linear | nn.Conv2d))
    last.weight.mul_(1 / model.eval()(x).std(0).mean())
    last.bias.sub_(model(x).mean(0))
    return model.requires_grad_(False)


@torch.no_grad()
def moved(model: nn.Module) -> nn.Module:
    """Draw what starts as a constant, as if training had moved it: biases, scales of norms and of residual branches."""
    for parameter in model.parameters():
        if (parameter == parameter.flatten()[0]).all():
            parameter.uniform_(0.5, 1.5) if parameter.any() else parameter.normal_(0, 0.2)
    return model


@torch.no_grad()
def randomised(model: nn.Module, bias: bool = True) -> nn.Module:
    """Draw every weight and statistic again, biases and means only if asked (else 0), and freeze."""
    rng = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=rng).mul_(bias)
            module.running_var.uniform_(0.5, 2, generator=rng)
            module.weight.uniform_(0.5, 1.5, generator=rng)
            module.bias.normal_(0, 0.2, generator=rng).mul_(bias)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            module.weight.normal_(0, (2 / module.weight[0].numel()) ** 0.5, generator=rng)
            if module.bias is not None:
                module.bias.normal_(0, 0.1, generator=rng).mul_(bias)
    return model.eval().requires_grad_(False)


def not_in_place(model: nn.Module) -> nn.Module:
    """Copy a network so that no module overwrites what it is given, as other libraries want it."""
    model = deepcopy(model)
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    return model


# name: (how to build it, a layer of more than 2 x 2 pixels on images of 32 x 32)
FAMILIES = {
    "residual": (residual, "features"),
    "plain": (plain, "features"),
    "branches": (branches, "features"),
    "resnet18": (resnet18, "layer1"),
}


def network(family: str, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return ready(FAMILIES[family][0]())


built = cache(network)


@dataclass(frozen=True)
class Tiny:
    """A model of conf/model: a random network of a family, whatever the data set."""

    family: str

    def __call__(self, dataset: object) -> zoo.Network:
        return zoo.Network(built(self.family), (0.5,) * 3, (0.25,) * 3, 32, self.family)


def images(n: int = 3, side: int = 32, classes: int = 4) -> tuple[Tensor, Tensor]:
    """Coloured clouds with grain, and targets."""
    rng = torch.Generator().manual_seed(1)
    clouds = functional.interpolate(2 * torch.randn(n, 3, 4, 4, generator=rng), (side, side), mode="bicubic")
    return clouds + 0.3 * torch.randn(n, 3, side, side, generator=rng), torch.arange(n) % classes


OWN = {"mobile": Mobile, "gated": Gated, "normed": Normed}

# timm's name: (how to build it, a layer for CAM methods, height and width of the images: one pair fits no grid)
ARCHITECTURES = {
    "vgg16": (vgg16, "features.3", (32, 32)),
    "resnet18": (resnet18, "layer1", (62, 46)),
    "inception_v3": (inception_v3, "Conv2d_2b_3x3", (75, 75)),
}


@cache
def architecture(name: str, whole: bool = False) -> tuple[nn.Module, Tensor, Tensor, str]:
    """One of timm's networks in float64 with random weights, two images, their targets and the layer's name.

    `whole` asks for Inception v3 as wide as timm's, which the published table has.
    """
    build, layer, (height, width) = ARCHITECTURES[name]
    if whole and build is inception_v3:
        build = partial(timm.create_model, name, num_classes=4)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = ready(build(), height)
    x, target = images(2, height)
    return model.double(), x[..., :width].double(), target + 1, layer


@cache
def precise(name: str, side: int = 0) -> tuple[nn.Module, Tensor, Tensor]:
    """A network of `OWN` or timm's in float64 with live batch norms, two images and their targets.

    Without a side, `ARCHITECTURES` are the narrow ones that stand there.
    """
    if not side and name in ARCHITECTURES:
        return architecture(name)[:3]
    side = side or 32
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = moved(OWN[name]() if name in OWN else timm.create_model(name, num_classes=4))
        model = ready(model, side)
    x, target = images(2, side)
    return model.double(), x.double(), target + 1
