"""The map of an image that was attacked: all measures share the attacked images, and so do all methods."""

from dataclasses import dataclass

from torch import Tensor

from benchmarks.attacks import log_odds_against
from benchmarks.explained import Explained
from benchmarks.maps.metrics.robustness.noise import MEASURES, alike, measured, similarity
from entries import choice, number, whole

REACH = 2.5  # radii that all steps together can go: along the whole ball, and some way back


def check_attack(metric: object) -> None:
    choice(metric, "measure", MEASURES)
    number(metric, "radius", "in (0, 1], in pixel units", lambda r: 0 < r <= 1)
    whole(metric, iterations=1, seed=0)


@alike(cites="Madry et al. 2018; Ghorbani et al. 2019", undefined="the map, or that of the attacked image, is constant")
@dataclass(frozen=True)
class AttackStability:
    """Similarity of the map with that of an image attacked by projected gradients [Madry et al. 2018].

    The attack makes `iterations` steps of 2.5 `radius` / `iterations` along the sign of the gradient of the explained
    class's cross-entropy, and stays within `radius` pixel units (L-infinity) of the image and within [0, 1]. Departs
    from the paper: it starts from the image itself in place of a random point, so that one attack serves all methods
    and seeds. Ghorbani et al. 2019 attack the map and keep the prediction. Here the prediction is attacked without
    knowledge of the method, and the map is that of the class explained before. `measure` is one of those of
    `NoiseStability`; `seed` breaks the ties of top_10.
    """

    measure: str
    radius: float
    iterations: int
    seed: int
    invariant = measured
    passes = property(lambda self: (0, 2 * self.iterations, 1))
    __post_init__ = check_attack

    def __call__(self, explained: Explained) -> Tensor:
        return similarity(explained, self.attacked_maps(explained), self.measure, self.seed).float()

    @property
    def key(self) -> tuple[str, int, float, int]:
        """Under which the attacked images are shared."""
        return "attack", self.version, self.radius, self.iterations

    def attacked_maps(self, explained: Explained) -> Tensor:
        """Return the maps (n, h, w) of the attacked images, made once for all measures."""
        return explained.once((*self.key, "maps"), lambda: explained.explain(self.attacked(explained)))

    def attacked(self, explained: Explained) -> Tensor:
        """Return the images (n, c, h, w) at the end of the attack, made once for all measures and methods."""
        return explained.for_all(self.key, lambda: self.attack(explained))

    def attack(self, explained: Explained) -> Tensor:
        """Compute the images (n, c, h, w) at the end of the attack.

        The libraries' attacks climb the cross-entropy, which has no gradient where the network is sure, and they know
        neither the normalisation nor the store of a sweep.
        """
        std, x = explained.std[:, None, None], explained.x
        radius, step = self.radius / std, REACH * self.radius / self.iterations / std
        black, white = explained.box[:, :, None, None]
        low, high = (x - radius).maximum(black.minimum(x)), (x + radius).minimum(white.maximum(x))
        for _ in range(self.iterations):
            _, _, gradient = log_odds_against(explained.model, x, explained.target)
            x = (x + step * gradient.sign()).clamp(low, high)
        return x
