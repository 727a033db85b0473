"""Undefined is a result: which scores are missing, and why."""

from argparse import Namespace

import pandas as pd

from results import summary
from results.names import label
from results.tables import Table


def undefined(scores: pd.DataFrame, options: Namespace) -> list[Table]:
    """Return a table per network: for each reason and metric the entries, and how many of their scores are missing."""
    rows = scores[scores.metric.isin(options.metric)] if options.metric else scores
    missing = summary.undefined(rows)
    if missing.empty:
        return [Table("undefined", "Every score is defined.", pd.DataFrame(), data=missing)]
    found = []
    for (dataset, model), own in missing.groupby(["dataset", "model"], observed=True, sort=False):
        lines = []
        for (status, reason), some in own.groupby(["status", "reason"], observed=True, sort=False):
            if (some.of == 0).all():
                lines.append(("all metrics", status, ", ".join(some.entry.unique()), reason))
                continue
            for metric, cells in some.groupby("metric", observed=True, sort=False):
                counts = [f"{cell.entry} {cell.undefined} of {cell.of}" for cell in cells.itertuples()]
                lines.append((metric, status, ", ".join(counts), reason))
        frame = pd.DataFrame(lines, columns=["metric", "status", "entries and their missing scores", "reason"])
        title = f"Missing scores: {dataset} / {model}"
        said = "A score is that of one image under one seed."
        about = {"caption": f"Missing scores: {label(model)} on {label(dataset)}", "data": own}
        found.append(Table(f"{dataset}_{model}", title, frame.set_index("metric").rename_axis(None), [said], **about))
    return found
