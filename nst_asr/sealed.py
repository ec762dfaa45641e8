"""A finished model folder: its description, its other files, and the hash that seals them, the last file written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nst_asr.store import StoreError, write_json, write_text

DESCRIPTION = "model.json"
HASH = "HASH"
_WAY_OUT = "copy it anew or train again"


def is_finished(folder: Path) -> bool:
    """Whether a model folder is complete."""
    return (folder / HASH).is_file()


def refuse_unfinished(folder: Path) -> None:
    """Raise StoreError where the folder is not that of a finished model."""
    if not is_finished(folder):
        raise StoreError(f"{folder}: not a model folder (no {HASH}); give the folder of a finished teacher or student")


def digest(folder: Path, files: Sequence[str], deciding: Sequence[str]) -> str:
    """A digest of what decides a model's answers: the bytes of `files`, and of the description the keys `deciding`.

    A file that is not there is passed over: tokenizers of different kinds keep different ones. The other keys
    (lineage, version) may change. Raises StoreError for a damaged description.
    """
    found = hashlib.blake2b(digest_size=12)
    for name in files:
        if (folder / name).is_file():
            found.update(name.encode())
            found.update((folder / name).read_bytes())
    try:
        content = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        found.update(json.dumps({key: content[key] for key in deciding}, sort_keys=True).encode())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{folder}: a damaged model folder ({DESCRIPTION}: {error!r}); {_WAY_OUT}") from error
    return found.hexdigest()


def seal(folder: Path, content: dict[str, Any], files: Sequence[str], deciding: Sequence[str]) -> None:
    """Write the description and, last of all, the hash: the folder, whose `files` are there, is finished."""
    write_json(folder / DESCRIPTION, content)
    write_text(folder / HASH, digest(folder, files, deciding) + "\n")


def refuse_altered(folder: Path, files: Sequence[str], deciding: Sequence[str]) -> None:
    """Raise StoreError where the folder no longer holds what its hash sealed."""
    sealed, found = (folder / HASH).read_text(encoding="utf-8").strip(), digest(folder, files, deciding)
    if sealed != found:
        raise StoreError(
            f"{folder}: a damaged model folder (its {HASH} is {sealed}, its content gives {found}); {_WAY_OUT}"
        )
