"""What a language model was made of: a small file beside it, and the hashes of its text's 8-grams.

An ARPA file does not contain its text; what stands beside it lets a run see whether transcripts were in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nst_asr import __version__
from nst_asr.speech.ngram.model import NgramError
from nst_asr.store import file_digest, read_json, write_json, written_aside

_VERSION = 1


def made_of_path(lm: Path) -> Path:
    """Where the description of a model stands: NAME.made-of.json beside a file, made-of.json in a folder."""
    return lm / "made-of.json" if lm.is_dir() else lm.with_name(f"{lm.name}.made-of.json")


def eightgrams_path(lm: Path) -> Path:
    """Where the hashes of its text's 8-grams stand: NAME.8grams.npy beside a file, 8grams.npy in a folder."""
    return lm / "8grams.npy" if lm.is_dir() else lm.with_name(f"{lm.name}.8grams.npy")


def write_made_of(lm: Path, content: Mapping[str, Any], eightgrams: np.ndarray) -> None:
    """Describe a model that was written. eightgrams: sorted uint64 hashes (`text_leakage.eightgrams`).

    content: what is to be kept besides; `text` (of `text_files`) and `letters` are what the guard needs.
    """
    with written_aside(eightgrams_path(lm)) as part, part.open("wb") as file:
        np.save(file, eightgrams)
    own = {"version": _VERSION, "nst_asr": __version__, "lm": _file(lm), "eightgrams": len(eightgrams)}
    write_json(made_of_path(lm), own | dict(content))


def read_made_of(lm: Path) -> dict[str, Any] | None:
    """The description of a model; None where there is none. Raises NgramError where it is that of another file."""
    path = made_of_path(lm)
    if not path.is_file():
        return None
    content: dict[str, Any] = read_json(path)
    if content.get("version") != _VERSION:
        raise NgramError(f"{path}: of version {content.get('version')}, expected {_VERSION}; train the model anew")
    if content["lm"] != _file(lm):
        raise NgramError(
            f"{path} describes another file than {lm.name}, which has changed since; put that back, or delete "
            f"{path.name} and {eightgrams_path(lm).name}: then it cannot be seen what the model's text was"
        )
    return content


def read_eightgrams(lm: Path) -> np.ndarray:
    """The sorted hashes of the 8-grams of a model's text, mapped and not read. Raises NgramError."""
    path = eightgrams_path(lm)
    try:
        hashes: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise NgramError(f"{path}: not readable ({error}); train the model anew") from None
    content = read_json(made_of_path(lm))
    if hashes.dtype != np.uint64 or hashes.ndim != 1 or len(hashes) != content["eightgrams"]:
        raise NgramError(f"{path}: not the {content['eightgrams']} hashes that stood in it; train the model anew")
    return hashes


def hand_on(old: Path, new: Path, step: Mapping[str, Any], **changes: Any) -> bool:
    """Describe a model made from another as that was, with the step added; False where that has no description."""
    content = read_made_of(old)
    if content is None:
        return False
    kept = {name: value for name, value in content.items() if name not in ("lm", "eightgrams", "version", "nst_asr")}
    steps = [*content.get("steps", []), dict(step)]
    write_made_of(new, kept | changes | {"steps": steps}, read_eightgrams(old))
    return True


def text_files(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Name, size and digest of each file of a text."""
    return [{"name": path.name} | _digest(path) for path in paths]


def _file(lm: Path) -> dict[str, Any] | None:
    return _digest(lm) if lm.is_file() else None


def _digest(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "digest": file_digest(path)}
