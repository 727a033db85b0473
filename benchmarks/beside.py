"""Networks beside that of a cell, of another seed, epoch or data set: on its device and at its precision."""

from dataclasses import replace

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from benchmarks.contracts import frozen
from benchmarks.precision import at_precision
from benchmarks.preparation import Prepared, computing
from benchmarks.store import Store


def placed(cell: Prepared, module: nn.Module) -> nn.Module:
    """Return a network, frozen, on the cell's device and at its precision; its passes count as the cell's network's."""
    module = frozen(module.eval().requires_grad_(False), cell.cell.names["model"])
    module._forward_hooks = cell.model._forward_hooks
    module = module.to(cell.device, memory_format=torch.channels_last)
    return at_precision(module, cell.cell.precision, cell.device)


def of_recipe(cell: Prepared, **settings: object) -> tuple[nn.Module, Store]:
    """Return the network of the cell's recipe with other settings of the model, and the store of what depends on it."""
    node = OmegaConf.merge(cell.cfg, {"model": settings}).model
    network = instantiate(node, _convert_="all")(getattr(cell.dataset, "fitted_on", cell.dataset))
    model = placed(cell, network.module)
    return model, replace(cell.store, model=model, of=computing(network, cell.cell.precision))
