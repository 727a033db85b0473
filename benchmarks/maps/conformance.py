"""What the checks of metrics need of maps."""

from benchmarks.conformance import cases

TRAITS = {"explained", "map"}
case, part = cases.case, cases.part
