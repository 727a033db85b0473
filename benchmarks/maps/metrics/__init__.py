"""Metrics of maps: frozen dataclasses called as `metric(explained) -> scores`, one score per image."""
