"""Does a metric give the known answers, in its direction, with its invariances? `python -m benchmarks.conformance`."""
