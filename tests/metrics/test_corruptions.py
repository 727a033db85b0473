"""Corruptions against numbers of a library, and the error that counts them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.conformance.cases import case
from benchmarks.cost import counted
from benchmarks.metrics.networks import corruptions
from benchmarks.metrics.networks.corruptions import CORRUPTIONS, corrupted
from benchmarks.metrics.networks.severities import SEVERITIES
from benchmarks.store import Store
from tests.metrics.entries import METRICS

# Mean absolute change of `scene` in levels of 255, and its standard deviation over draws, by severity: of 64-pixel
# severities, and of 224-pixel ones. Run once: imagecorruptions 1.1.2, whose functions were given both sets of numbers
# and the new names of numpy 2 and scikit-image; elastic_transform of corrupt-tta 0.1.7, which is the published one.
LIBRARY = {
    "gaussian_noise": (
        ((8.12, 0.06), (16.1, 0.1), (23.58, 0.12), (29.03, 0.09), (34.41, 0.14)),
        ((16.05, 0.11), (23.71, 0.15), (34.12, 0.2), (46.62, 0.15), (62.2, 0.27)),
    ),
    "shot_noise": (
        ((8.28, 0.05), (12.99, 0.08), (18.14, 0.08), (22.95, 0.12), (31.87, 0.19)),
        ((16.57, 0.09), (25.2, 0.11), (35.55, 0.18), (52.51, 0.39), (65.63, 0.53)),
    ),
    "impulse_noise": (
        ((1.32, 0.11), (2.62, 0.17), (6.22, 0.13), (10.04, 0.2), (17.97, 0.24)),
        ((3.92, 0.21), (7.84, 0.33), (11.38, 0.5), (21.92, 0.52), (34.32, 0.34)),
    ),
    "defocus_blur": (
        ((1.87, 0), (2.36, 0), (3.56, 0), (6.82, 0), (9.04, 0)),
        ((9.04, 0), (13.32, 0), (22.04, 0), (28.26, 0), (32.25, 0)),
    ),
    "glass_blur": (
        ((7.31, 0.13), (7.27, 0.08), (12.12, 0.13), (11.85, 0.34), (17.97, 0.36)),
        ((12.16, 0.16), (12.53, 0.27), (23.29, 0.48), (21.6, 0.28), (25.16, 0.38)),
    ),
    "motion_blur": (
        ((6.38, 0.65), (10.44, 0.96), (13.97, 0.92), (16.72, 1.35), (19.36, 1.41)),
        ((19.5, 1.23), (25.71, 0.68), (29.8, 1.88), (34.28, 3.33), (36.57, 3.6)),
    ),
    "zoom_blur": (
        ((7.68, 0), (12.16, 0), (15.73, 0), (19.68, 0), (23, 0)),
        ((12.16, 0), (15.73, 0), (18.91, 0), (21.55, 0), (24.05, 0)),
    ),
    "snow": (
        ((35.76, 0.42), (40.09, 0.77), (58.3, 1.12), (71.97, 2.1), (82.57, 1.96)),
        ((40.71, 1.47), (67.84, 1.9), (67.73, 5.19), (82.16, 5.7), (100.36, 3.76)),
    ),
    "frost": (
        ((45.91, 10.68), (53.47, 12.21), (46.4, 16.06), (54.43, 17.01), (56.05, 17.23)),
        ((60.43, 13.73), (72.06, 19.82), (73.77, 23.87), (77.88, 23.07), (76.54, 22.67)),
    ),
    "fog": (
        ((18.03, 1.54), (25.73, 1.99), (31.69, 2.71), (37.71, 2.75), (42.29, 3.08)),
        ((37.7, 3.01), (42.29, 3.2), (45.8, 3.1), (45.25, 2.8), (47.34, 1.94)),
    ),
    "brightness": (
        ((15.67, 0), (29.38, 0), (39.58, 0), (47.14, 0), (50.12, 0)),
        ((15.67, 0), (29.38, 0), (39.58, 0), (47.14, 0), (50.12, 0)),
    ),
    "contrast": (
        ((27.26, 0), (31.81, 0), (36.32, 0), (40.87, 0), (43.18, 0)),
        ((27.26, 0), (31.81, 0), (36.32, 0), (40.87, 0), (43.18, 0)),
    ),
    "elastic_transform": (
        ((34.02, 5.27), (27.09, 6.29), (27.42, 5.85), (15.82, 4.2), (14.44, 1.77)),
        ((41.07, 5.6), (51.92, 6.45), (14.92, 2.27), (17.37, 2.02), (24.6, 0.95)),
    ),
    "pixelate": (
        ((2.07, 0), (3.59, 0), (5.15, 0), (6.26, 0), (7.14, 0)),
        ((6.26, 0), (7.14, 0), (9.78, 0), (12.55, 0), (14.89, 0)),
    ),
    "jpeg_compression": (
        ((7.28, 0), (7.7, 0), (8.56, 0), (9.07, 0), (10.59, 0)),
        ((10.59, 0), (12.43, 0), (13.85, 0), (17, 0), (19.74, 0)),
    ),
}  # fmt: skip
MANY = {"motion_blur", "snow", "frost", "fog", "elastic_transform"}  # a draw is of the whole image


@pytest.fixture(scope="module")
def scene():
    """Waves and a disk, (1, 3, 64, 64) on 8 bits."""
    r, c = np.mgrid[:64, :64] / 64
    waves = 0.5 + 0.25 * np.sin(12 * r + 5 * c) + 0.2 * np.sin(31 * c - 9 * r)
    disk = (r - 0.4) ** 2 + (c - 0.6) ** 2 < 0.06
    image = np.stack([np.where(disk, level, w) for level, w in ((0.85, waves), (0.3, 0.7 * waves), (0.2, 1 - waves))])
    return torch.tensor(np.clip(255 * image, 0, 255).round()[None] / 255)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_changes_as_much_as_the_library(name, large, scene, monkeypatch):
    monkeypatch.setattr(corruptions, "BETWEEN", 0 if large else 65)
    ours, theirs = (24, 60) if name in MANY else (4, 8)
    for severity, (mean, deviation) in enumerate(LIBRARY[name][large], 1):
        pictures = torch.cat([corrupted(scene, name, severity, seed) for seed in range(ours)])
        change = 255 * (pictures - scene).abs().mean().item()
        chance = 4 * deviation * (1 / ours + 1 / theirs) ** 0.5
        assert change == pytest.approx(mean, abs=0.15 + 0.01 * mean + chance), severity


def test_all_standard_corruptions_are_there():
    assert list(CORRUPTIONS) == list(SEVERITIES) == list(LIBRARY) and len(CORRUPTIONS) == 15
    assert all(len(settings) == 5 for both in SEVERITIES.values() for settings in both)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_picture_does_not_depend_on_the_batch(name, scene):
    batch = torch.cat([scene.flip(3), scene, 0.3 * scene])
    pictures = corrupted(batch, name, 3, 0)
    assert pictures[1:2].equal(corrupted(scene, name, 3, 0)) and not pictures[1].equal(pictures[2])
    levels = 255 * pictures
    assert torch.allclose(levels, levels.round(), atol=1e-9) and pictures.min() >= 0 and pictures.max() <= 1


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_draws_come_from_the_seed_alone(name, scene):
    first = corrupted(scene, name, 2, 0)
    torch.rand(3), np.random.rand(3)
    assert first.equal(corrupted(scene, name, 2, 0))
    drawn = not first.equal(corrupted(scene, name, 2, 1))
    still = {"defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"}
    assert drawn == (name not in still)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_small_and_oblong_images(name):
    image = torch.rand(2, 3, 13, 19, generator=torch.Generator().manual_seed(0))
    for severity in (1, 5):
        picture = corrupted(image, name, severity, 0)
        assert picture.shape == image.shape and picture.isfinite().all()


def test_severities_are_those_of_the_size():
    image = torch.full((1, 3, 128, 128), 0.5)
    noise = [corrupted(part, "gaussian_noise", 1, 0).std().item() for part in (image[..., :127], image)]
    assert noise == pytest.approx([0.04, 0.08], rel=0.02)


def test_elastic_keeps_a_grey_image_and_frost_its_shares():
    grey = torch.full((1, 3, 32, 40), 102 / 255)
    assert corrupted(grey, "elastic_transform", 4, 0).equal(grey.double().mul(255).round() / 255)
    means = [corrupted(grey, "frost", 1, seed).mean((0, 2, 3)) for seed in range(20)]
    colours = 0.4 + 0.3 * torch.tensor([colour for colour, _ in corruptions.FROST], dtype=torch.float64)
    assert all((mean - colours).abs().amax(1).min() < 0.01 for mean in means)


def test_score_is_the_mean_of_the_curve_and_of_the_types():
    e, metric = case(n=4), METRICS["corruption_error"]
    severities, errors = metric.curve(e)
    assert severities.tolist() == [1, 2, 3, 4, 5] and errors.shape == (4, 5)
    torch.testing.assert_close(metric(e), errors.mean(1))
    wrong = [e.logits(e.normalised(corrupted(e.pixels(), name, 4, metric.seed).float())).argmax(1) != e.target
             for name in CORRUPTIONS]  # fmt: skip
    torch.testing.assert_close(errors[:, 3], torch.stack(wrong).float().mean(0))


def test_second_method_costs_nothing():
    e, metric = case(n=2), METRICS["corruption_error"]
    e = replace(e, store=Store(None, e.model, "", torch.device("cpu")), shared={})
    for price in (75, 0):
        with counted(e.model) as cost:
            metric(replace(e, shared={}))
        assert (cost.forwards, cost.backwards) == (2 * price, 0)
