"""Each method against its reference on each architecture: `python -m tests.methods.agreement` writes the table."""

import copy
from pathlib import Path

import pandas as pd
from torch import Tensor

from entries import Inapplicable
from tests.conftest import METHODS
from tests.methods.entries import entry, explain, pointed, relative
from tests.methods.networks import ARCHITECTURES, architecture
from tests.methods.references import references

TABLE = Path(__file__).parents[2] / "results" / "published" / "agreement.csv"


def agreement(name: str, network: str, published: bool) -> dict[str, object]:
    """Compare one method with its reference on one architecture; differences are relative to a map's largest value.

    What is published is compared on two images of whole networks, in float64 and in float32; else on one image of
    narrow ones, in float64. `reason` says why there is no difference.
    """
    model, x, target, layer = architecture(network, whole=published)
    if not published:
        x, target = x[:1], target[:1]
    method, reference = pointed(entry(name), layer), references()[name]
    row = {"method": name, "reference": reference.source, "network": network}
    try:
        maps = explain(method, model, x, target)
    except Inapplicable as reason:
        return row | {"float64": None, "float32": None, "reason": str(reason)}
    wanted = reference.maps(method, model, x, target)
    row |= {"float64": difference(maps, wanted), "reason": ""}
    if published:
        rounded = explain(method, copy.deepcopy(model).float(), x.float(), target)
        row["float32"] = difference(rounded, wanted)
    return row


def difference(maps: Tensor, wanted: Tensor) -> float:
    """The largest relative difference; none where both are all zero: no path may come down through random channels."""
    return relative(maps, wanted) if maps.any() or wanted.any() else 0.0


if __name__ == "__main__":
    rows = [agreement(name, network, published=True) for name in METHODS for network in ARCHITECTURES]
    pd.DataFrame(rows).to_csv(TABLE, index=False, float_format="%.1e")
    print(pd.read_csv(TABLE).to_string())
