"""Language models that a run is given, looked at before it begins: can they be used, and what is in their text?"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nst_asr.corpus import Labeled, Truth
from nst_asr.speech import beam
from nst_asr.speech.beam import LMError
from nst_asr.speech.decode import DecodePlan
from nst_asr.speech.rescore import language_model
from nst_asr.speech.text_leakage import LettersError, TextLeakError, TextOverlap, refuse_shared_text
from nst_asr.speech.tokenizer import Tokenizer

log = logging.getLogger("nst_asr")


def refuse_leaking(
    plans: Iterable[DecodePlan],
    sets: Mapping[str, Labeled],
    truth: Truth | None,
    limit: float,
    *,
    allow_overlap: bool,
) -> list[dict[str, Any]]:
    """How much of dev, of test and of the pool stands in the text of each language model: an entry for each set.

    An entry has `lm`, `limit`, and the fields of `TextOverlap` with its share; those but `lm` are null for a model with
    nothing beside it that says what is in its text. Raises TextLeakError above the limit.

    limit: the share of the utterances that may share eight words in a row with the text. The log tells what was found;
    with `allow_overlap` that is all. Raises LettersError for a text in another case, unless a lexicon file gives the
    spelling of its words, and LMError where there is no such language model.
    """
    known = {name: rows.rows.select("id", "label") for name, rows in sets.items()}
    if truth is not None:
        known["truth of the pool"] = truth.rows.select("id", "label")
    plans = tuple(plans)
    in_search = {plan.first_lm.path for plan in plans if plan.first_lm is not None}
    spelt = {plan.first_lm.path for plan in plans if plan.first_lm and isinstance(plan.first_lm.lexicon, Path)}
    entries: list[dict[str, Any]] = []
    for path in _paths(plans):
        if not path.exists() or (path in in_search and path.is_dir()):
            raise LMError(
                f"{path}: {'a folder' if path.exists() else 'no such language model'}; name an ARPA file in lm.path, "
                "the folder of a neural language model in rescore.path"
            )
        try:
            found = refuse_shared_text(path, known, 1.0 if allow_overlap else limit, any_case=path in spelt)
        except LettersError:
            raise
        except TextLeakError as error:
            raise TextLeakError(f"{path}: {error}\nOr accept, with --allow-overlap, that they do.") from None
        for overlap in found:
            level = logging.WARNING if overlap.share > limit else logging.INFO
            log.log(level, "%s%s: %s", "WARNING: " * (overlap.share > limit), path, overlap.describe())
        entries += [_entry(path, overlap, limit) for overlap in found] or [_entry(path, None, None)]
    return entries


def _entry(lm: Path, found: TextOverlap | None, limit: float | None) -> dict[str, Any]:
    """What is kept of one set beside one language model; the words themselves are left out."""
    numbers = ("name", "utterances", "too_short", "shared", "share")
    return {"lm": str(lm), **{key: found and getattr(found, key) for key in numbers}, "limit": limit}


def refuse_unusable(plans: Iterable[DecodePlan], tokenizer: Tokenizer) -> None:
    """Raise LMError or LexiconError now for a language model that does not fit the run's units, or is damaged."""
    for plan in dict.fromkeys(plans):
        if plan.first_lm is not None:
            beam.load(plan.first_lm.model_copy(update={"weight": 0.0, "bonus": 0.0}), tokenizer)
        if plan.second_lm is not None:
            language_model(plan.second_lm, tokenizer, "cpu")


def _paths(plans: Iterable[DecodePlan]) -> Iterator[Path]:
    """Each language model's, once."""
    named = (lm.path for plan in plans for lm in (plan.first_lm, plan.second_lm) if lm is not None)
    yield from dict.fromkeys(named)
