"""Texts: what a file of references or hypotheses holds, whatever its format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

Role = Literal["reference", "hypothesis"]

# names under which other programs write the same column
SYNONYMS: dict[str, tuple[str, ...]] = {
    "id": ("id", "utt_id", "utterance_id", "utt", "key", "audio_filepath"),
    "text": ("text", "label", "transcript", "transcription", "sentence"),
    "pred_text": ("pred_text", "hypothesis", "prediction"),
    "speaker": ("speaker", "group", "speaker_id", "spk", "spk_id"),
    "seconds": ("seconds", "duration", "size", "dur"),
    "confidence": ("confidence",),
}
NUMBERS = ("seconds", "confidence")


class ScoringError(ValueError):
    """A file or an option that cannot be used; the message names file, line, id or value, and the way out."""


@dataclass(frozen=True)
class Texts:
    """The utterances of one file, in its order.

    rows: `id` and `text`, both without null; where known `line` (of the file), `speaker`, `seconds`, `confidence`,
    `alternatives` (all readings of a reference that has several, else null), and the columns that were asked for.
    segments: of an STM, those left out of the scoring too. about: the format and, of named columns, where id and text
    were found; guessed: whether the format was. notes: what a reader of the scores must know.
    """

    path: Path
    format: str
    rows: pl.DataFrame
    notes: tuple[str, ...] = ()
    segments: pl.DataFrame | None = None
    about: str = ""
    guessed: bool = False


@dataclass(frozen=True)
class Wanted:
    """What to read of a file with named columns: `text` names the text's column, None where it is to be found.

    columns: others that are needed, where the file has them. confidence: the name of that column, if not `confidence`.
    """

    role: Role
    text: str | None = None
    columns: tuple[str, ...] = ()
    confidence: str | None = None


def counted(number: int, noun: str) -> str:
    """The number and the noun, in the plural but of one."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def finite(name: str) -> pl.Expr:
    """The numbers of a column, null where they are not finite."""
    number = pl.col(name).cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def first_named(names: Sequence[str], known: Sequence[str]) -> str | None:
    """The first of the known names that is among `names`."""
    return next((name for name in known if name in names), None)


def text_column(path: Path, names: Sequence[str], wanted: Wanted) -> str:
    """The column that holds the texts. Raises ScoringError where there is none.

    A hypothesis is in `pred_text` where a file has that (NeMo writes it beside the reference), else in `text`.
    """
    if wanted.text is not None:
        if wanted.text not in names:
            raise ScoringError(f"{path}: no column {wanted.text} (it has {', '.join(names)})")
        return wanted.text
    known = (*(SYNONYMS["pred_text"] if wanted.role == "hypothesis" else ()), *SYNONYMS["text"])
    found = first_named(names, known)
    if found is None:
        option = f"--{wanted.role}-column"
        raise ScoringError(
            f"{path}: no column of texts (it has {', '.join(names)}); name the one to take with {option}"
        )
    return found


def selection(path: Path, names: Sequence[str], wanted: Wanted) -> dict[str, str]:
    """What to read of a file with these columns: our name -> its name. Raises ScoringError without id or text."""
    found = {"text": text_column(path, names, wanted)}
    for ours in ("id", "speaker", "seconds", "confidence"):
        theirs = first_named([name for name in names if name != found["text"]], SYNONYMS[ours])
        if theirs:
            found[ours] = theirs
    if wanted.confidence is not None:
        if wanted.confidence not in names:
            raise ScoringError(f"{path}: no column {wanted.confidence} (it has {', '.join(names)})")
        found["confidence"] = wanted.confidence
    if "id" not in found:
        raise ScoringError(
            f"{path}: no column of ids (it has {', '.join(names)}); name one id, or one of {', '.join(SYNONYMS['id'])}"
        )
    return found | {name: name for name in wanted.columns if name in names and name not in found}
