"""Compare a sweep's networks: `python -m results.networks outputs/NAME [--latex] [--csv]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from results import collect
from results.kinds import only
from results.networks.latex import latex
from results.networks.table import tables
from results.networks.text import summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Print how robust a sweep's networks are, and what attacks and removals do to their maps."""
    parser = argparse.ArgumentParser("python -m results.networks", description=main.__doc__)
    parser.add_argument("sweep", type=Path, help="the sweep's folder: outputs/NAME")
    parser.add_argument("--latex", action="store_true", help="print booktabs tables and write networks.tex")
    parser.add_argument("--csv", action="store_true", help="write every row to networks.csv and networks_within.csv")
    options = parser.parse_args(arguments)
    try:
        scores = collect.labelled(only(collect.stored(options.sweep), "networks"))
        text = latex(scores) if options.latex else summary(scores)
        found = tables(scores) if options.csv else {}
        if options.latex:
            (options.sweep / "networks.tex").write_text(text, encoding="utf-8")
        print(text, end="")
        for ending, table in found.items():
            path = options.sweep / f"networks{ending}.csv"
            table.to_csv(path, index=False)
            print(f"written: {path}", file=sys.stderr)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
