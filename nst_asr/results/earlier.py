"""What an earlier results.json in a run folder knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nst_asr.store import StoreError, read_json


def earlier(run: Path) -> list[dict[str, Any]]:
    """The generations in the results.json of a run; none where there is no such file.

    Raises StoreError where it is damaged, or no results.json at all.
    """
    path = run / "results.json"
    content = read_json(path) if path.exists() else {}
    found = content.get("generations", []) if isinstance(content, dict) else None
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise StoreError(f"{path}: not what nst-asr writes there; move it away and give the same command again")
    return found
