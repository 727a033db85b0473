"""Score the images that a visualisation gives to units: once, on real images that it has and has not seen."""

import json
from dataclasses import replace
from functools import cache, partial

import numpy as np
import torch
from omegaconf import OmegaConf
from torch import Tensor

from benchmarks import rows
from benchmarks.beside import of_recipe
from benchmarks.contracts import painted, untouched
from benchmarks.cost import measured
from benchmarks.loop import Scored
from benchmarks.preparation import Prepared
from benchmarks.units.benchmark import Neurons, Reference
from benchmarks.units.visualised import Visualised
from entries import Inapplicable
from methods.layers.layered import Layered, chosen_layers, layer_names
from methods.units import patches
from methods.units.reading import Units, units_of

PATCHES = 4  # of a unit in the gallery


def step(cell: Prepared, network: Units, reference: Reference, settings: Neurons) -> Scored:
    """Return the scores of every unit, and what figures draw of the first ones."""
    common, x = replace(cell.common, x=reference.x), reference.x
    with untouched(type(cell.entry).__name__, common), measured(cell.model, cell.device) as cost:
        shown = cell.entry(network, x, common.box)
    names = [f"{network.layer} {unit}" for unit in network.index]
    painted(pixels(cell, shown.images), names, type(cell.entry).__name__)
    other = cache(partial(of_other_seed, cell, network, x, settings))
    path = partial(features, Layered(cell.model, on_the_way(network, x), network.batch, cell.store))
    visualised = Visualised(cell.model, x, reference.held_out, network, *shown, other, path, cell.store)
    parts = [json.dumps([network.layer, unit]) for unit in network.index]
    facts = rows.per_image(cost, len(parts), "explain_") | {"image": "", "data": reference.data}
    tables = [
        rows.answered(name, metric, partial(metric, visualised), len(parts), visualised).assign(part=parts, **facts)
        for name, metric in cell.metrics.items()
    ]
    return Scored(tables, [], partial(pictures, cell, visualised, names))


def pixels(cell: Prepared, images: Tensor) -> Tensor:
    """Return normalised images as pixels (n, 3, h, w) in [0, 1]."""
    return replace(cell.common, x=images).pixels()


def on_the_way(network: Units, x: Tensor) -> tuple[str, ...]:
    """Return the layers through which the whole decision passes before that of the units, and this last.

    The last of them inside of it is left out: it mostly gives the same maps.
    """
    try:
        names = layer_names(network.model, x)
    except Inapplicable:
        names = ()
    names = chosen_layers(network.model, x, [*names, network.layer])
    before = names[: names.index(network.layer)]
    inside = before and before[-1].startswith(f"{network.layer}.")
    return (*(before[:-1] if inside else before), network.layer)


def features(network: Layered, x: Tensor) -> list[Tensor]:
    return network.features(x)


def of_other_seed(cell: Prepared, network: Units, x: Tensor, settings: Neurons) -> Units:
    """Return the same layer of the network fitted with the next seed; refuse weights that are no fit."""
    seed = OmegaConf.select(cell.cfg, "model.fit.seed")
    if seed is None or cell.cfg.model.weights != "fit":
        raise Inapplicable(
            f"Transfer needs weights=fit, so that another seed can be fitted; {cell.cell.names['model']} has others"
        )
    model, store = of_recipe(cell, fit={"seed": seed + 1})
    return units_of(model, x[:1], network.layer, settings.units, network.batch, store)


def pictures(cell: Prepared, visualised: Visualised, names: list[str], units: int) -> dict[str, np.ndarray]:
    """Return what figures draw of the first units: images, best real patches and activations."""
    network = replace(visualised.network, index=visualised.network.index[:units])
    images, positions = patches.best(network, visualised.x, PATCHES)
    fields = patches.fields(network, visualised.x, positions)
    crops = [
        torch.stack([patches.cropped(visualised.x[i], field) for i, field in zip(*unit, strict=True)])
        for unit in zip(images.tolist(), fields, strict=True)
    ]
    return {
        "image": np.array(names[:units]),
        "visualised": rows.as_bytes(pixels(cell, visualised.images[:units])),
        "patches": np.stack([rows.as_bytes(pixels(cell, crop)) for crop in crops]),
        "activation": visualised.activation[:units].numpy(),
    }
