"""The kind `maps`: every pixel gets one number of evidence for a class, and metrics score these maps."""
