"""The rules of simple models, as cells keep them: which size suffices, and rules as words."""

import json
from collections.abc import Mapping, Sequence

import numpy as np

WITHIN = 0.01  # fidelity that a smaller model may lack of the best one
ALWAYS = "always"  # the name of what a linear model gives a class whatever an image shows
MOST = 32  # leaves or weights of a model whose rules are shown


def sufficient(sizes: Sequence[int], fidelity: Sequence[float]) -> int:
    """Return the place of the smallest size whose fidelity is within .01 of the best."""
    fidelity = np.asarray(fidelity, float)
    near = np.flatnonzero(fidelity >= np.nanmax(fidelity) - WITHIN)
    return int(min(near, key=lambda place: sizes[place]))


def chosen(gallery: Mapping[str, np.ndarray]) -> dict[str, object]:
    """Return the model of a cell whose size suffices, of those that can be shown, with the names of the classes."""
    models = [json.loads(str(text)) for text in gallery["rules"]]
    models = [model for model in models if model["size"] <= MOST] or models[:1]
    model = models[sufficient([model["size"] for model in models], [model["fidelity"] for model in models])]
    return model | {"classes": [*map(str, gallery["classes"][0])]}


def is_tree(model: Mapping[str, object]) -> bool:
    return any("if" in rule for rule in model["rules"])


def counted(model: Mapping[str, object]) -> str:
    """Return how large a model is, in words."""
    one, several = ("leaf", "leaves") if is_tree(model) else ("weight", "weights")
    return f"{model['size']} {one if model['size'] == 1 else several}"


def condition(path: Sequence[tuple[str, bool, float]], binary: bool) -> str:
    """Return the conditions of a rule in words, those of one name together."""
    bounds: dict[str, list[float]] = {}
    for name, above, threshold in path:
        low, high = bounds.setdefault(name, [-np.inf, np.inf])
        bounds[name] = [max(low, threshold), high] if above else [low, min(high, threshold)]
    return " and ".join(test(name, *ends, binary) for name, ends in bounds.items()) or ALWAYS


def test(name: str, low: float, high: float, binary: bool) -> str:
    """Return in words that a number lies between two ends; a word is true or not."""
    if binary:
        return name if low > -np.inf else f"not {name}"
    if low > -np.inf and high < np.inf:
        return f"{short(low)} < {name} < {short(high)}"
    return f"{name} > {short(low)}" if low > -np.inf else f"{name} < {short(high)}"


def short(threshold: float) -> str:
    """Return a number with two digits, or as many as tell a probability below 1 from 1."""
    said = (f"{threshold:.{digits}g}" for digits in range(2, 17))
    return next(text for text in said if float(text) != 1 or threshold == 1)


def weights(model: Mapping[str, object]) -> dict[str, dict[str, float]]:
    """Return the weights of a linear model by class and name, the largest first, and last what is always there."""
    found: dict[str, dict[str, float]] = {}
    for rule in model["rules"]:
        found.setdefault(model["classes"][rule["says"]], {})[rule["of"]] = rule["weight"]
    return {name: found[name] for name in model["classes"] if name in found}
