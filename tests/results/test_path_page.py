"""The page of critical paths: what is in the file, and what a browser makes of it."""

import base64
import io
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from results.paths.graph import graphs
from results.paths.page import page
from tests.results.path_galleries import BRANCHED, CHAIN, DEEP, HOSTILE, gallery

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def written(arrays: dict[str, np.ndarray], model: str = "resnet18", method: str = "path_relevance") -> str:
    return page(graphs(arrays), arrays, model, method)


def data_of(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])


def test_the_data_are_the_graph():
    arrays = gallery(BRANCHED)
    data = data_of(written(arrays))
    assert (data["model"], data["method"]) == ("resnet18", "path relevance")
    for (image, graph), path in zip(graphs(arrays), data["paths"], strict=True):
        assert path["image"] == image
        nodes = {(node[0], node[1]): node for node in path["nodes"]}
        assert len(nodes) == len(path["nodes"]) == len(graph)
        for _, node in graph.nodes(data=True):
            found = nodes[node["layer"], node["channel"]]
            for value, key in zip(found[2:5], ("forward", "backward", "relevance"), strict=True):
                assert np.isnan(node[key]) if value is None else value == pytest.approx(node[key], rel=1e-3)
            assert bool(found[5]) is node["kept"]
        ends = [tuple("{}:{}".format(*path["nodes"][end][:2]) for end in edge[:2]) for edge in path["edges"]]
        assert set(ends) == set(graph.edges)
        for edge, pair in zip(path["edges"], ends, strict=True):
            assert edge[2] == pytest.approx(graph.edges[pair]["relevance"], rel=1e-3)


def test_pictures_are_in_the_file():
    arrays = gallery(CHAIN)
    for i, path in enumerate(data_of(written(arrays))["paths"]):
        kind, _, text = path["pixels"].partition(",")
        assert kind == "data:image/png;base64"
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))
        np.testing.assert_array_equal(shown, arrays["pixels"][i])
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(path["maps"].partition(",")[2])))).astype(int)
        warm = shown[..., 0] - shown[..., 2]  # red is for, blue against
        strong = np.abs(arrays["maps"][i]) > 0.5
        assert (np.sign(warm[strong]) == np.sign(arrays["maps"][i][strong])).all()


def test_names_are_text():
    text = written(gallery(CHAIN, target=HOSTILE, name=HOSTILE), HOSTILE, HOSTILE)
    assert text.count("</script>") == 2
    assert HOSTILE not in text
    assert "<b>a" not in text
    assert data_of(text)["paths"][0]["target"] == HOSTILE.split(",")[0]


def test_the_file_asks_for_nothing():
    text = written(gallery(CHAIN))
    addresses = set(re.findall(r"(?:https?:)?//[\w.]+", text.split('id="data">')[0] + text.split("</script>")[1]))
    assert addresses <= {"http://www.w3.org"}  # the name of SVG, no address
    assert "default-src 'none'" in text


@pytest.fixture(scope="module")
def browser() -> Iterator:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright; it is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_api.sync_playwright() as playwright:
        if program is None and not os.path.exists(playwright.chromium.executable_path):
            pytest.skip("needs a Chromium; none is on the path and playwright has none of its own")
        running = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield running
        running.close()


@pytest.fixture
def opened(browser, tmp_path: Path) -> Iterator:
    """A function that opens a gallery's page; in the end there were no errors, and nothing was asked for."""
    noise, contexts = [], []

    def opening(arrays: dict[str, np.ndarray], width: int = 1200, **options):
        file = tmp_path / "page.html"
        file.write_text(written(arrays), encoding="utf-8")
        contexts.append(browser.new_context(viewport={"width": width, "height": 800}, **options))
        tab = contexts[-1].new_page()
        tab.set_default_timeout(20_000)
        tab.on("console", lambda message: noise.append(message.text))
        tab.on("pageerror", lambda error: noise.append(str(error)))
        tab.on("request", lambda request: noise.append(request.url)
               if request.url != file.as_uri() and not request.url.startswith("data:") else None)  # fmt: skip
        tab.goto(file.as_uri())
        return tab, data_of(file.read_text(encoding="utf-8"))["paths"]

    yield opening
    for context in contexts:
        context.close()
    assert noise == []


