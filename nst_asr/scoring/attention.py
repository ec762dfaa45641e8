"""What a reader of a score should look at first: texts that differ in Unicode's form or in case alone, or are empty."""

from __future__ import annotations

import polars as pl

from nst_asr.scoring.texts import counted

_BEYOND_ASCII = r"[^\x00-\x7F]"  # ASCII has one form only


def warnings(references: pl.Series, hypotheses: pl.Series, name: str) -> list[str]:
    """Lines about normalised texts of the same utterances; each says what to do."""
    return [*_forms(references, hypotheses, name), *_cases(references, hypotheses, name)]


def empties(texts: pl.Series) -> list[str]:
    """A line that counts the texts without a word, if there are some."""
    empty = int((texts == "").sum())
    return [f"{counted(empty, 'text')} of {len(texts):,} empty"] if empty else []


def _forms(references: pl.Series, hypotheses: pl.Series, name: str) -> list[str]:
    """A line where the same letters are written with other code points on the two sides."""
    beyond = references.str.contains(_BEYOND_ASCII) | hypotheses.str.contains(_BEYOND_ASCII)
    references, hypotheses = references.filter(beyond), hypotheses.filter(beyond)
    composed = [side.str.normalize("NFC") for side in (references, hypotheses)]
    differ = (references != hypotheses) & (composed[0] == composed[1])
    if not differ.any():
        odd = [int((side != whole).sum()) for side, whole in zip((references, hypotheses), composed, strict=True)]
        if bool(odd[0]) == bool(odd[1]):
            return []
        side = f"{odd[0]} references" if odd[0] else f"{odd[1]} texts of {name}"
        return [f"{side} are not in Unicode's composed form (NFC), the other side is: --normalise nfc"]
    return [
        f"{counted(int(differ.sum()), 'text')} of {name}: other than the reference in Unicode's form alone (NFC, NFD), "
        "which counts as errors: --normalise nfc"
    ]


def _cases(references: pl.Series, hypotheses: pl.Series, name: str) -> list[str]:
    """A line where one side is all in capitals, and the other has none."""
    cases = [(_has(side, r"\p{Lu}"), _has(side, r"\p{Ll}")) for side in (references, hypotheses)]
    if sorted(cases) != [(False, True), (True, False)]:
        return []
    upper = "references" if cases[0][0] else f"texts of {name}"
    return [f"the {upper} are all in capitals, the other side has none: --normalise ignore-case"]


def _has(texts: pl.Series, pattern: str) -> bool:
    return bool(texts.str.contains(pattern).any())
