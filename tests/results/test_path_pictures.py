"""The figures of paths' pictures: what is drawn where, from galleries written by hand."""

from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from matplotlib.patches import Rectangle

from results.gallery import save
from results.paths.heatmaps import heatmaps
from results.paths.reconstructions import alike, reconstructions, visible, windows

RNG = np.random.default_rng(0)
N, SIZE, LAYERS = 2, 16, ("conv1_act", "mixed_6e_branch7x7dbl_5_bn_act", "conv3_act")

NAMES = ("vgg16", "path_relevance")


def gallery(rows=2, columns=3, images=("a", "b", "c")):
    """Two images of three have reconstructions; in the second row the last channel is none, the one before silent."""
    box = np.tile(np.array([2, 4, 10, 16]), (N, rows, columns, 1))
    channel = np.tile(np.arange(columns), (N, rows, 1))
    recon = RNG.normal(size=(N, rows, columns, 2, SIZE, SIZE, 3)).astype(np.float16)
    channel[:, 1, -1] = -1
    box[:, 1, -2:], recon[:, 1, -2:] = 0, 0
    found = {
        "image": np.array(images), "pixels": RNG.integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8),
        "maps": RNG.normal(size=(3, SIZE, SIZE)).astype(np.float32), "mask": np.zeros((3, SIZE, SIZE), bool),
        "full": RNG.normal(size=(3, SIZE, SIZE)).astype(np.float32), "signed": np.ones(3, bool),
        "target": np.array(["disc"] * 3), "layers": np.array([LAYERS] * 3),
        "recon_image": np.array(["a", "c"]), "recon_layer": np.tile([0, 1][:rows], (N, 1)),
        "recon_channel": channel, "recon": recon, "recon_box": box,
    }  # fmt: skip
    nodes = [("c", 0, 0, -0.25), ("c", 1, 0, 0.5), ("a", 0, 1, 0.125)]
    names = ("node_image", "node_layer", "node_channel", "node_backward")
    return found | dict(zip(names, map(np.array, zip(*nodes, strict=True)), strict=True))


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_grid_has_the_crops_of_the_field_beside_each_other_and_the_whole_map():
    stored = gallery()
    axes = reconstructions(stored, *NAMES, 1).axes[0]
    crop, maximum, whole, *_ = pictures = [np.asarray(image.get_array()) for image in axes.images]
    np.testing.assert_array_equal(crop, stored["pixels"][2, 2:10, 4:16] / 255)  # of image c
    np.testing.assert_allclose(maximum, visible(stored["recon"][1, 0, 0, 0, 2:10, 4:16].astype(float)))
    np.testing.assert_allclose(whole, visible(stored["recon"][1, 0, 0, 1].astype(float)))
    assert len(pictures) == 3 * 3 + 3 + 1  # the silent channel has no field, and the last is none
    assert (pictures[-1] == 0.5).all()
    extents = [image.get_extent() for image in axes.images]
    shapes = [((e[1] - e[0]) / (e[2] - e[3]), p.shape[1] / p.shape[0]) for e, p in zip(extents, pictures, strict=True)]
    assert all(ours == pytest.approx(true) for ours, true in shapes), "a picture is stretched"
    assert all(e[1] <= right[0] + 1e-9 for e, right in pairwise(extents[:9]))


def test_the_outline_on_the_whole_map_is_the_field():
    axes = reconstructions(gallery(), *NAMES, 0).axes[0]
    left, right, _, top = axes.images[2].get_extent()
    unit = (right - left) / SIZE
    field = next(p for p in axes.patches if isinstance(p, Rectangle) and p.get_edgecolor()[:3] == (1, 1, 1))
    assert field.get_xy() == pytest.approx((left + 4 * unit, top + 2 * unit))
    assert (field.get_width(), field.get_height()) == pytest.approx((12 * unit, 8 * unit))


def test_crops_of_a_row_have_one_shape_around_their_fields():
    boxes = np.array([[0, 0, 5, 16], [3, 2, 11, 12], [10, 4, 16, 14], [0, 0, 0, 0]])
    found = windows(boxes, (16, 16))
    assert (found[:, 2:] - found[:, :2] == (8, 16)).all()
    assert (found[:, :2] <= boxes[:, :2]).all() and (found[:, 2:] >= boxes[:, 2:]).all()
    assert found[0].tolist() == [-3, 0, 5, 16]  # the image cut it above
    assert found[2].tolist()[::2] == [10, 18]  # and this one below
    stored = gallery()
    stored["recon_box"][1, 0, 1] = (0, 4, 5, 16)
    axes = reconstructions(stored, *NAMES, 1).axes[0]
    frames = [p.get_height() / p.get_width() for p in axes.patches if p.get_edgecolor()[:3] == (0.6, 0.6, 0.6)]
    assert frames[:9] == pytest.approx([8 / 12, 8 / 12, 1] * 3)


def test_the_figure_says_what_it_is_of():
    assert texts(reconstructions(gallery(), *NAMES, 1))[0] == "disc: image c, path relevance, vgg16"


def test_channels_have_their_share_where_the_gallery_knows_it():
    labels = texts(reconstructions(gallery(), *NAMES, 1))
    assert "channel 0, 25.0 %" in labels and "channel 0, 50.0 %" in labels  # by magnitude
    assert "channel 1" in labels and labels.count("–") == 1  # noqa: RUF001
    assert any("branch7x7dbl" in label for label in labels)
    assert "channel 1, 12.5 %" in texts(reconstructions(gallery(), *NAMES, 0))