def percent(value: float) -> float:
    return float(f"{100 * value:.3g}")


@pytest.mark.parametrize("depth", [CHAIN, BRANCHED, DEEP])
def test_all_nodes_and_edges_are_drawn(opened, depth):
    tab, paths = opened(gallery(depth))
    assert tab.title() == "Critical paths: resnet18, path relevance"
    assert tab.locator("h1").inner_text() == "Critical path: disc"
    assert tab.locator("svg .node").count() == len(paths[0]["nodes"])
    assert tab.locator("svg .edge").count() == len(paths[0]["edges"])
    tab.locator("#slider").fill("0")
    assert tab.locator(".edge:not(.weak)").count() == len(paths[0]["edges"])
    for i, node in enumerate(paths[0]["nodes"]):
        expected = "rest" if not node[5] else "minus" if node[3] < 0 else ""
        assert expected in tab.locator(".node").nth(i).get_attribute("class")
        if i > 20:
            break


def test_hover_and_focus_say_what_a_node_is(opened):
    tab, paths = opened(gallery(BRANCHED))
    path, i = paths[0], 4
    layer, channel, forward, backward, relevance = path["nodes"][i][:5]
    node, tip = tab.locator(f'[data-node="{i}"]'), tab.locator("#tip")
    assert tip.is_hidden()
    for reach in (node.hover, node.focus):
        reach()
        lines = tip.inner_text().split("\n")
        assert lines[:2] == [f"layer {path['layers'][layer]}", f"channel {channel}"]
        for line, start, value in zip(lines[2:5], ("forward share", "backward share", "relevance"),
                                      (forward, backward, relevance), strict=True):  # fmt: skip
            assert line.startswith(start)
            assert float(re.search(r"-?[\d.]+(?= %)", line)[0]) == pytest.approx(percent(value), rel=2e-3)
        tab.mouse.move(5, 5)
        tab.evaluate("document.activeElement.blur()")
        assert tip.is_hidden()
    strong = len(path["edges"]) - 1
    tab.locator(f'[data-edge="{strong}"]').dispatch_event("pointermove", {"clientX": 50, "clientY": 50})
    child, parent, relevance = path["edges"][strong]
    said = tip.inner_text()
    assert f"channel {path['nodes'][child][1]}\nto " in said
    assert float(re.search(r"relevance (-?[\d.]+) %", said)[1]) == pytest.approx(percent(relevance), rel=2e-3)
    assert str(path["nodes"][parent][1]) in said


def lit(tab) -> set[int]:
    return set(tab.eval_on_selector_all(".edge.on", "all => all.map(e => +e.dataset.edge)"))


def opacity(tab, selector: str) -> float:
    return float(tab.eval_on_selector(selector, "e => getComputedStyle(e).strokeOpacity"))


def test_a_click_shows_the_connections_of_a_node(opened):
    tab, paths = opened(gallery(BRANCHED))
    edges, i = paths[0]["edges"], 7
    tab.locator(f'[data-node="{i}"]').click()
    mine = {k for k, edge in enumerate(edges) if i in edge[:2]}
    assert lit(tab) == mine
    assert opacity(tab, ".edge.on") == 1
    assert opacity(tab, ".edge:not(.on)") < 0.1
    on = set(tab.eval_on_selector_all(".node.on", "all => all.map(e => +e.dataset.node)"))
    assert on == {i}.union(*(edges[k][:2] for k in mine))
    rows = tab.locator("#lists tr").count()
    assert rows == 2 + sum(min(8, sum(edge[end] == i for edge in edges)) for end in (0, 1))
    tab.locator(f'[data-node="{i}"]').click()
    assert lit(tab) == set()


