"""Keep a sweep as reference tables: `python -m results.publish outputs/NAME COMMAND` writes to results/published/."""

import os
import platform
import sys
from pathlib import Path

import pandas as pd
from PIL import Image

from results import collect, meta, protocols
from results.kinds import KINDS, kind
from results.leaderboard import leaderboard, summary
from results.methods import methods, report

PUBLISHED = Path(__file__).parent / "published"
COLUMNS = [
    "benchmark", "dataset", "model", "input_size", "method", "variant", "group", "seed", "image", "label", "predicted",
    "target", "tied", "layer", "kept", "metric",
    "category", "protocol", "version", "higher_is_better", "lower_bound", "upper_bound", "score", "status", "reason",
    "seconds", "forwards", "backwards", "reused", "explain_seconds", "explain_forwards", "explain_backwards",
    "curve_seconds", "curve_forwards", "curve_backwards", "weights", "config",
]  # fmt: skip


def publish(sweep: Path, command: str) -> None:
    """Write the scores, their tables, the pictures and where all of this comes from.

    Of paths, the scores of single layers are left out, whose table is kept: they are forty times as many.
    """
    name, raw = sweep.name, collect.stored(sweep)
    PUBLISHED.mkdir(exist_ok=True)
    if meta.conditions(raw).notna().all():
        scores = meta.stored(sweep)
        judged = meta.judged(scores)
        tables, texts = {"": judged}, [meta.text(judged, 150)]
    elif other := KINDS.get(kind(raw)):
        scores, tables, texts = raw, other.tables(raw), [other.summary(raw, 110)]
        collect.curves(raw).to_parquet(PUBLISHED / f"{name}_curves.parquet", compression="zstd", index=False)
    else:
        scores = collect.labelled(raw)
        found = [*protocols.agreements(scores)]
        tables = {"": leaderboard(scores), "_methods": methods(scores)}
        texts = [summary(scores, width=110), report(scores, width=110)]
        if found:
            tables["_pairs"] = protocols.tables(found)["protocols"]
            texts.append(protocols.report(found))
    known = [column for column in COLUMNS if column in scores]  # cells of an older version have fewer
    whole = scores[scores.layer == ""] if "layer" in scores else scores
    whole[known].to_parquet(PUBLISHED / f"{name}.parquet", compression="zstd", index=False)
    for ending, table in tables.items():
        table.to_csv(PUBLISHED / f"{name}{ending}.csv", index=False, float_format="%.6g")
    (PUBLISHED / "figures").mkdir(exist_ok=True)
    for picture in sorted((sweep / "figures").glob("*.png")):
        with Image.open(picture) as drawn:  # 256 colours suffice for a screen and keep the repository small
            drawn.convert("RGB").quantize(256).save(PUBLISHED / "figures" / f"{name}_{picture.name}", optimize=True)
    (PUBLISHED / f"{name}.md").write_text(account(scores, name, command, texts))


def account(scores: pd.DataFrame, name: str, command: str, texts: list[str]) -> str:
    """Say how the tables were made, and print them."""
    cells = scores.drop_duplicates(["dataset", "model", "method", "variant", "seed"])
    once = scores.drop_duplicates(["dataset", "model", "method", "variant", "seed", "image"])
    once = once.assign(seconds=once[[*{"explain_seconds", "curve_seconds"} & {*once}]].sum(axis=1))
    spent = scores.groupby("model").seconds.sum() + once.groupby("model").seconds.sum()
    lines = [
        f"# {name}", "",
        f"- command: `{command}`",
        f"- cells: {len(cells)}; rows: {len(scores)}; images: {scores.image[scores.image != ''].nunique()}",
        f"- code: {', '.join(scores.code.unique())}",
        *(f"- libraries: {libraries}" for libraries in scores.libraries.unique()),
        f"- machine: {platform.system()} {platform.machine()}, {os.cpu_count()} cores, {scores.device.iloc[0]}",
        *(f"- {model}: weights {digest}; {spent[model] / 60:.1f} minutes of explaining and scoring"
          for model, digest in scores.groupby("model", sort=False).weights.first().items()),
        *(line for text in texts for line in ("", "```", text.rstrip(), "```")), "",
    ]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) != 3 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python -m results.publish outputs/NAME COMMAND")
    publish(Path(sys.argv[1]), sys.argv[2])
