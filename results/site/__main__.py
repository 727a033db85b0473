"""Write a static site of sweeps: `python -m results.site SWEEP... --out DIR`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m results.site", description=__doc__)
    sweep = "a sweep's folder, or the record NAME.json of a published one; A+B reads A with B beside it"
    arguments.add_argument("sweeps", nargs="+", metavar="SWEEP", help=sweep)
    arguments.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder of the site")
    pictures = "finished cells below it lend their maps and rules to the same cells of published sweeps"
    arguments.add_argument("--pictures", type=Path, metavar="DIR", help=pictures)
    arguments.add_argument("--title", default="glassbench", help="what stands above every page")
    return arguments


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    from results.site import pages, sweeps  # pandas takes a second to import, which --help must not

    try:
        kept = sweeps.folders_by_digest(options.pictures) if options.pictures else {}
        pages.write([sweeps.opened(path, kept) for path in options.sweeps], options.out, options.title)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(options.out / "index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
