"""Score which training images explain the network's answers: on the cell's own network, and on planted ones."""

from dataclasses import replace
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from benchmarks import rows
from benchmarks.contracts import untouched
from benchmarks.datasets.splits import digest
from benchmarks.examples import traced, worlds
from benchmarks.examples.benchmark import Examples, Tested, asked
from benchmarks.examples.subsets import subsets
from benchmarks.loop import Scored
from benchmarks.preparation import Prepared
from methods.examples.training import Traces, Training, fitted_head
from methods.layers.layered import Layered
from methods.perturbation import log_odds


def step(cell: Prepared, training: Training, settings: Examples) -> Scored:
    """Return all scores of a cell, and what figures draw of the first test images."""
    tested = settings.tested(cell)
    with asked(cell, training) as cost:
        told = explained(cell, training, tested.x, tested.targets)
    number = min(settings.duplicates, len(tested.x))
    seen = traced.Traced(
        model=cell.model,
        x=tested.x,
        image=tested.names,
        tau=told.tau,
        left_out=cache(partial(left_out, training, tested, settings)),
        subsets=cache(partial(subsets, cell, settings, tested, len(training.x))),
        flipped=cache(partial(flipped, cell, tested, settings.flipped)),
        doubled=cache(partial(doubled, cell, tested, number)),
        patched=cache(partial(patched, cell, tested, settings.patched)),
        untrained=partial(untrained, cell, training, tested),
        duplicates=number,
        store=cell.store,
    )
    data, tables, curves = digest(training.x, training.labels), [], []
    spent = rows.per_image(cost, len(tested.x), "explain_")
    for name, metric in cell.metrics.items():
        images, parts = metric.images(seen), [*getattr(metric, "parts", [""])]
        table = rows.answered(name, metric, partial(metric, seen), len(images) * len(parts), seen)
        table = table.assign(image=np.repeat(images, len(parts)), part=parts * len(images), **spent)
        tables.append(table.assign(data=data) if images == [""] else table.join(tested.facts, on="image"))
        curves += rows.curves(metric, table, seen)
    return Scored(tables, curves, partial(pictures, cell, training, tested, told.tau, settings.gallery["examples"]))


def explained(cell: Prepared, training: Training, x: Tensor, targets: Tensor) -> Traces:
    """Return what the entry says of test images; refuse other shapes."""
    name = type(cell.entry).__name__
    with untouched(name, training):
        told = cell.entry(training, x, targets)
    need, n = (len(x), len(training.x)), len(training.x)
    if told.tau.shape != need or told.own.shape != (n,) or not told.tau.isfinite().all():
        given = f"tau {tuple(told.tau.shape)} and own {tuple(told.own.shape)}"
        raise ValueError(f"{name} needs to give finite tau {need} and own {(n,)}; it gave {given}")
    return told


def left_out(training: Training, tested: Tested, settings: Examples) -> traced.LeftOut:
    """Refit the head exactly without single training images, which are drawn at random."""
    n, targets = len(training.x), tested.targets.cpu()
    if settings.left_out > n:
        need = f"benchmark.left_out needs at most the number of training images, {n}"
        raise ValueError(f"{need}; {settings.left_out} was given")
    places = torch.randperm(n, generator=torch.Generator().manual_seed(0))[: settings.left_out]

    def compute() -> Tensor:
        h, test = training.features(training.x), training.features(tested.x)
        fit = partial(fitted_head, h, training.labels, len(training.head()[1]), settings.l2)
        whole = fit()
        heads = [fit(weights=torch.arange(n) != place, start=whole) for place in places]
        margins = [log_odds(test @ weight.T + bias, targets) for weight, bias in (whole, *heads)]
        return torch.stack([margins[0] - margin for margin in margins[1:]], 1)

    key = ("left out", settings.l2, settings.left_out)
    inputs = (training.x, training.labels, tested.x, targets)
    return traced.LeftOut(places, training.keep(inputs, key, compute).cpu())


def planted(cell: Prepared, world: worlds.World) -> Training:
    """Return a network that is fitted on a world, with its training images."""
    return worlds.trained(cell, world, worlds.fitted(cell, world))


def flipped(cell: Prepared, tested: Tested, share: float) -> traced.Flipped:
    """Explain a network that was fitted on some wrong labels."""
    world = worlds.World(worlds.plain(cell.dataset), "flipped", share)
    training = planted(cell, world)
    own = explained(cell, training, tested.x[:1], tested.targets[:1]).own
    return traced.Flipped(own, world.truth(len(own)))


def doubled(cell: Prepared, tested: Tested, copies: int) -> traced.Doubled:
    """Explain a network that was also trained on the first test images, with their labels."""
    world = worlds.World(worlds.plain(cell.dataset, copies), "doubled", copies)
    training = planted(cell, world)
    tau = explained(cell, training, tested.x[:copies], tested.labels[:copies].to(tested.x.device)).tau
    return traced.Doubled(tau, world.truth(tau.shape[1]).nonzero()[:, 0])


def patched(cell: Prepared, tested: Tested, share: float) -> traced.Patched:
    """Explain why a network says the class of the patch of test images with the patch."""
    world = worlds.World(worlds.plain(cell.dataset), "patched", share)
    training = planted(cell, world)
    x = cell.common.normalised(worlds.patched(tested.pixels, 1).to(cell.device))
    before, after = (training.logits(images).argmax(1) for images in (tested.x, x))
    of_class = training.labels == 0
    tau = explained(cell, training, x, torch.zeros_like(tested.targets)).tau
    return traced.Patched(tau[:, of_class], world.truth(len(of_class))[of_class], (before != 0) & (after == 0))


def untrained(cell: Prepared, training: Training, tested: Tested, seed: int) -> Tensor:
    """Return what the entry says of the network with weights that are drawn anew."""
    other = Layered(training.model, (), training.batch, training.keep).untrained(seed)
    anew = replace(training, model=other.model, keep=other.keep, checkpoints=[(other.model, 1.0)])
    return explained(cell, anew, tested.x, tested.targets).tau


def pictures(
    cell: Prepared, training: Training, tested: Tested, tau: Tensor, examples: int, images: int
) -> dict[str, np.ndarray]:
    """Return for the first test images the training images that help and harm their class most, with tau."""
    n = min(images, len(tested.x))
    order = tau[:n].argsort(dim=1, descending=True, stable=True)
    common, labels, facts = cell.common, training.labels.cpu(), tested.facts[:n]
    std, mean = (part.to(training.x)[:, None, None] for part in (common.std, common.mean))
    shown = {
        "image": np.array(tested.names[:n]),
        "pixels": rows.as_bytes(tested.pixels[:n]),
        "classes": np.array([[rows.named(cell.dataset.classes, k) for k in range(len(training.head()[1]))]] * n),
        **{name: facts[name].to_numpy() for name in ("label", "predicted", "target")},
    }
    for name, places in (("helpful", order[:, :examples]), ("harmful", order.flip(1)[:, :examples])):
        pixels = training.x[places.flatten().to(training.x.device)] * std + mean
        shown[name] = rows.as_bytes(pixels).reshape(*places.shape, *shown["pixels"].shape[1:])
        shown[f"{name}_tau"] = tau[:n].gather(1, places).numpy()
        shown[f"{name}_label"] = labels[places].numpy()
        shown[f"{name}_place"] = places.numpy()
    return shown
