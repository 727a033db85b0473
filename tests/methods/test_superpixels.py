"""Superpixels are skimage's, image by image, also where SLIC alone leaves nothing to hide."""

import numpy
import pytest
import torch
from skimage.segmentation import slic

from methods.surrogate import MOST
from superpixels import superpixels
from tests.methods import networks


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_superpixels_are_skimages(channels):
    """Three channels are colours, any other number is not."""
    x = networks.images(4, side=48)[0].repeat(1, 2, 1, 1)[:, :channels]
    options = {"compactness": 10 if channels == 3 else 0.1, "convert2lab": channels == 3}
    for image, labels in zip(x.double(), superpixels(x, 40), strict=True):
        wanted = slic(image.permute(1, 2, 0).numpy(), 40, start_label=0, channel_axis=-1, **options)
        numpy.testing.assert_array_equal(labels.numpy(), wanted)
        assert 20 <= len(numpy.unique(wanted)) < 50


def test_superpixels_do_not_depend_on_the_batch_the_scale_or_the_precision():
    x, _ = networks.images(5, side=40)
    labels = superpixels(x, 30)
    assert torch.equal(labels, torch.cat([superpixels(image[None], 30) for image in x]))
    assert torch.equal(labels, superpixels(4 * x, 30)) and torch.equal(labels, superpixels(x.double(), 30))


@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 64, 64), (3, 16, 16), (5, 33, 20), (3, 1, 50), (3, 4, 4)])
@pytest.mark.parametrize("segments", [1, 2, 5, 50])
@pytest.mark.parametrize("content", ["grain", "constant"])
def test_every_image_has_about_as_many_as_asked_for(shape, segments, content):
    """Pure grain, of which SLIC alone may leave one superpixel, and nothing at all."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(1, *shape, generator=rng) if content == "grain" else torch.full((1, *shape), 0.3)
    found, wanted = superpixels(x, segments)[0].unique(), min(segments, shape[1] * shape[2])
    assert torch.equal(found, torch.arange(len(found)))
    assert wanted / 2 <= len(found) <= 2 * wanted < MOST * segments


def test_skimage_alone_makes_one_superpixel_of_grain():
    """Why `cut` tries again; when this fails, it may go."""
    grain = numpy.random.default_rng(0).normal(size=(64, 64, 3))
    assert slic(grain, 50).max() == 1
