"""The pages of a site: start, and of every sweep its protocol, views, figures and images."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from results.names import label, plain
from results.site import facts, figures, files, graphs, grids, networks, stems, thumbnails
from results.site.layout import HERE, SORTS, Site, gridded, keyed, with_provenance
from results.site.sweeps import Sweep
from results.tables import NONE, Table


def write(sweeps: Sequence[Sweep], out: Path, title: str) -> None:
    """Write the whole site into the folder `out`, which it replaces if it is an older site."""
    names = [sweep.name for sweep in sweeps]
    if again := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"A site needs sweeps with different names; {', '.join(sorted(again))} was given twice")
    if out.exists() and any(out.iterdir()) and not (out / "assets" / "site.js").exists():
        raise ValueError(f"--out needs a new folder or an older site, which it replaces; {out} holds other files")
    shutil.rmtree(out, ignore_errors=True)
    site = Site(out, title, sweeps)
    shutil.copytree(HERE / "assets", out / "assets")
    figured = {sweep.name: write_sweep(site, sweep) for sweep in sweeps}
    for kind, own in site.kinds.items():
        for sort in SORTS:
            for stem in stems.known(own, sort):
                stems.write(site, kind, own, sort, stem, figured)
    for stem in networks.known(sweeps):
        networks.write(site, stem)
    write_start(site)


def write_sweep(site: Site, sweep: Sweep) -> list[str]:
    """Write the pages of one sweep: its protocol, its views, its figures, graphs and images; return its figures."""
    folder = site.out / "sweeps" / sweep.name
    refs = files.references(sweep.works, folder)
    sweep.rows.drop(columns="folder").to_parquet(folder / "files" / "scores.parquet", index=False, compression="zstd")
    for cell in sweep.cells:
        if path := sweep.small.get((cell.dataset, cell.model, cell.entry)):
            thumbnails.write(cell.gallery, site.out / path)
    shown = figures.written(sweep, folder)
    images = write_images(site, sweep, folder)
    found = graphs.written(folder, shown)
    views = {"index": sweep.protocol()} | sweep.tables
    common = {"sweep": sweep, "views": [*sweep.tables], "figures": shown, "images": images, "graphs": found}
    common |= {"refs": refs, "question": facts.question(sweep.kind)}
    for view, tables in views.items():
        own = keyed(gridded(sweep, table, "../../") for table in tables)
        own = own if view == "index" else [with_provenance(grid, sweep) for grid in own]
        made = []
        for grid in own:
            stem = f"{view}-{grid.key}" if len(own) > 1 else view
            made.append(replace(grid, files=files.written([grid.table], folder, stem, f"{sweep.name} {view}")))
        said = list(dict.fromkeys(sentence for table in tables for sentence in table.explanations))
        content = {"view": view, "grids": made, "explanations": said} | common
        site.page("sweep.html" if view == "index" else "view.html", f"sweeps/{sweep.name}/{view}.html", **content)
    if shown:
        site.page("figures.html", f"sweeps/{sweep.name}/figures.html", view="figures", **common)
    if found:
        site.page("graphs.html", f"sweeps/{sweep.name}/graphs.html", view="graphs", **common)
    if images:
        site.page("images.html", f"sweeps/{sweep.name}/images.html", view="images", **common)
    return [picture.name for picture in shown]


def write_images(site: Site, sweep: Sweep, folder: Path) -> list[tuple[str, str]]:
    """Write a page for every image of which cells keep pictures; return the names and links of the pages."""
    pages: dict[tuple[str, str], list] = {}
    for dataset, image, rows in sweep.images():
        pages.setdefault((dataset, image), []).append(rows)
    links = []
    for (dataset, image), parts in pages.items():
        name = plain(f"{dataset}_{image}")
        own = [gridded(sweep, table, "../../../") for table in map(scored, parts)]
        made = files.written([grid.table for grid in own], folder / "images", name, f"{sweep.name} {name}")
        shown = figures.of_image(sweep, dataset, image, folder)
        content = {"dataset": dataset, "image": image, "pictures": shown, "files": made, "grids": keyed(own)}
        site.page("image.html", f"sweeps/{sweep.name}/images/{name}.html", sweep=sweep, **content)
        links.append((f"{label(dataset)}: {image}", f"images/{quote(name)}.html"))
    return links


def scored(rows: pd.DataFrame) -> Table:
    """Return the scores of one image and network: entries down, metrics across, means over seeds."""
    rows = rows.astype({"entry": str, "metric": str})
    means = rows.groupby(["entry", "metric"], sort=False).score.mean().unstack(sort=False)
    control = rows.drop_duplicates("entry").set_index("entry").group == "control"
    means = means.loc[[*control.index[~control], *control.index[control]]]
    better = rows.drop_duplicates("metric").set_index("metric").higher_is_better
    heads = [f"{metric} {'↑' if better[metric] else '↓'}" for metric in means]
    frame = means.map(lambda score: NONE if score != score else f"{score:.3g}").set_axis(heads, axis=1)
    first, few = rows.iloc[0], int(control.sum()) if control.any() and not control.all() else 0
    data = means.reset_index().melt("entry", var_name="metric", value_name="score").dropna(subset="score")
    data = data.assign(dataset=str(first.dataset), model=str(first.model), image=str(first.image))
    title = f"Scores on {label(str(first.model))}"
    legend = {"↑": "Higher is better.", "↓": "Lower is better."}
    return Table(f"{first.model}", title, frame.rename_axis(None), controls=few, data=data, legend=legend)


def write_start(site: Site) -> None:
    """Write the first page: what is compared on what, and by which code."""
    content: list[Mapping] = []
    for kind, own in site.kinds.items():
        table = compared(own)
        grid = grids.Grid(kind, table, *_plain(table, [f"sweeps/{quote(sweep.name)}/index.html" for sweep in own]))
        made = files.written([table], site.out, kind, kind)
        links = {sort: stems.known(own, sort) for sort in SORTS}
        content.append({"kind": kind, "question": facts.question(kind), "grid": replace(grid, files=made), **links})
    code = sorted({str(code) for sweep in site.sweeps for code in sweep.rows.code.unique()})
    libraries = sorted({str(code) for sweep in site.sweeps for code in sweep.rows.libraries.unique()})
    found = networks.known(site.sweeps)
    site.page("start.html", "index.html", parts=content, code=code, libraries=libraries, networks=found)


def compared(sweeps: Sequence[Sweep]) -> Table:
    """Return what sweeps of one kind compare on what."""
    lines = {}
    for sweep in sweeps:
        places, entries = sweep.places, sweep.entries
        controls = int((entries.group == "control").sum())
        lines[sweep.name] = {
            "data set": ", ".join(map(label, sweep.labelled.dataset_stem.astype(str).unique())),
            "network": ", ".join(map(label, sweep.labelled.model_stem.astype(str).unique())),
            "entries": len(entries) - controls,
            "controls": controls,
            "metrics": len(sweep.metrics),
            "images": int(places.images.max()) or NONE,
            "scores": int(places.scores.sum()),
            "undefined": int(places.undefined.sum()),
        }
        if any(each.state[0] for each in sweeps):
            lines[sweep.name]["state"] = sweep.state[0] or NONE
    frame = pd.DataFrame.from_dict(lines, orient="index").astype(str)
    data = pd.DataFrame.from_dict(lines, orient="index").rename_axis("sweep").reset_index()
    return Table(sweeps[0].kind, "Sweeps", frame, data=data)


def _plain(table: Table, hrefs: Sequence[str]) -> tuple[list[grids.Head], list[grids.Row]]:
    """Return heads without links and rows with the given ones."""
    heads = [grids.Head(head, "", "", "", grids.are_words(table.frame[head])) for head in table.frame]
    rows = zip(table.frame.index, table.frame.to_numpy(object), hrefs, strict=True)
    return heads, [grids.Row(str(name), href, [*map(grids.Cell, cells)], {"stem": name}) for name, cells, href in rows]
