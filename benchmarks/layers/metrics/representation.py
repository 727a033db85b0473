"""Correlation of features (n, c), one row per image: within a layer, with the classes, and between layers by CKA.

All of it is computed in float64. A channel that is constant over the images has no correlation: it is left out, and
`DeadChannels` counts it.
"""

import json
from functools import partial
from itertools import combinations
from math import ceil, inf, nan

import torch
from torch import Tensor

from benchmarks.layers.alignment import LEAST, alive, averaged, cka, gram, hsic, residual
from benchmarks.layers.represented import Represented
from entries import Inapplicable, number, scores, whole

represents = partial(scores, "representation")
aligns = partial(
    represents, bounds=(-1.0, 1.0), undefined="all images have the same features in one of the layers", passes=(0, 0, 0)
)


def layers(metric: object, represented: Represented) -> list[str]:
    """Return what the scores are of: every layer."""
    return [*represented.names]


def pairs(metric: object, represented: Represented) -> list[str]:
    """Return what the scores are of: every pair of layers once, as a list in JSON."""
    return [json.dumps(pair) for pair in combinations(represented.names, 2)]


def each_layer(metric: object, represented: Represented) -> Tensor:
    """Return the score of every layer (l,)."""
    labels = represented.labels.cpu()
    return torch.tensor([metric.of(features, labels) for features in represented.features], dtype=torch.float64)


def standardised(features: Tensor) -> Tensor:
    """Return the channels that vary (n, c), each with mean 0 and norm 1, so that products are correlations."""
    x = features[:, alive(features)].double()
    x = x - x.mean(0)
    return x / x.norm(dim=0)


def correlations(features: Tensor) -> Tensor:
    """Return |rho| of every pair of channels that vary, each pair once."""
    z = standardised(features)
    return (z.T @ z).abs()[tuple(torch.triu_indices(z.shape[1], z.shape[1], 1))]


@represents(higher_is_better=False, bounds=(0.0, 1.0), undefined="fewer than two channels of the layer vary")
class FeatureCorrelation:
    """Mean |rho| over all pairs of a layer's channels; rho is Pearson's correlation over images.

    Independent channels have about .8 / sqrt(n), which the Gaussian control shows.
    """

    parts = layers
    __call__ = each_layer

    def of(self, features: Tensor, labels: Tensor) -> float:
        return float(correlations(features).mean())


@represents(higher_is_better=False, bounds=(0.0, 1.0), undefined="fewer than two channels of the layer vary")
class FeatureRedundancy:
    """Share of all pairs of a layer's channels whose |rho| is above the threshold."""

    threshold: float
    parts = layers
    __call__ = each_layer

    def __post_init__(self) -> None:
        number(self, "threshold", "in [0, 1)", lambda threshold: 0 <= threshold < 1)

    def of(self, features: Tensor, labels: Tensor) -> float:
        return float((correlations(features) > self.threshold).double().mean())


@represents(
    higher_is_better=True,
    cites="Roy & Vetterli 2007",
    bounds=(1.0, inf),
    undefined="no channel of the layer varies",
)
class EffectiveRank:
    """How many directions a layer's features fill: exp(entropy of eigenvalues) [Roy & Vetterli 2007].

    The eigenvalues are those of the channels' correlation matrix, over their sum; the paper takes the singular values
    of a matrix. The score of d independent channels tends to d as images are added, and stays when every channel is
    given twice. Of n images it is at most n - 1. With fewer images than channels it tells how many images there are
    more than how the layer works, so that only scores of the same number of images can be compared.
    """

    parts = layers
    __call__ = each_layer

    def of(self, features: Tensor, labels: Tensor) -> float:
        z = standardised(features)
        if not z.shape[1]:
            return nan
        values = torch.linalg.eigvalsh(z @ z.T if len(z) < z.shape[1] else z.T @ z).clamp(min=0)
        return float(torch.special.entr(values / values.sum()).sum().exp())


@represents(
    higher_is_better=True,
    cites="Pearson 1905",
    bounds=(0.0, 1.0),
    undefined="no channel of the layer varies, or all images are of one class",
)
class ClassCorrelation:
    """Mean over a layer's channels of the correlation ratio with the class [Pearson 1905].

    The ratio is the square root of what share of the channel's variance lies between the means of the classes. With two
    classes it is |rho| of the channel with the class. If k classes and n images had nothing to do with one another, its
    square would be (k - 1) / (n - 1) on average, which the Gaussian control shows.
    """

    parts = layers
    __call__ = each_layer

    def of(self, features: Tensor, labels: Tensor) -> float:
        _, index, count = labels.unique(return_inverse=True, return_counts=True)
        if len(count) < 2:
            return nan
        z = standardised(features)
        sums = torch.zeros(len(count), z.shape[1], dtype=z.dtype).index_add_(0, index, z)
        return float((sums.square() / count[:, None]).sum(0).sqrt().mean())


@represents(higher_is_better=False, bounds=(0.0, 1.0))
class DeadChannels:
    """Share of a layer's channels that have the same feature for all images.

    The same is what differs by less than 1e-6 of the channel's largest feature, since features are sums in float32.
    """

    parts = layers
    __call__ = each_layer

    def of(self, features: Tensor, labels: Tensor) -> float:
        return 1 - float(alive(features).double().mean())


