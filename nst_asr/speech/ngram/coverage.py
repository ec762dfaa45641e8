"""Whether a language model knows the words, or the units, that a search will ask it for."""

from __future__ import annotations

from collections.abc import Iterable

from nst_asr.speech.ngram.model import NgramError

_SHOWN = 10


class CoverageError(NgramError):
    """A language model that does not know what it will be asked for; the message names it and the way out."""


def refuse_unknown(known: Iterable[str], wanted: Iterable[str], lm: str, what: str) -> None:
    """Raise CoverageError, with their number and some names, where a language model does not know all that is wanted.

    known: its words. lm, what: for the message, where it is from and what is wanted of it. An unknown word costs the
    same whatever it is: a search that asks for many would prefer the few that are known.
    """
    known = frozenset(known)
    asked = list(dict.fromkeys(wanted))
    missing = [word for word in asked if word not in known]
    if missing:
        shown = ", ".join(map(repr, missing[:_SHOWN])) + (", ..." if len(missing) > _SHOWN else "")
        raise CoverageError(
            f"{lm}: the language model does not know {len(missing)} of the {len(asked)} {what}: {shown}. "
            + _way_out(missing, known)
        )


def _way_out(missing: list[str], known: frozenset[str]) -> str:
    if any(word.lower() in known for word in missing if word.lower() != word):
        return "It is written in lower case: nst-asr lm convert LM OUT --upper"
    if any(word.upper() in known for word in missing if word.upper() != word):
        return "It is written in upper case: nst-asr lm convert LM OUT --lower"
    return (
        "Train it in the same units (nst-asr lm train --tokenizer MODEL for a search over pieces, without for words), "
        "or take a lexicon with the words that it knows"
    )
