"""Whether a language model knows the words, or the units, that a search will ask it for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nst_asr.speech.ngram.arpa import is_arpa, read_vocabulary
from nst_asr.speech.ngram.model import NgramError
from nst_asr.speech.ngram.text import opened

_SHOWN = 10
_BINARY = b"mmap lm http://kheafield.com/code"  # how KenLM's binary files begin


class CoverageError(NgramError):
    """A language model that does not know what it will be asked for; the message names it and the way out."""


def refuse_uncovered(lm: Path, units: Iterable[str], *, what: str = "units of the tokenizer") -> None:
    """Raise CoverageError, with their number and some names, where units are no words of an ARPA file or KenLM binary.

    what: what the units are, for the message. An unknown word costs the same whatever it is: a search that asks for
    many would prefer the few that are known.
    """
    known = lm_vocabulary(lm)
    wanted = list(dict.fromkeys(units))
    missing = [unit for unit in wanted if unit not in known]
    if missing:
        shown = ", ".join(map(repr, missing[:_SHOWN])) + (", ..." if len(missing) > _SHOWN else "")
        raise CoverageError(
            f"{lm}: the language model does not know {len(missing)} of the {len(wanted)} {what}: {shown}. "
            + _way_out(missing, known)
        )


def lm_vocabulary(lm: Path) -> frozenset[str]:
    """The words of an ARPA file or of a KenLM binary. Raises NgramError for another file."""
    if is_arpa(lm):
        return frozenset(read_vocabulary(lm))
    with opened(lm) as stream:
        data = stream.read()
    if not data.startswith(_BINARY):
        raise CoverageError(f"{lm}: neither an ARPA file nor a binary of KenLM")
    # KenLM puts its words at the end, each closed by a zero byte, the unknown one first
    start = data.rfind(b"<unk>\0")
    if start < 0:
        raise CoverageError(
            f"{lm}: this binary of KenLM does not hold its words; build it from the ARPA file without -i, or give that"
        )
    return frozenset(data[start:].decode("utf-8", "replace").split("\0")[:-1])


def _way_out(missing: list[str], known: frozenset[str]) -> str:
    if any(unit.lower() in known for unit in missing if unit.lower() != unit):
        return "It is written in lower case: nst-asr lm convert LM OUT --upper"
    if any(unit.upper() in known for unit in missing if unit.upper() != unit):
        return "It is written in upper case: nst-asr lm convert LM OUT --lower"
    return (
        "Train it in the same units (nst-asr lm train --tokenizer MODEL for a search over pieces, without for words), "
        "or take a lexicon with the words that it knows"
    )
