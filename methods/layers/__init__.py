"""What is read from the layers of a network: predictions of probes, correlations of features, importance of filters."""
