"""Networks and images so small that tests can check them by plain loops."""

import torch
from torch import Tensor, nn

from methods.examples.training import Training


def linear(channels: int, side: int, classes: int) -> nn.Module:
    """A network that is its head: the features are the pixels."""
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * side**2, classes)).eval().requires_grad_(False)


def convolutional(classes: int) -> nn.Module:
    """A network whose head is a 1 x 1 convolution without a bias, before pooling."""
    layers = nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, classes, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*layers).eval().requires_grad_(False)


def labelled(images: int, width: int, classes: int) -> tuple[Tensor, Tensor]:
    """Features (n, d) float64 of classes that overlap, and labels; some of the labels are drawn at random."""
    y = torch.arange(images) % classes
    h = torch.randn(images, width).double() + torch.randn(classes, width).double()[y]
    return h, torch.where(torch.rand(images) < 0.1, torch.randint(classes, (images,)), y)


def training(images: int = 60, classes: int = 3, **more: object) -> tuple[Training, Tensor, Tensor]:
    """A linear network of 12 pixels with training images, 7 test images, and the classes to explain."""
    x, y = labelled(images + 7, 12, classes)
    x = x.float().view(-1, 3, 2, 2)
    return Training(linear(3, 2, classes), x[7:], y[7:], 16, **more), x[:7], y[:7]
