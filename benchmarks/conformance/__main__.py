"""Check metrics: `python -m benchmarks.conformance [NAME ...] [--config-dir DIR] [--answers MODULE] [--csv FILE]`."""

import argparse
import csv
import importlib
import sys
from collections import Counter
from pathlib import Path

from benchmarks.command import CONF, one_sentence
from benchmarks.conformance.checks import Verdict, verdicts
from benchmarks.conformance.entries import entries, stems
from benchmarks.conformance.subject import Company, Subject

OUTCOMES = ("ok", "fails", "departs", "does not apply")


def main() -> None:
    """Print a line per check; exit with 1 if one fails."""
    parser = argparse.ArgumentParser("python -m benchmarks.conformance", description=__doc__.partition(":")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="stems of conf/metric or DIR/metric; default: all")
    parser.add_argument("--config-dir", metavar="DIR", help="a conf folder of your own, as for run.py")
    known = "a module or package with known answers (tests.answers): a function with the metric's name yields them"
    parser.add_argument("--answers", metavar="MODULE", action="append", default=[], help=known)
    parser.add_argument("--csv", metavar="FILE", help="write metric, check, model, outcome, sentence")
    arguments = parser.parse_args()
    conf = Path(arguments.config_dir or CONF)
    if not stems(conf):
        raise ValueError(f"--config-dir needs a folder with metric/NAME.yaml; {conf} has none")
    for module in arguments.answers:
        importlib.import_module(module)
    metrics = entries(arguments.names or stems(conf), arguments.config_dir)
    company = Company(entries() | metrics)
    results: list[Verdict] = []
    for name, metric in metrics.items():
        print(name)
        for verdict in verdicts(Subject(name, metric, tuple(arguments.answers), company)):
            results.append(verdict)
            print(line(verdict))
    if arguments.csv:
        with open(arguments.csv, "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([Verdict._fields, *results])
    outcome = Counter(verdict.outcome for verdict in results)
    print(f"{len(metrics)} metrics: " + ", ".join(f"{outcome[o]} {o}" for o in OUTCOMES))
    sys.exit(outcome["fails"] > 0)


def line(verdict: Verdict) -> str:
    """Return the outcome of one check as a line of the terminal."""
    what = verdict.check.replace("_", " ") + (f" ({verdict.model})" if verdict.model else "")
    outcome = "FAILS" if verdict.outcome == "fails" else verdict.outcome
    return f"  {what}: {outcome}" + (f": {verdict.sentence}" if verdict.sentence else "")


if __name__ == "__main__":
    with one_sentence():
        main()
