"""What the oracle's images promise: one object of known evidence, and nothing else that counts."""

import pytest
import torch

from benchmarks.datasets.planted import Planted


@pytest.mark.parametrize("size", [16, 32, 48, 64])
def test_object_decoys_and_noise(size):
    for _, pixels, label, mask in Planted(images=12, seed=3).test(size):
        others = [k for k in range(3) if k != label]
        assert (pixels[label][mask] == 1).all() and pixels[label][~mask].max() <= 0.1 and pixels[others].max() <= 0.4
        rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        assert mask.sum() == len(rows) * len(columns) and abs(mask.float().mean() - 9 / 64) < 0.02
        decoys = (pixels[others] == 0.4).all(0)
        assert decoys.sum() == 2 * round(10 * size / 64) ** 2 and not (decoys & mask).any()
        assert pixels[:, ~mask & ~decoys].max() <= 0.1 and pixels[others][:, mask].max() > 0.3


@pytest.mark.slow
def test_objects_are_anywhere_in_every_shape_and_class():
    rows = Planted(images=2000, seed=0).test(32)
    assert torch.stack([mask for *_, mask in rows]).any(0).all()
    assert {int(mask.any(0).sum()) for *_, mask in rows} == {9, 12, 16}
    assert [label for _, _, label, _ in rows[:6]] == [0, 1, 2, 0, 1, 2]


def test_too_small_images_are_refused():
    with pytest.raises(ValueError, match="8"):
        Planted(images=1, seed=0).test(8)
