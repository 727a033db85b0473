"""How each network is drawn, the same in all figures."""

from collections.abc import Sequence

from results.lines import COLOURS, DASHES

MARKERS = "osD^vP"


def look(networks: Sequence[str]) -> dict[str, dict]:
    """Return each network's colour, marker and dashes: each tells it from the next five, all three from many."""
    lines = ["-", *((0, dash) for dash in DASHES)]
    return {network: {"color": COLOURS[k % 6], "marker": MARKERS[(k + k // 6) % 6], "ls": lines[k % 7]}
            for k, network in enumerate(networks)}  # fmt: skip
