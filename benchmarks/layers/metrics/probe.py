"""What the probes of a network's layers predict: how well, from which layer on, and how much by heart.

A layer without predictions has no scores; where layers are counted, it is passed over.
"""

from functools import partial
from math import inf

import torch
from torch import Tensor
from torch.nn.functional import pad

from benchmarks.explained import draws
from benchmarks.layers.probed import Probed
from entries import Inapplicable, number, refuse, scores, whole

predicts = partial(scores, "probe")
UNKNOWN = "the layer has no prediction, or the image no known label"


def layers(metric: object, probed: Probed) -> list[str]:
    """Return what the scores of an image are of: every layer."""
    return [*probed.names]


def decision(metric: object, probed: Probed) -> list[str]:
    """Return what the score of an image is of: its whole decision."""
    return [""]


@predicts(higher_is_better=True, bounds=(0.0, 1.0), undefined=UNKNOWN)
class LayerAccuracy:
    """Does the probe of a layer predict the true class? 1 or 0, (n, l)."""

    parts = layers
    of_images = True

    def __call__(self, probed: Probed) -> Tensor:
        hits = (probed.probabilities.argmax(2) == probed.labels).double()
        return torch.where(defined(probed), hits, torch.nan).T


@predicts(higher_is_better=True, bounds=(0.0, 1.0), undefined=UNKNOWN)
class LayerProbability:
    """The probability that the probe of a layer gives to the true class, (n, l)."""

    parts = layers
    of_images = True

    def __call__(self, probed: Probed) -> Tensor:
        label = probed.labels.clamp(min=0)[None, :, None].expand(len(probed.names), -1, 1)
        return torch.where(defined(probed), probed.probabilities.gather(2, label)[..., 0], torch.nan).T


@predicts(higher_is_better=False, cites="Baldock et al. 2021", bounds=(1.0, inf))
class DecisionDepth:
    """The first layer from which all probes say what the network says, (n,) [Baldock et al. 2021].

    Layers count from 1, and it is one more than there are if the last probe does not agree. The paper reads nearest
    neighbours; here any probe gives a depth.
    """

    parts = decision
    of_images = True

    def __call__(self, probed: Probed) -> Tensor:
        return settled(probed, probed.probabilities.argmax(2) == probed.logits.argmax(1))


@predicts(
    higher_is_better=False, bounds=(1.0, inf), undefined="the network is right about the image, or its label is unknown"
)
class Divergence:
    """Of an image that the network gets wrong, the first layer from which no probe is right, (n,).

    Layers count from 1, and it is one more than there are if the last probe still predicts the true class.
    """

    parts = decision
    of_images = True

    def __call__(self, probed: Probed) -> Tensor:
        wrong = (probed.logits.argmax(1) != probed.labels) & (probed.labels >= 0)
        return torch.where(wrong, settled(probed, probed.probabilities.argmax(2) != probed.labels), torch.nan)


def defined(probed: Probed) -> Tensor:
    """Return where a layer has a prediction of an image with a known label, (l, n)."""
    return ~probed.probabilities.isnan().any(2) & (probed.labels >= 0)


def settled(probed: Probed, holds: Tensor) -> Tensor:
    """Return the first layer (n,), from 1, from which it holds (l, n) in all later ones that have predictions."""
    having = (~probed.probabilities.isnan().flatten(1).any(1)).nonzero()[:, 0]
    last = holds[having].flip(0).int().cumprod(0).sum(0)
    return torch.cat([having, torch.tensor([len(holds)])])[len(having) - last].double() + 1


@predicts(
    higher_is_better=True,
    cites="Hewitt & Liang 2019",
    bounds=(-1.0, 1.0),
    undefined="the probe fits nothing",
    passes="1 for each rendering of each image, once",
)
class Selectivity:
    """Accuracy of each layer (l,) minus that on classes drawn at random [Hewitt & Liang 2019].

    In the paper every type of word has a random class and each of its occurrences is a token. Here the first `images`
    train images are types and their `renderings` tokens: shifted by reflection up to the share `shift` of the side,
    flipped at random, with pixels times 1 - `brightness` to 1 + `brightness`. The probe is fitted twice on the first
    half of each image's renderings and scored on the other half: with the images' classes and with random ones. A layer
    that knows images by heart has 1 - 1 = 0; one in which only classes are left has nearly 1 minus chance.
    """

    images: int
    renderings: int
    shift: float
    brightness: float
    seed: int
    parts = layers
    of_images = False

    def __post_init__(self) -> None:
        whole(self, images=2, renderings=2, seed=0)
        if self.renderings % 2:
            refuse(self, "renderings", "an even number of renderings")
        number(self, "shift", "in [0, 0.5)", lambda shift: 0 <= shift < 0.5)
        number(self, "brightness", "in [0, 1)", lambda brightness: 0 <= brightness < 1)

    def __call__(self, probed: Probed) -> Tensor:
        if "train" not in probed.probe.needs:
            raise Inapplicable(f"Selectivity needs a probe that is fitted; {type(probed.probe).__name__} fits nothing")
        x, labels = (part[: self.images] for part in probed.train())
        rng = draws(self.seed, "selectivity")
        tokens = torch.cat([self.rendered(probed, x, rng) for _ in range(self.renderings)])
        seen = labels.unique()
        drawn = seen[torch.randint(len(seen), labels.shape, generator=rng).to(seen.device)]
        true, control = (self.accuracy(probed, *tokens.chunk(2), classes) for classes in (labels, drawn))
        return true - control

    def rendered(self, probed: Probed, x: Tensor, rng: torch.Generator) -> Tensor:
        """Return every image (m, 3, h, w) as another rendering shows it."""
        n, h, w = len(x), *x.shape[2:]
        mean, std = probed.mean[:, None, None], probed.std[:, None, None]
        reach = int(self.shift * min(h, w))
        top, left = torch.randint(2 * reach + 1, (2, n), generator=rng).tolist()
        flip = (torch.rand(n, generator=rng) < 0.5).to(x.device)[:, None, None, None]
        factor = (1 + self.brightness * (2 * torch.rand(n, generator=rng) - 1)).to(x.device)[:, None, None, None]
        wide = pad(x, (reach,) * 4, mode="reflect")
        x = torch.stack([wide[i, :, t : t + h, s : s + w] for i, (t, s) in enumerate(zip(top, left, strict=True))])
        pixels = (torch.where(flip, x.flip(3), x) * std + mean) * factor
        return (pixels.clamp(0, 1) - mean) / std

    def accuracy(self, probed: Probed, train: Tensor, test: Tensor, classes: Tensor) -> Tensor:
        """Return how often each layer (l,) predicts the class of an image from a rendering not seen before."""
        known = classes.repeat(len(train) // len(classes))
        predict = probed.probe(probed.network, train, known, probed.logits.shape[1])
        return (predict(test).argmax(2) == known.cpu()).double().mean(1)
