"""Which selectors find critical paths: `python -m results.paths outputs/NAME [--latex] [--csv] [--layers]`."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from results import collect
from results.kinds import only
from results.paths.latex import latex
from results.paths.orders import parts
from results.paths.table import named, table
from results.paths.text import text


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what the selectors of a sweep keep and what their paths are worth, beside the controls."""
    parser = argparse.ArgumentParser("python -m results.paths", description=main.__doc__)
    parser.add_argument("sweep", type=Path, help="the sweep's folder: outputs/NAME")
    parser.add_argument("--latex", action="store_true", help="print booktabs tables and write paths.tex")
    parser.add_argument("--csv", action="store_true", help="write every row to paths.csv, paths_layers.csv, ...")
    parser.add_argument("--layers", action="store_true", help="print every layer, too")
    options = parser.parse_args(arguments)
    try:
        rows = table(named(only(collect.stored(options.sweep), "paths")))
        if options.latex:
            printed = latex(rows, options.layers)
            (options.sweep / "paths.tex").write_text(printed, encoding="utf-8")
        else:
            printed = text(rows, min(shutil.get_terminal_size((110, 24)).columns, 120), options.layers)
        print(printed, end="")
        for ending, part in parts(rows).items() if options.csv else ():
            part.to_csv(options.sweep / f"paths{ending}.csv", index=False)
            print(f"written: {options.sweep / f'paths{ending}.csv'}", file=sys.stderr)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
