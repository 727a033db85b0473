"""Explain, score and record: `python run.py method=grad_cam`; sweep with `-m` or `experiment=...`."""

import hydra
from omegaconf import DictConfig

from benchmarks.command import one_sentence
from benchmarks.record import record


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg: DictConfig) -> bool:
    """Compute and store what one cell lacks; return whether there was something to compute."""
    return record(cfg)


if __name__ == "__main__":
    with one_sentence():
        main()