def test_the_keyboard_reaches_every_node(opened):
    tab, paths = opened(gallery(CHAIN))
    nodes = paths[0]["nodes"]
    focused = lambda: int(tab.evaluate("document.activeElement.dataset.node"))  # noqa: E731
    tab.locator("#search").focus()
    tab.keyboard.press("Tab")
    while tab.evaluate("document.activeElement.dataset.node") is None:
        tab.keyboard.press("Tab")
    seen = {focused()}
    for _ in range(len(CHAIN)):
        column = nodes[focused()][6]
        tab.keyboard.press("ArrowLeft")
        assert nodes[focused()][6] == column - 1
        for key in (*["ArrowUp"] * 3, *["ArrowDown"] * 3):
            tab.keyboard.press(key)
            seen.add(focused())
    assert seen == set(range(len(nodes)))
    tab.keyboard.press("Enter")
    assert lit(tab) == {k for k, edge in enumerate(paths[0]["edges"]) if focused() in edge[:2]}
    tab.keyboard.press("Escape")
    assert lit(tab) == set()


def test_the_slider_hides_weak_edges(opened):
    tab, paths = opened(gallery(CHAIN))
    path, slider = paths[0], tab.locator("#slider")
    into = [path["nodes"][edge[1]][0] for edge in path["edges"]]
    size = np.array([abs(edge[2]) for edge in path["edges"]])
    part = size / np.array([size[np.array(into) == layer].max() for layer in into])
    for value in (0, 50, 80, 100):
        slider.fill(str(value))
        kept = set(np.flatnonzero(part >= (value / 100) ** 2).tolist())
        shown = set(tab.eval_on_selector_all(".edge", """all => all.filter(e => getComputedStyle(e).display != "none")
                                                         .map(e => +e.dataset.edge)"""))  # fmt: skip
        assert shown == kept
        assert tab.locator("#count").inner_text().startswith(f"{len(kept)} of {len(size)} edges")
    assert len(kept) == len(set(into))  # each layer keeps its strongest


def test_many_edges_start_behind_the_slider(opened):
    tab, paths = opened(gallery(CHAIN, width=20, channels=32, images=1))
    assert len(paths[0]["edges"]) > 2000
    assert tab.locator(".edge").count() == len(paths[0]["edges"])
    assert 500 < tab.locator(".edge:not(.weak)").count() <= 1500


def test_search_finds_layers(opened):
    tab, paths = opened(gallery(BRANCHED))
    tab.locator("#search").fill("BLOCK_1")
    wanted = {i for i, layer in enumerate(paths[0]["layers"]) if "block_1" in layer}
    found = tab.eval_on_selector_all(".node.found", "all => all.map(e => +e.dataset.node)")
    assert set(found) == {k for k, node in enumerate(paths[0]["nodes"]) if node[0] in wanted}
    assert tab.locator("#hits").inner_text() == "2 layers"
    tab.locator("#search").fill("nothing")
    assert tab.locator("#hits").inner_text() == "0 layers"
    tab.locator("#search").fill("")
    assert tab.locator("svg.sought").count() == 0


