"""Methods with rules on timm's families of CNNs: `python -m tests.methods.families` writes the table.

With names of families behind it, the command prints their rows and writes nothing. A family is a module of timm whose
networks are convolutional: no attention between positions, no state space and no mixing of patches by a perceptron.
Each has one small network here, with random weights.
"""

import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from entries import Inapplicable
from tests.conftest import options
from tests.methods.entries import entry, explain, logit
from tests.methods.networks import precise

TABLE = Path(__file__).parents[2] / "results" / "published" / "families.csv"
SIDE, LARGE = 64, 80  # pixels of an image; the second for networks whose strides leave nothing of the first
FAMILIES = {
    "byobnet": "gernet_s",
    "convmixer": "convmixer_1024_20_ks9_p14",
    "convnext": "convnext_atto",
    "cspnet": "cspdarknet53",
    "cspnext": "cspnext_tiny",
    "densenet": "densenet121",
    "dla": "dla46_c",
    "dpn": "dpn48b",
    "efficientnet": "efficientnet_b0",
    "fasternet": "fasternet_t0",
    "fastvit": "fastvit_t8",
    "focalnet": "focalnet_tiny_srf",
    "ghostnet": "ghostnet_100",
    "hardcorenas": "hardcorenas_a",
    "hgnet": "hgnetv2_b0",
    "hrnet": "hrnet_w18_small",
    "inception_next": "inception_next_atto",
    "inception_resnet_v2": "inception_resnet_v2",
    "inception_v3": "inception_v3",
    "inception_v4": "inception_v4",
    "lcnetv2": "lcnetv2_small",
    "mambaout": "mambaout_femto",
    "metaformer": "poolformer_s12",
    "mobilenetv3": "mobilenetv3_small_100",
    "nasnet": "nasnetalarge",
    "nfnet": "nfnet_l0",
    "pnasnet": "pnasnet5large",
    "rdnet": "rdnet_tiny",
    "regnet": "regnety_002",
    "repghost": "repghostnet_050",
    "repvit": "repvit_m0_9",
    "res2net": "res2net50_14w_8s",
    "resnest": "resnest14d",
    "resnet": "resnet18",
    "resnetv2": "resnetv2_18",
    "rexnet": "rexnet_100",
    "selecsls": "selecsls42",
    "senet": "legacy_seresnet18",
    "sknet": "skresnet18",
    "starnet": "starnet_s050",
    "tresnet": "tresnet_m",
    "vgg": "vgg11",
    "vovnet": "ese_vovnet19b_slim",
    "xception": "legacy_xception",
    "xception_aligned": "xception41",
}
# DeepLIFT with a background has DeepLIFT's rules, at five times its cost.
METHODS = [name for name in options("method") if name.startswith(("lrp", "deep_taylor", "excitation"))]
METHODS += ["deep_lift", "guided_backprop", "deconvnet"]


def family(name: str, methods: list[str]) -> list[dict[str, object]]:
    """Ask each method for the map of an image in float64, and compare its sum with what the method states.

    `residual` is the difference, in units of what the sum should be. LRP is asked without biases, since biases take
    relevance. `reason` says why a method refuses the family.
    """
    model, x, _ = precise(FAMILIES[name], LARGE if "nasnet" in name or name.startswith("inception_") else SIDE)
    target, rows = model(x[:1]).argmax(1), []
    for method in methods:
        row, asked = {"family": name, "network": FAMILIES[name], "method": method}, entry(method)
        asked = replace(asked, bias=False) if hasattr(asked, "bias") else asked
        try:
            maps = explain(asked, model, x[:1], target)
            rows.append(row | {"residual": residual(method, asked, model, x[:1], target, maps), "reason": ""})
            assert maps.isfinite().all() and maps.any(), row
        except Inapplicable as reason:
            rows.append(row | {"residual": None, "reason": str(reason)})
    return rows


def residual(name: str, method: object, model: nn.Module, x: Tensor, target: Tensor, maps: Tensor) -> float | None:
    """The largest |sum - law| / |law| of some images; None for a method without a law."""
    law = total = logit(model, x, target)
    if name == "excitation_backprop":
        law = torch.ones_like(total)  # marginal probabilities
    elif method.complete == "difference":
        law = total - logit(model, torch.full_like(x, method.baseline), target)
    elif not method.complete:
        return None
    return ((maps.sum((1, 2)) - law) / law).abs().max().item()


if __name__ == "__main__":
    names = sys.argv[1:] or [*FAMILIES]
    rows = []
    for name in names:
        precise.cache_clear()
        rows += family(name, METHODS)
        print(pd.DataFrame(rows[-len(METHODS) :]).to_string(header=False), flush=True)
    if len(sys.argv) == 1:
        pd.DataFrame(rows).to_csv(TABLE, index=False, float_format="%.1e")
