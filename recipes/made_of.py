"""What manifests were made of: a folder made of something else is not gone on with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nst_asr.store import StoreError, read_json

MADE_OF = "made-of.json"


def refuse_other(out: Path, content: Mapping[str, Any]) -> None:
    """Raise StoreError where the manifests in the folder were made with another value of any key."""
    for name, value in read_json(out / MADE_OF).items():
        if name in content and content[name] != value:
            raise StoreError(
                f"{out}: made with {name} = {value}, now {content[name]}; give another experiment folder, or move "
                "these manifests away"
            )
