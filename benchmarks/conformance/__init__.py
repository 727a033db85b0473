"""Checks that metrics give known answers and keep their promises: `python -m benchmarks.conformance`."""
