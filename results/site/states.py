"""What is known of a sweep that somebody submitted: verified, reported or withdrawn."""

import hashlib
import json
from pathlib import Path

from results.scores import finished

RECEIPT, WITHDRAWN = "receipt.json", "withdrawn.txt"


def digest(folder: Path) -> str:
    """Return a digest of all scores of a sweep and of where they lie."""
    total = hashlib.sha256()
    for file in finished(folder):
        total.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return total.hexdigest()


def state(folder: Path) -> tuple[str, str]:
    """Return the state of a submitted sweep and a sentence about it; two empty strings where nothing was submitted."""
    if (file := folder / WITHDRAWN).exists():
        return "withdrawn", file.read_text(encoding="utf-8").strip() or "Its authors have withdrawn these scores."
    if not (folder / "submission.yaml").exists():
        return "", ""
    if not (file := folder / RECEIPT).exists():
        return "reported", "Nobody has computed these scores again."
    receipt = json.loads(file.read_text(encoding="utf-8"))
    if receipt["digest"] != digest(folder):
        return "reported", "The scores were changed after they had been verified."
    count = f"{len(receipt['recomputed'])} of {receipt['cells']} cells"
    if receipt["state"] == "verified":
        return "verified", f"{count} were computed again on {receipt['on']} and agree, score by score."
    return "reported", f"{count} were computed again on {receipt['on']}, none of them on the same weights."
