"""Normalisation of texts by named choices, so that a score can say what was done before words were compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from nst_asr.progress import Progress
from nst_asr.scoring.texts import ScoringError, counted

Change = Callable[[pl.Series, pl.Series], pl.Series]  # of ids and texts: the texts anew

NAMED = {
    "none": "texts as they stand",
    "nfc": "letters in Unicode's composed form (NFC)",
    "ignore-case": "letters in lower case, nothing else",
    "characters": "each character a word of its own, so that WER is of characters",
    "librispeech": "",  # these two say themselves what they do
    "lower": "",
    "whisper-english": "Whisper's normaliser of English",
}
_PIECE = 50_000  # texts as Python objects at a time
# what librispeech only puts in upper case: most texts, and a hundred times as fast
_PLAIN = r"^(?:[A-Za-z]+(?:'[A-Za-z]+)*(?: [A-Za-z]+(?:'[A-Za-z]+)*)*)?$"


@dataclass(frozen=True)
class Normalisation:
    """One way to change texts: its name as given, what it does in a line, and the change."""

    name: str
    about: str
    change: Change


def normalisation(name: str) -> Normalisation:
    """The normalisation of this name, or of the file of rules. Raises ScoringError for what is neither."""
    if name in ("librispeech", "lower"):
        return _of_transcripts(name)
    if name == "whisper-english":
        from nst_asr.scoring.whisper import whisper_english

        function, package = whisper_english()
        return Normalisation(name, f"{NAMED[name]}, of {package}", partial(_each, function, name))
    if name == "none":
        return Normalisation(name, NAMED[name], _unchanged)
    if name in NAMED:
        return Normalisation(name, NAMED[name], partial(_in_bulk, _BULK[name]))
    if not Path(name).is_file():
        raise ScoringError(f"--normalise {name}: neither a file of rules nor one of {', '.join(NAMED)}")
    from nst_asr.scoring.rules import read_rules

    function, number = read_rules(Path(name))
    return Normalisation(name, f"{counted(number, 'rule')} of this file", partial(_each, function, name))


_BULK: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "nfc": lambda text: text.str.normalize("NFC"),
    "ignore-case": lambda text: text.str.to_lowercase(),
    "characters": lambda text: text.str.normalize("NFC").str.replace_all(r"\s+", "").str.replace_all(r"(.)", "$1 "),
}


def _unchanged(ids: pl.Series, texts: pl.Series) -> pl.Series:
    return texts


def _in_bulk(change: Callable[[pl.Expr], pl.Expr], ids: pl.Series, texts: pl.Series) -> pl.Series:
    return texts.to_frame("text").select(change(pl.col("text")).str.strip_chars())["text"]


def _of_transcripts(kind: str) -> Normalisation:
    from nst_asr.speech.transcripts import describe, normalise

    about = describe(kind).removeprefix(f"{kind}: ")
    slow = partial(_each, lambda text: normalise(text, kind), kind)
    return Normalisation(kind, about, partial(_librispeech, slow) if kind == "librispeech" else slow)


def _librispeech(slow: Change, ids: pl.Series, texts: pl.Series) -> pl.Series:
    plain = texts.str.contains(_PLAIN)
    rest = slow(ids.filter(~plain), texts.filter(~plain))
    return texts.str.to_uppercase().scatter((~plain).arg_true(), rest)


def _each(function: Callable[[str], str], name: str, ids: pl.Series, texts: pl.Series) -> pl.Series:
    """The texts changed one by one; an error of a text names its id."""
    changed = [pl.Series("text", [], pl.String)]
    with Progress(f"normalise ({name})", len(texts), "text") as progress:
        for some_ids, some_texts in _pieces(ids, texts):
            new = [_one(function, *each) for each in zip(some_ids, some_texts, strict=True)]
            changed.append(pl.Series("text", new, pl.String))
            progress.advance(len(new))
    return pl.concat(changed)


def _one(function: Callable[[str], str], name: str, text: str) -> str:
    try:
        return function(text)
    except ValueError as error:
        raise ScoringError(f"{name}: {error}") from None


def _pieces(ids: pl.Series, texts: pl.Series) -> Iterator[tuple[list[str], list[str]]]:
    for start in range(0, len(ids), _PIECE):
        yield ids.slice(start, _PIECE).to_list(), texts.slice(start, _PIECE).to_list()
