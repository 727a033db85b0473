"""The files of a site, without a browser: links, rows, numbers, nothing from elsewhere, no kind named."""

import csv
import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from results import tables
from results.names import label
from results.site import bars, graphs, pages, sweeps
from results.site.grids import printed
from tests.conftest import options
from tests.results import synthetic
from tests.site.conftest import PICTURED, PUBLISHED
from tests.site.reading import Page, broken

pytestmark = pytest.mark.slow  # all need the site
CODE = Path(pages.__file__).parent
ELSEWHERE = re.compile(r"""(?:src|href)\s*=\s*["'](?:\w+:)?//|url\(\s*["']?(?:\w+:)?//|@import|fetch\(""")


@pytest.fixture(scope="module")
def read(site) -> dict[Path, Page]:
    return {file: Page(file) for file in site.rglob("*.html")}


def test_every_link_leads_to_a_file_and_a_place_in_it(site):
    assert not broken(site)


@pytest.mark.slow
def test_every_page_can_be_reached(site, read):
    found, ahead = set(), [site / "index.html"]
    while ahead:
        file = ahead.pop()
        if file in read and file not in found:
            found.add(file)
            ahead += [(file.parent / unquote(urlsplit(link).path)).resolve() for link in read[file].links]
    assert found == {*read}


def test_nothing_is_loaded_from_elsewhere(site):
    for file in (file for file in site.rglob("*") if file.suffix in (".html", ".css", ".js", ".svg")):
        text = file.read_text(encoding="utf-8")
        assert not ELSEWHERE.search(text), file


def test_pages_say_what_the_terminal_says(site, read, shown):
    for sweep in shown:
        for view, own in sweep.tables.items():
            page = read[site / "sweeps" / sweep.name / f"{view}.html"]
            written = [rows for section, rows in page.tables.items() if section]
            full = [table for table in own if len(table.frame.columns)]
            assert len(written) == len(full)
            for rows, table in zip(written, full, strict=True):
                body = [(part, cells) for part, cells in rows if part != "thead"]
                assert [cells[0] for _, cells in body] == [*map(printed, map(str, table.frame.index))]
                assert [part for part, _ in body].count("controls") == table.controls % max(len(body), 1)
                marks = pd.DataFrame("", table.frame.index, table.frame.columns)
                if table.verdicts is not None:
                    marks = table.verdicts.map(lambda verdict: tables.MARKS.get(verdict, ""))
                for (_, cells), texts, own_marks in zip(body, table.frame.to_numpy(), marks.to_numpy(), strict=True):
                    assert len(cells) - len(texts) in (1, 4)  # a name, and how an entry's row was computed
                    for cell, text, mark in zip(cells[1:], texts, own_marks, strict=False):
                        first, *rest = str(text).split("\n")
                        assert cell == " ".join([first.strip() + mark, *rest]).strip()


def test_undefined_scores_are_counted_and_never_0(shown, site, read):
    sweep = shown[0]
    (start,) = (rows for section, rows in read[site / "index.html"].tables.items() if section == sweep.kind)
    heads, (_, row) = start[0][1], start[1]
    assert int(row[heads.index("undefined")]) == (sweep.rows.status != "ok").sum() > 0
    rows = read[site / "metrics" / sweep.kind / "faithfulness_correlation.html"].tables
    for section in rows.values():
        for _, cells in section[2:]:
            if cells[0] == label("constant"):
                assert "0" not in cells[1:3] and tables.NONE in cells


def test_files_hold_the_numbers_of_their_table(shown, site):
    for sweep in shown:
        for view, own in sweep.tables.items():
            files = site / "sweeps" / sweep.name / "files"
            found = sorted(files.glob(f"{view}*.parquet"))
            assert len(found) == len(own)
            for table in own:
                stem = f"{view}-{pages.plain(table.name)}" if len(own) > 1 else view
                numbers = table.numbers.reset_index(drop=not any(table.numbers.index.names))
                for stored, digits in (
                    (pd.read_parquet(files / f"{stem}.parquet"), 15),
                    (pd.read_csv(files / f"{stem}.csv"), 5),
                ):
                    assert len(stored) == len(numbers)
                    for name in numbers.select_dtypes("number"):
                        values = numbers[name].to_numpy(float)
                        np.testing.assert_allclose(stored[name].to_numpy(float), values, rtol=10.0**-digits)
                if len(table.frame):
                    assert r"\toprule" in (files / f"{stem}.tex").read_text()
        assert "@" in (files / "refs.bib").read_text()
        assert len(pd.read_parquet(files / "scores.parquet")) == len(sweep.rows)


