"""Metrics of networks: they read the network, the images and the target class, but no map and no method."""
