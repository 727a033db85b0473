"""Scores as blocks: images by methods, the seeds of an image averaged, so that they are not counted as images."""

import numpy as np
import pandas as pd


def common_images(scored: pd.DataFrame) -> tuple[list[str], int]:
    """Return the images that every method has been scored on, and how many others there are."""
    sets = [set(images) for images in scored.groupby("method").image.unique()]
    common = sorted(set.intersection(*sets))
    if not common:
        where = f"{scored.dataset.iloc[0]} / {scored.model.iloc[0]}"
        raise ValueError(f"A ranking needs images that every method was scored on; {where} has none")
    return common, len(set.union(*sets)) - len(common)


def blocks(cells: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return one model's scores of a metric, images x methods; nan where all seeds of an image are undefined."""
    scored = cells[cells.image != ""]
    methods = cells.method.unique()
    if scored.empty:
        return pd.DataFrame(columns=methods, dtype=float)
    images, _ = common_images(scored)
    ours = scored[(scored.metric == metric) & np.isfinite(scored.score)]
    return ours.groupby(["image", "method"]).score.mean().unstack("method").reindex(index=images, columns=methods)


def pooled(models: list[pd.DataFrame]) -> pd.DataFrame:
    """Average blocks over models, each with the same weight: models are strata, and an image is one block in all.

    Only images that all models have; a method or an image that is undefined on one of them is undefined.
    """
    images = sorted(set.intersection(*(set(values.index) for values in models)))
    methods = pd.Index(dict.fromkeys(method for values in models for method in values.columns))
    stack = [values.reindex(index=images, columns=methods).to_numpy() for values in models]
    return pd.DataFrame(np.mean(stack, axis=0) if images else np.empty((0, len(methods))), images, methods)