def test_bars_are_the_intervals_of_the_numbers(shown):
    """Against the numbers themselves: entries down and metrics across, each metric on its own scale."""
    (table,) = (own for own in shown[0].tables["leaderboard"] if own.name == "means_shapes_resnet18")
    found, data = bars.drawn(table), table.numbers
    for j, (_, head) in enumerate(table.frame.columns):
        own = data[(data.metric == head[:-2]) & data.low.notna()].set_index("entry")
        least, most = own.low.min(), own.high.max()
        for k, text in enumerate(table.frame.index):
            entry = text.removesuffix(" !")
            if entry in own.index and len(own) > 1:
                ends = [round(100 * (own[end][entry] - least) / (most - least)) for end in ("low", "mean", "high")]
                assert found[k, j] == tuple(ends)
            else:
                assert (k, j) not in found


def test_ranks_have_no_bars_of_scores(shown):
    for table in shown[0].tables["leaderboard"]:
        ranked = table.name.startswith("ranks") and not table.name.endswith("all models")  # where ranks have ranges
        assert bool(bars.drawn(table)) != ranked, table.name


@pytest.mark.parametrize(
    ("text", "mean", "so"),
    [
        *(("0.38\n[0.26, 0.50]", 0.384, True), ("8", 0.21, False), ("1.6e+04", 16234, True), ("-", 0.0, False)),
        *(("+0.10?", 0.1, True), ("2.4e-03", 0.00241, True), ("2.4e-03", 0.0025, False), ("9.5~", 9.54, True)),
    ],
)
def test_a_cell_shows_its_number_to_the_digits_that_it_has(text, mean, so):
    assert bars.shows(text, mean) is so


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("rise", "rise"),
        ("rise !", "rise"),
        ("rise ↑", "rise"),
        ("rise, layer2", "rise"),
        ("rise first", ""),
        ("riser", ""),
        ("rise_up", ""),
        ("rise (masks=2) ↓", "rise (masks=2)"),
        ("rise (masks=9)", "rise"),
    ],
)
def test_a_name_is_found_before_marks_and_settings_but_not_before_words(text, name):
    assert bars.named(text, ["rise", "rise (masks=2)"]) == name


def test_pictures_load_when_seen_and_have_a_size_and_words(site):
    tags = [tag for file in site.rglob("*.html") for tag in re.findall(r"<img[^>]*>", file.read_text(encoding="utf-8"))]
    assert tags
    for tag in tags:
        assert 'loading="lazy"' in tag and re.search(r'width="\d+" height="\d+" .*alt="[^"]+"', tag)


def test_entries_have_a_small_picture_of_their_first_map(site, shown):
    """Against the colours of the map's largest and smallest value, in tables of one network."""
    sweep = shown[0]
    page = (site / "sweeps" / sweep.name / "leaderboard.html").read_text(encoding="utf-8")
    single = [table for table in sweep.tables["leaderboard"] if "all models" not in table.name]
    assert page.count('class="small"') == len(sweep.small) * len(single) / len(synthetic.MODELS) > 0
    for (_, _, entry), path in sweep.small.items():
        with Image.open(site / path) as picture:
            pixels = np.asarray(picture).reshape(-1, 3).astype(float)
        first = synthetic.gallery(entry, PICTURED)["maps"][0].ravel()
        if first.any():
            assert pixels.sum(1)[first.argmin()] != pixels.sum(1)[first.argmax()]
        else:
            assert len(np.unique(pixels, axis=0)) == 1


def test_rows_say_what_they_cost_and_carry_the_digest_of_their_cell(read, site, shown):
    sweep = shown[0]
    for table in sweep.tables["leaderboard"]:
        if (place := bars.only(table.numbers))[1] in synthetic.MODELS:
            rows = read[site / "sweeps" / sweep.name / "leaderboard.html"].tables[pages.plain(table.name)]
            body = [cells for part, cells in rows if part != "thead"]
            own = sweep.rows[(sweep.rows.dataset == place[0]) & (sweep.rows.model == place[1])]
            for entry, cells in zip(table.frame.index, body, strict=True):
                first = own[own.entry == entry.removesuffix(" !")].iloc[0]
                assert cells[-1] == first.key
                assert float(cells[-3]) == first.explain_forwards + first.explain_backwards