def minibatched(metric: object) -> None:
    """Refuse what is no size of a minibatch, half of which still needs enough images, and what is no seed."""
    whole(metric, minibatch=2 * LEAST, seed=0)


def all_hsic(metric: object, represented: Represented) -> Tensor:
    """Return the HSIC (1 + l, 1 + l) of the pixels and all layers with one another; refuse a single layer."""
    if len(represented.names) < 2:
        raise Inapplicable(f"{type(metric).__name__} needs two layers or more; {represented.names[0]} is the only one")
    features = [represented.x.flatten(1).cpu(), *represented.features]
    compute = lambda index: hsic([gram(f[index]) for f in features])  # noqa: E731
    key = ("hsic", metric.minibatch, metric.seed)
    return represented.once(key, lambda: averaged(metric, len(represented.x), compute))


def of_pairs(matrix: Tensor) -> Tensor:
    """Return the entries of a matrix (l, l) in the order of `pairs`."""
    return matrix[tuple(torch.triu_indices(*matrix.shape, 1))]


@aligns(higher_is_better=True, cites="Kornblith et al. 2019; Song et al. 2012; Nguyen et al. 2021")
class Cka:
    """Unbiased linear CKA of every pair of layers [Kornblith et al. 2019; Song et al. 2012].

    It is HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) of the Gram matrices of both layers' features, which are not
    standardised. 1 says that the features are the same but for a rotation and a scale. Independent features have about
    0, whatever their number; the biased form of the paper gives them c / (c + n) of c channels and n images.
    """

    minibatch: int
    seed: int
    parts = pairs
    __post_init__ = minibatched

    def __call__(self, represented: Represented) -> Tensor:
        return of_pairs(cka(all_hsic(self, represented)[1:, 1:]))


@aligns(
    higher_is_better=True,
    cites="Cui et al. 2022",
    undefined="all images have the same features in one of the layers, or its Gram matrix is a multiple of the input's",
)
class CkaResidual:
    """CKA of every pair of layers after regression on the input's Gram matrix [Cui et al. 2022].

    Networks look alike because their inputs do: from each Gram matrix the part is taken that is a multiple of the Gram
    matrix of the pixels, by least squares. The authors regress and compare matrices as in the biased form, and their
    code can remove negative eigenvalues of what is left; here the matrices are those of the unbiased form, and the
    score is the partial correlation (c_ab - c_ap c_bp) / sqrt((1 - c_ap^2) (1 - c_bp^2)) of CKA with the pixels p.
    """

    minibatch: int
    seed: int
    parts = pairs
    __post_init__ = minibatched

    def __call__(self, represented: Represented) -> Tensor:
        return of_pairs(cka(residual(all_hsic(self, represented))))


@aligns(higher_is_better=False, cites="Davari et al. 2023", bounds=(-2.0, 2.0))
class CkaInfluence:
    """What CKA of a pair of layers gains without the farthest images [after Davari et al. 2023].

    The authors show that few far points can decide CKA; the rule is ours. An image's norm is its distance from the mean
    image in the features. Squared, over its sum, and added up over both layers, it says which `share` of the images,
    rounded up, is left out of each minibatch. A score far from 0, of either sign, says that a few images make the CKA.
    """

    minibatch: int
    seed: int
    share: float
    parts = pairs

    def __post_init__(self) -> None:
        minibatched(self)
        number(self, "share", "in (0, .5]", lambda share: 0 < share <= 0.5)

    def __call__(self, represented: Represented) -> Tensor:
        of_all = of_pairs(cka(all_hsic(self, represented)[1:, 1:]))
        return cka(averaged(self, len(represented.x), partial(self.without, represented)))[:, 0, 1] - of_all

    def without(self, represented: Represented, index: Tensor) -> Tensor:
        """Return the HSIC (pairs, 2, 2) of each pair of layers without the far images of a minibatch."""
        kept = len(index) - ceil(self.share * len(index))
        if kept < LEAST:
            raise Inapplicable(f"CkaInfluence needs {LEAST} images that are not left out; {kept} are left")
        grams = [gram(features[index]) for features in represented.features]
        norms = [g.diagonal() / g.trace() for g in grams]
        both = []
        for a, b in combinations(range(len(grams)), 2):
            near = (norms[a] + norms[b]).argsort(stable=True)[:kept]
            both.append(hsic([g[near][:, near] for g in (grams[a], grams[b])]))
        return torch.stack(both)


@aligns(
    higher_is_better=True,
    cites="Kornblith et al. 2019",
    passes="1 of the network at its last epoch, where that is another one",
)
class CkaToLast:
    """Unbiased linear CKA of every layer with the same layer of the network at its last epoch.

    It is 1 at the last epoch itself. A control is compared with the trained network, too.
    """

    minibatch: int
    seed: int
    parts = layers
    __post_init__ = minibatched

    def __call__(self, represented: Represented) -> Tensor:
        both = [*zip(represented.features, represented.last(), strict=True)]
        compute = lambda index: torch.stack([hsic([gram(f[index]) for f in pair]) for pair in both])  # noqa: E731
        return cka(averaged(self, len(represented.x), compute))[:, 0, 1]
