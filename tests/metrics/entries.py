"""The metrics of conf/metric, for their tests."""

from benchmarks.conformance.entries import entries

METRICS = entries()