def test_images_are_changed(opened):
    tab, paths = opened(gallery(CHAIN, images=3))
    tab.locator("#images button").nth(2).click()
    assert "image_2" in tab.locator("#about").inner_text()
    assert tab.locator("#images [aria-pressed=true]").inner_text() == "disc, image_2"
    channels = [int(re.search(r"channel (\d+)", text)[1]) for text in tab.eval_on_selector_all(
        "circle.node", "all => all.map(e => e.getAttribute('aria-label'))")]  # fmt: skip
    assert channels == [node[1] for node in paths[2]["nodes"][:-1]]
    wide = tab.eval_on_selector_all("#pictures img", "all => all.map(e => e.naturalWidth)")
    assert wide == [24, 24, 24]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_telephone_shows_it(opened, scheme):
    tab, paths = opened(gallery(CHAIN), width=400, color_scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 400  # the graph scrolls, the page does not
    assert tab.evaluate("document.getElementById('graph').scrollWidth") > 400
    back, text = (
        tab.eval_on_selector("body", f"e => getComputedStyle(e).{name}") for name in ("backgroundColor", "color")
    )
    light = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (back, text)]
    assert (light[0] > light[1]) is (scheme == "light")
    assert tab.locator("#wide").is_visible()
    assert tab.locator("#slider").is_hidden() and tab.locator("#graph").bounding_box()["y"] < 200
    tab.locator("summary").click()
    assert tab.locator("#slider").is_visible() and tab.locator("#reading").is_visible()
    last = len(paths[0]["nodes"]) - 2
    node = tab.locator(f'[data-node="{last}"]')
    node.scroll_into_view_if_needed()
    node.click()
    assert lit(tab)
    box = tab.locator("#tip").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 400
    assert box["height"] < 80 and box["y"] + box["height"] == pytest.approx(800, abs=1)  # at the foot of the window


def test_names_stay_text_in_the_browser(opened):
    tab, _ = opened(gallery(CHAIN, target=HOSTILE, name=HOSTILE))
    assert tab.title() == "Critical paths: resnet18, path relevance"
    assert tab.locator("h1").inner_text() == f"Critical path: {HOSTILE}"
    assert tab.locator("main b").count() == 0


def test_the_graph_fits_a_window_or_says_that_it_does_not(opened):
    tab, _ = opened(gallery(tuple(range(15))), width=1280)
    inside = lambda: tab.evaluate("(e => e.scrollWidth <= e.clientWidth)(document.getElementById('graph'))")  # noqa: E731
    assert inside() and tab.locator("#wide").is_hidden()
    tab.locator('[data-node="7"]').click()
    on = lit(tab)
    tab.locator("#slider").fill("50")
    shown = tab.locator("#count").inner_text()
    tab.set_viewport_size({"width": 800, "height": 800})
    tab.locator("#wide").wait_for(state="visible")  # the page hears of its new size a little later
    assert not inside()
    assert lit(tab) == on and tab.locator("#count").inner_text() == shown  # what was chosen and hidden still is
    tab.set_viewport_size({"width": 1500, "height": 800})
    tab.locator("#wide").wait_for(state="hidden")
    assert inside()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("signed", [True, False])
def test_heat_maps_have_a_scale(opened, scheme, signed):
    arrays = gallery(CHAIN) | {"signed": np.full(2, signed)}
    tab, _ = opened(arrays, color_scheme=scheme)
    assert tab.locator(".scale").count() == 2 and tab.locator("#pictures figure").count() == 3
    said = tab.locator("#scales").inner_text()
    assert "own scale" in said and ("blue: against" in said) is signed
    assert tab.locator(".ends").first.inner_text().split() == (["against", "0", "for"] if signed else ["0", "most"])
    turned = lambda name: tab.eval_on_selector(name, "e => getComputedStyle(e).filter") != "none"  # noqa: E731
    assert turned("#pictures figure:nth-of-type(2) img") is turned(".scale") is (signed and scheme == "dark")
    assert not turned("#pictures figure:nth-of-type(1) img")


def test_numbers_have_three_digits(opened):
    arrays = gallery(CHAIN)
    arrays["node_relevance"][:3] = [0.00047, -0.0000489, 0.5]
    tab, _ = opened(arrays)
    said = [tab.locator(f'[data-node="{i}"]').get_attribute("aria-label") for i in range(3)]
    for text, value in zip(said, ("0.0470 %", "-0.00489 %", "50.0 %"), strict=True):
        assert f"relevance {value} of the logit" in text
