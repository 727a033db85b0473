"""Networks fitted on halves of the training images: the truth of what many training images do together.

Each has a seed of its own for its first weights and the order of its images. They are fitted in as many processes as
the cell may have threads, each with one thread, and kept in the folder `subsets` of the cache, so that a run that was
killed goes on. What they say of the test images is stored for all entries of a sweep.
"""

import logging
from contextlib import redirect_stderr
from dataclasses import replace
from io import StringIO
from pathlib import Path

import torch
from joblib import Parallel, cpu_count, delayed, parallel_config
from torch import Tensor
from tqdm import tqdm

from benchmarks.examples.benchmark import Examples, Tested
from benchmarks.examples.traced import Subsets
from benchmarks.examples.worlds import TEST_IMAGES, World, plain, refittable
from benchmarks.preparation import Prepared
from methods.perturbation import log_odds

log = logging.getLogger(__name__)
APART = 10**6  # more than the number of subsets, so that no two networks have the same seed


def subsets(cell: Prepared, settings: Examples, tested: Tested, images: int) -> Subsets:
    """Return the margins of networks that are fitted on halves of the data set's `images` training images."""
    model = refittable(cell)
    halves = [World(plain(cell.dataset), "half", 0.5, seed) for seed in range(settings.subsets)]
    # Finished networks only, whatever accuracy their recipe promises on all images.
    fit = replace(model.fit, checkpoints=(), test_images=TEST_IMAGES, accuracy=0)
    model = replace(model, fit=fit, cache=str(Path(model.cache) / "subsets"))
    x, target = tested.x.cpu(), tested.targets.cpu()

    def compute() -> Tensor:
        seeds = [(half, 1 + half.seed + APART * turn) for half in halves for turn in range(settings.seeds)]
        jobs = [delayed(margins)(replace(model, fit=replace(fit, seed=seed)), half, x, target) for half, seed in seeds]
        log.info("%d networks are fitted on halves of the training images; each is kept", len(jobs))
        workers = min(len(jobs), cell.cfg.threads or cpu_count())
        with parallel_config("loky", n_jobs=workers, inner_max_num_threads=1):
            found = Parallel(return_as="generator")(jobs)
            found = [*tqdm(found, "networks of subsets", len(jobs), unit="network", leave=False, disable=None)]
        return torch.stack(found).unflatten(0, (len(halves), settings.seeds))

    key = ("subsets", fit.key(model.name, halves[0]), settings.subsets, settings.seeds)
    found = cell.store((tested.x, tested.targets), key, compute)
    return Subsets(torch.stack([half.truth(images) for half in halves]), found.cpu())


def margins(model: object, half: World, x: Tensor, target: Tensor) -> Tensor:
    """Return the margins (n,) of a network that is fitted on a half, unless it is in the cache."""
    with redirect_stderr(StringIO()), torch.no_grad():  # a bar for each network would be too many
        network = model(half)
        logits = torch.cat([network.module(part) for part in x.split(64)])
    return log_odds(logits.double(), target)
