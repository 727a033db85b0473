"""Data sets: frozen dataclasses that give test images in pixel space with labels and masks."""
