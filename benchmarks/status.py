"""Say how far a sweep is: `python -m benchmarks.status outputs/NAME`.

It reads the plans of the sweep's commands and starts nothing. It ends with 0 if all cells are done.
"""

import sys
from collections import defaultdict
from pathlib import Path

from benchmarks.command import one_sentence
from benchmarks.plan import BEGUN, DONE, LEFT, Plan, plans

FEW = 12  # reasons that are shown
NOBODY = (
    "No process computes now. If no job waits in a queue, start the same command again: "
    "it takes the cells that are missing and tries again those that failed."
)
UNITS = [("days", 48 * 3600, 86400), ("hours", 2 * 3600, 3600), ("minutes", 120, 60), ("seconds", 0, 1)]


def lines(plan: Plan) -> list[str]:
    """Say of a command how many of its cells are done, running, failed and missing, and what they cost."""
    now, failed, left, done = plan.computed(), plan.reasons(), plan.left(LEFT + BEGUN), len(plan.cells(DONE))
    number = f"{done:,} of {len(plan.names):,} cells are done, {len(now):,} are running, {len(failed):,} failed"
    said = [plan.command, f"{number}, {len(left):,} are missing."]
    seconds = [ended["seconds"] for ended in plan.log().values()]
    said += [f"{len(seconds):,} cells took {time(sum(seconds))} of computing."] if seconds else []
    if (left or failed) and not now:
        said += [NOBODY]
    elif now and done and seconds:
        ahead = (len(left) + len(now) / 2) * sum(seconds) / len(seconds) / len(now)
        said += [f"About {time(ahead)} are left with {len(now)} workers, if the other cells take as long as these."]
    return said + reasons(plan, failed)


def reasons(plan: Plan, failed: dict[int, str]) -> list[str]:
    """Say why cells failed, each reason once."""
    usual = set.intersection(*map(set, plan.overrides)) if len(plan.overrides) > 1 else set()
    cells = defaultdict(list)
    for cell, reason in failed.items():
        cells[reason].append(" ".join(word for word in plan.overrides[cell] if word not in usual))
    said = []
    for reason, names in [*cells.items()][:FEW]:
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        said.append(f"- {names[0]}{more}: {reason}")
    return said + ([f"- and {len(cells) - FEW} other reasons"] if len(cells) > FEW else [])


def time(seconds: float) -> str:
    """Return a time in the unit in which it is easy to read."""
    name, _, unit = next(row for row in UNITS if seconds >= row[1])
    return f"{seconds / unit:.{0 if unit == 1 else 1}f} {name}"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        raise ValueError("usage: python -m benchmarks.status outputs/NAME")
    paths = plans(Path(arguments[0]))
    if not paths:
        lack = "" if Path(arguments[0]).is_dir() else "; there is no such folder"
        raise ValueError(
            f"{arguments[0]} needs to be the folder of a sweep, outputs/NAME, that was started with -m{lack}"
        )
    known = [Plan.read(path) for path in paths]
    plan = next((plan for plan in known if plan.computed()), known[0])  # else of the command that was started last
    print("\n".join(lines(plan)))
    return int({*plan.states()} != {DONE})


if __name__ == "__main__":
    with one_sentence():
        sys.exit(main(sys.argv[1:]))
