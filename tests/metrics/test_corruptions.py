"""Corruptions against numbers of a library.

`imagecorruptions.csv` holds the mean absolute change of `scene` in levels of 255 and its standard deviation over draws,
for each severity of images of 64 and of 224 pixels a side. It was made once by imagecorruptions 1.1.2, whose functions
were given both sets of severities and the new names of numpy 2 and scikit-image, and for elastic_transform by
corrupt-tta 0.1.7, which is the published one.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.networks.metrics import corruptions
from benchmarks.networks.metrics.corruptions import CORRUPTIONS, corrupted

LIBRARY = pd.read_csv(Path(__file__).parent / "imagecorruptions.csv").set_index(["corruption", "side"])
ONE_DRAW_AN_IMAGE = {"motion_blur", "snow", "frost", "fog", "elastic_transform"}
WITHOUT_DRAWS = {"defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"}


@pytest.fixture(scope="module")
def scene():
    """Waves and a disk, (1, 3, 64, 64) on 8 bits."""
    r, c = np.mgrid[:64, :64] / 64
    waves = 0.5 + 0.25 * np.sin(12 * r + 5 * c) + 0.2 * np.sin(31 * c - 9 * r)
    disk = (r - 0.4) ** 2 + (c - 0.6) ** 2 < 0.06
    image = np.stack([np.where(disk, level, w) for level, w in ((0.85, waves), (0.3, 0.7 * waves), (0.2, 1 - waves))])
    return torch.tensor(np.clip(255 * image, 0, 255).round()[None] / 255)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "side"), LIBRARY.index)
def test_changes_as_much_as_the_library(name, side, scene, monkeypatch):
    monkeypatch.setattr(corruptions, "BETWEEN", 65 if side == 64 else 0)
    draws, of_library = (12, 60) if name in ONE_DRAW_AN_IMAGE else (3, 8)
    draws = 1 if name in WITHOUT_DRAWS else draws
    for severity, (mean, deviation) in enumerate(LIBRARY.loc[name, side].to_numpy().reshape(5, 2), 1):
        pictures = torch.cat([corrupted(scene, name, severity, seed) for seed in range(draws)])
        change = 255 * (pictures - scene).abs().mean().item()
        chance = 4 * deviation * (1 / draws + 1 / of_library) ** 0.5
        assert change == pytest.approx(mean, abs=0.15 + 0.01 * mean + chance), severity


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_picture_depends_on_image_and_seed_alone(name, scene):
    batch = torch.cat([scene.flip(3), scene, 0.3 * scene])
    pictures, alone = corrupted(batch, name, 3, 0), corrupted(scene, name, 3, 0)
    torch.rand(3), np.random.rand(3)
    assert pictures[1:2].equal(alone) and not pictures[1].equal(pictures[2])
    assert corrupted(scene, name, 3, 0).equal(alone)
    assert corrupted(scene, name, 3, 1).equal(alone) == (name in WITHOUT_DRAWS)
    levels = 255 * pictures
    assert torch.allclose(levels, levels.round(), atol=1e-9) and pictures.min() >= 0 and pictures.max() <= 1


def test_severities_are_those_of_the_size():
    image = torch.full((1, 3, 128, 128), 0.5)
    noise = [corrupted(part, "gaussian_noise", 1, 0).std().item() for part in (image[..., :127], image)]
    assert noise == pytest.approx([0.04, 0.08], rel=0.02)
