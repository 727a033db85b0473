"""Known answers of visualisations: colours that are seen by units for colours."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmarks.conformance.answers import Answer
from benchmarks.units.visualised import Visualised
from methods.units.reading import Units, units_of

NAN = torch.nan


def colours(scale: float = 1.0, red: float = 0.0, order: tuple[int, ...] = (0, 1, 2)) -> Units:
    """Return the units red, red and not green, and one that nothing activates."""
    convolution = nn.Conv2d(3, 3, 1)
    weight = torch.tensor([[1.0, 0, 0], [1, -1, 0], [1, 1, 1]])[list(order), :, None, None]
    convolution.load_state_dict({"weight": scale * weight, "bias": torch.tensor([red, 0, -9])[list(order)]})
    model = nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    return units_of(model.eval().requires_grad_(False), torch.zeros(1, 3, 8, 8), "1", None, 8)


def plain(*colours: tuple[float, float, float]) -> Tensor:
    """Return images of one colour each."""
    return torch.tensor(colours)[:, :, None, None].expand(-1, -1, 8, 8).clone()


def visualised(other: Units | None = None) -> Visualised:
    """The units have an image each; the held-out images activate the first two by .5 at most."""
    x, held_out = plain((0.1, 0.9, 0), (0.4, 0.1, 0), (0.9, 0.8, 0)), plain((0.5, 0, 0), (0.3, 0, 0.9), (0, 0.7, 0))
    images, dead, network = plain((1, 0, 0), (0.6, 0.2, 0), (1, 1, 1)), torch.tensor([0, 0.5, 1]), colours()
    return Visualised(network.model, x, held_out, network, images, dead, lambda: other, lambda x: [])


def activation_ratio(metric) -> Iterator[Answer]:
    seen = visualised()
    yield Answer("units of colours", "plain colours", seen, [2, 0.8, NAN])
    yield Answer("units of colours", "darker colours", replace(seen, images=seen.images / 2, shared={}), [1, 0.4, NAN])


def jitter_ratio(metric) -> Iterator[Answer]:
    seen = visualised()
    yield Answer("units of colours", "plain colours", seen, [1, 1, NAN])
    corner = torch.zeros(3, 3, 8, 8)
    corner[:, 0, 0, 0] = 1
    yield Answer(
        "units of colours", "a point in the corner", replace(seen, images=corner, shared={}), [3 / 8, 3 / 8, NAN]
    )


def transfer(metric) -> Iterator[Answer]:
    copy, late = colours(2, order=(2, 0, 1)), colours(red=-0.25)
    yield Answer("units of colours", "a copy in another order", visualised(copy), [2, 0.8, NAN])
    yield Answer("units of colours", "a unit with a threshold", visualised(late), [3, 0.8, NAN])


def path_similarity(metric) -> Iterator[Answer]:
    """Spearman's correlation of the features is 1, .8 or -1, and of the three pairs of real images 1, -1 and -1."""
    rising, near, falling = [1.0, 2, 3, 4], [2.0, 1, 3, 4], [4.0, 3, 2, 1]
    seen, two = visualised(), replace(metric, top=2)
    for question, shown, score in (
        ("the way of the top images", rising, 1),
        ("a way that is near", near, 0.85),
        ("the way of another image", falling, -0.5),
    ):
        ways = {0.5: [rising, rising, falling], 1.0: [shown] * 3}
        path = lambda x, ways=ways: [torch.tensor(ways[x[0, 0, 0, 0].item()])]  # noqa: E731
        own = replace(seen, path=path, network=replace(seen.network, index=(0, 1)), images=seen.images[[0, 0]])
        yield Answer("units of colours", question, own, [score] * len(own.images), metric=two)


def dead_starts(metric) -> Iterator[Answer]:
    seen = visualised()
    yield Answer("set by hand", "starts", seen, [0, 0.5, 1])
    yield Answer("set by hand", "no starts", replace(seen, dead_starts=torch.full((3,), NAN)), [NAN] * 3)
