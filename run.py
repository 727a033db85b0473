"""Explain, score and record: `python run.py method=grad_cam`; sweep with `-m` or `experiment=...`."""

import sys

from benchmarks import command, help


def main() -> None:
    """Compute and store what one cell, or each cell of a sweep, lacks."""
    import hydra  # takes a third of a second, which a call for help does not need

    from benchmarks.record import record

    hydra.main(version_base="1.3", config_path=str(command.CONF), config_name="config")(record)()


if __name__ == "__main__":
    with command.one_sentence():
        print(help.answer(sys.argv[1:])) if help.asked(sys.argv[1:]) else command.start(main)
