"""What every figure must be."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from results import style


def checked(figure) -> None:
    """Check that a figure has something drawn, fits a page, and has all of its text inside its frame."""
    assert figure.get_figwidth() <= style.PAGE and figure.get_figheight() <= style.HEIGHT
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    assert (np.asarray(canvas.buffer_rgba())[..., :3] < 250).any(axis=-1).mean() > 0.01
    box = figure.get_tightbbox()
    assert (box.min > -0.02).all() and (box.max < figure.get_size_inches() + 0.02).all()
