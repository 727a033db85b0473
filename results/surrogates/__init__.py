"""Views of surrogates: how well simple models imitate a network, by size, and the rules by which they do."""

from functools import partial

import pandas as pd

from results import parts
from results.surrogates.views import METRICS, fidelity, rules

VIEWS = {"fidelity": fidelity, "rules": rules}
OPTIONS = {view: {"model"} for view in VIEWS}

suited = partial(parts.suited, dict.fromkeys(VIEWS, METRICS))


def published(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows in three files, so that none is large: scores of logits, whose digits do not compress, alone."""
    alone = {f"_{stem}": rows[rows.metric == stem] for stem in ("logit_r2", "logit_kl")}
    return {"": rows[~rows.metric.isin(["logit_r2", "logit_kl"])]} | {k: some for k, some in alone.items() if len(some)}


__getattr__ = parts.imported_late("surrogates", "figures", "pictures")
