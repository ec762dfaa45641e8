"""What dev said of the language model that a generation's labels were made with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nst_asr.store import read_json

_TOLD = ("reason", "weight", "neural_weight", "bonus", "rate_without_lm", "rate_decoded", "best", "surface")


def fusing(folder: Path) -> dict[str, Any] | None:
    """The weights that were found, the error rates on dev without and with them, and the surface that was searched.

    None where the plan leaves no weight open. Each key may be null: a task says what it knows.
    """
    path = folder / "0-fusion.json"
    if not path.exists():
        return None
    found = read_json(path)
    return {name: found.get(name) for name in _TOLD}