def test_the_page_of_a_network_says_its_weights_and_has_the_tables_of_its_sweeps(read, site, shown):
    sweep = shown[0]
    for stem in synthetic.MODELS:
        file = site / "models" / f"{stem}.html"
        (weights,) = sweep.rows[sweep.rows.model == stem].weights.unique()
        assert weights in file.read_text(encoding="utf-8")
        (rows,) = (rows for key, rows in read[file].tables.items() if key.endswith(f"mean_ranks_shapes_{stem}"))
        (table,) = (own for own in sweep.tables["leaderboard"] if own.name == f"mean_ranks_shapes_{stem}")
        assert [cells[0] for part, cells in rows if part != "thead"] == [*map(printed, table.frame.index)]


def test_cells_that_were_computed_again_lend_their_pictures_to_a_record(tmp_path):
    record = PUBLISHED / "quick.json"
    key = sweeps.opened(str(record)).rows.key.iloc[0]
    cell = tmp_path / "again"
    cell.mkdir()
    (cell / "cell.json").write_text(json.dumps({"key": key}))
    np.savez(cell / "gallery.npz", **synthetic.gallery("gradient", 1))
    assert not sweeps.opened(str(record)).cells
    (own,) = sweeps.opened(str(record), sweeps.folders_by_digest(tmp_path)).cells
    assert own.folder == str(cell)


def test_numbers_that_rows_cannot_make_again_are_those_that_were_published():
    sweep = sweeps.opened(str(PUBLISHED / "surrogates.json"))
    with open(PUBLISHED / "surrogates_rules_rules_of_concept_tree_rules_resnet18.csv", encoding="utf-8") as file:
        (_, first, *_), tables_ = list(csv.reader(file)), sweep.tables["rules"]
    assert any(first[1] in table.frame.to_numpy() for table in tables_)


def test_every_image_with_pictures_has_a_page_with_its_scores(site, read, shown):
    sweep, entry = shown[0], "gradient"
    for image in synthetic.names(PICTURED):
        page = read[site / "sweeps" / sweep.name / "images" / f"{pages.plain(f'shapes_{image}')}.html"]
        rows = {cells[0]: cells[1:] for _, cells in page.tables["resnet18"]}
        own = sweep.rows[(sweep.rows.image == image) & (sweep.rows.model == "resnet18") & (sweep.rows.entry == entry)]
        for head, text in zip(rows["name"], rows[label(entry)], strict=True):
            score = own.score[own.metric.map(label).astype(str) == head[:-2]].item()
            assert text == (tables.NONE if np.isnan(score) else f"{score:.3g}")
        shown_maps = [link for link in page.loads if link.endswith(".png") and "/small/" not in link]
        assert len(shown_maps) == 2  # all entries of each network
    assert len([*(site / "sweeps" / sweep.name / "images").glob("*.html")]) == PICTURED


def test_no_page_is_large(site):
    assert all(file.stat().st_size < 2e6 for file in site.rglob("*.html"))


def own_script(file: Path) -> bool:
    return file.suffix == ".js" and not file.name.endswith(".min.js")


def test_the_site_names_no_kind():
    kinds = "|".join(options("benchmark"))
    named = re.compile(rf"""["'](?:{kinds})["']|results\.(?:{kinds})\b""")
    for file in (file for file in CODE.rglob("*") if file.suffix in (".py", ".html", ".css") or own_script(file)):
        assert not named.search(file.read_text(encoding="utf-8")), file


def test_what_is_in_the_way_is_refused(shown, tmp_path):
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(ValueError, match="holds other files"):
        pages.write(shown, tmp_path, "")
    assert (tmp_path / "thesis.txt").exists()
    with pytest.raises(ValueError, match="given twice"):
        pages.write([shown[0], shown[0]], tmp_path / "new", "")
    with pytest.raises(FileNotFoundError, match="no such"):
        sweeps.opened(str(tmp_path / "none.json"))


def test_graphs_stand_in_columns_by_depth_and_keep_their_strongest_lines(graph, monkeypatch):
    data = json.loads((graph.parent / "figures" / "graph_one.json").read_text())
    monkeypatch.setattr(graphs, "EDGES", 4)
    laid = graphs.elements(data)
    assert [edge["data"]["value"] for edge in laid["edges"]] == [1, -0.5, 0.333, -0.25]
    columns = {node["data"]["id"]: node["position"] for node in laid["nodes"]}
    assert [columns[f"{layer}:0"]["x"] / graphs.ACROSS for layer in range(3)] == [0, 1, 2]
    assert [columns[f"0:{channel}"]["y"] / graphs.DOWN for channel in range(3)] == [0, 1, 2]
    assert {node["data"]["look"] for node in laid["nodes"]} == {"for", "against", "off"}