def test_colours_are_symmetric_around_grey_and_cut_at_percentiles():
    picture = np.linspace(-1, 3, 3 * 40 * 40).reshape(40, 40, 3)
    shown = visible(picture)
    top = np.percentile(picture, 99)
    np.testing.assert_allclose(shown, np.clip(0.5 + picture / (2 * top), 0, 1))
    assert (visible(np.zeros((4, 4, 3))) == 0.5).all()
    sparse = np.zeros((40, 40, 3))
    sparse[0, 0, 0] = -2
    assert visible(sparse).min() == 0, "what is beyond both percentiles shows all the same"


def test_likeness_is_the_mean_correlation_of_pictures_that_are_not_constant():
    x = RNG.normal(size=(5, 5, 3))
    assert alike(np.stack([x, 2 * x + 1, np.zeros_like(x)])) == pytest.approx(1)
    assert alike(np.stack([x, x, -x])) == pytest.approx(-1 / 3)
    assert np.isnan(alike(np.stack([x, np.ones_like(x)]))) and np.isnan(alike(np.zeros((0, 5, 5, 3))))


@pytest.mark.parametrize("columns", [1, 3, 6])
def test_grids_fit_a_page_with_letters_that_can_be_read(tmp_path, columns):
    stored = gallery(columns=max(columns, 3))
    if columns == 1:
        stored |= {f"recon{part}": stored[f"recon{part}"][:, :, :1] for part in ("", "_channel", "_box")}
    before = dict(matplotlib.rcParams)
    figure = reconstructions(stored, *NAMES)
    assert dict(matplotlib.rcParams) == before
    assert figure.get_figwidth() <= 7 and figure.get_figheight() <= 9.5
    assert min(text.get_size() for text in figure.axes[0].texts) >= 6
    save(figure, path := tmp_path / "a.pdf")
    assert b"/CIDFontType2" in path.read_bytes() and b"/Type3" not in path.read_bytes()
    figure.canvas.draw()
    for text in figure.axes[0].texts:
        box = text.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
        assert box.x0 >= 0 and box.x1 <= figure.get_figwidth() and box.y0 >= 0, f"{text.get_text()!r} is cut"


def shown(figure):
    """The maps drawn, without the images."""
    return [np.asarray(i.get_array()) for i in figure.axes[0].images if np.asarray(i.get_array()).ndim == 2]


def test_heat_maps_have_full_lrp_once_then_the_selectors_controls_last():
    first = gallery()
    others = {
        name: first | {"maps": RNG.normal(size=first["maps"].shape)} for name in ("path_random", "path_relevance")
    }
    figure = heatmaps(others | {"path_all": first | {"maps": first["full"]}})
    maps = shown(figure)
    assert len(maps) == 3 * 3  # nothing but full LRP for what keeps everything
    for k in range(3):
        for ours, true in zip(maps[3 * k : 3 * k + 3], (
            first["full"], others["path_relevance"]["maps"], others["path_random"]["maps"]), strict=True):  # fmt: skip
            np.testing.assert_array_equal(ours, true[k])
    names = [text for text in texts(figure) if text in ("input", "full LRP", "relevance", "random", "all")]
    assert names == ["input", "full LRP", "relevance", "random"]
    for image in figure.axes[0].images:
        if image.get_array().ndim == 2:
            low, high = image.get_clim()
            assert low == -high and high <= abs(image.get_array()).max()


def test_heat_maps_of_other_rules_have_a_full_map_of_their_own_and_images_that_all_have():
    one = gallery()
    two = {key: value[[2, 1]] if len(value) == 3 and key != "node_image" else value for key, value in one.items()}
    two |= {"full": two["full"] + 1, "maps": two["maps"] - 1}
    figure = heatmaps({"path_relevance [lrp=tutorial]": one, "path_relevance [lrp=alpha2_beta1]": two})
    maps = shown(figure)
    assert len(maps) == 2 * 4  # images b and c, in the order of the first selector's
    labels = " ".join(texts(figure))
    assert "full LRP" in labels and "tutorial" in labels and "alpha2" in labels
    names = ("full", "maps")
    for k, image in enumerate(("b", "c")):
        drawn = [stored[name][list(stored["image"]).index(image)] for stored in (two, one) for name in names]
        for ours, true in zip(maps[4 * k : 4 * k + 4], drawn, strict=True):
            np.testing.assert_array_equal(ours, true)


def test_heat_maps_say_what_colours_mean_and_how_much_is_kept(tmp_path):
    one = gallery() | {"layer_kept": np.full((3, 2), 4), "layer_channels": np.array([[8, 24]] * 3)}
    figure = heatmaps({"path_relevance": one, "path_random": gallery()})
    assert "relevance, 25 %" in texts(figure) and "random" in texts(figure)
    assert any("Red: for the class" in text.get_text() and "own scale" in text.get_text() for text in figure.texts)
    assert [tick.get_text() for tick in figure.axes[1].get_xticklabels()] == ["against", "0", "for"]
    assert figure.get_figwidth() <= 7 and figure.get_figheight() <= 9.5
    figure.canvas.draw()
    below = figure.axes[0].get_window_extent().y0
    for text in (*figure.texts, *figure.axes[1].get_xticklabels()):
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 and box.y1 <= below
