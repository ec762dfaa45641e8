"""From text files to an ARPA file, by this package or by lmplz where that is installed; the format is the same."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nst_asr.speech.ngram.arpa import write_arpa
from nst_asr.speech.ngram.kneser_ney import Discounted, adjusted_counts, count_ngrams, discounts, estimate, padded
from nst_asr.speech.ngram.lmplz import BINARIES, run_lmplz
from nst_asr.speech.ngram.made_of import text_files, write_made_of
from nst_asr.speech.ngram.model import BOS, EOS, UNK, Ngram, NgramError, trimmed
from nst_asr.speech.ngram.text import Words, read_words, spelt
from nst_asr.speech.text_leakage import eightgrams, letters
from nst_asr.speech.tokenizer import Tokenizer

SPECIAL = (UNK, BOS, EOS)  # the first words of every model, in this order
Engine = Literal["auto", "own", "lmplz"]

log = logging.getLogger("nst_asr")


@dataclass(frozen=True)
class NgramPlan:
    """How a model is trained."""

    order: int = 3
    prune: tuple[int, ...] = ()  # an n-gram that occurs so often or less goes, by order; the last holds for all above
    vocabulary: int | None = None  # so many of the most frequent words are known, the others are <unk>
    fallback: tuple[float, float, float] = (0.5, 1.0, 1.5)  # discounts where counts of counts give none
    engine: Engine = "auto"

    def __post_init__(self) -> None:
        if not 1 <= self.order <= 6:
            raise NgramError(f"order = {self.order}: orders are 1 to 6")
        falling = any(low > high for low, high in pairwise(self.prune))
        if len(self.prune) > self.order or falling or min(self.prune, default=0) < 0:
            raise NgramError(
                f"prune = {' '.join(map(str, self.prune))}: give at most {self.order} counts, one for each order, none "
                "below 0 and none smaller than the one before, such as 0 0 1"
            )
        if self.vocabulary is not None and self.vocabulary < 1:
            raise NgramError(f"vocabulary = {self.vocabulary}: give a number of words, at least 1")
        if any(not 0 <= d <= j for j, d in enumerate(self.fallback, start=1)):
            raise NgramError(
                f"fallback = {' '.join(map(str, self.fallback))}: D1 is in [0, 1], D2 in [0, 2], D3 in [0, 3]"
            )

    def thresholds(self) -> tuple[int, ...]:
        """The count to prune by at each order."""
        given = self.prune or (0,)
        return given + (given[-1],) * (self.order - len(given))


@dataclass(frozen=True)
class Trained:
    """A model, and what was found in making it."""

    model: Ngram
    discounts: tuple[Discounted, ...]  # of each order; none where lmplz made it

    def describe(self) -> str:
        """Lines for the log."""
        sizes = ", ".join(f"{len(order)} {k}-grams" for k, order in enumerate(self.model.orders, start=1))
        return f"{sizes}\n" + "\n".join(
            f"order {k}: D1 {d.values[0]:.4f}, D2 {d.values[1]:.4f}, D3+ {d.values[2]:.4f}"
            + (f" (fall-back: {d.fallback})" if d.fallback else "")
            for k, d in enumerate(self.discounts, start=1)
        )


def train_ngram(text: Words, plan: NgramPlan, units: Sequence[str] = ()) -> Trained:
    """The interpolated modified Kneser-Ney model of a text (`kneser_ney`), made by this package.

    units: words that the model must know whether they occur or not (a tokenizer's). Raises NgramError for no text.
    """
    if not len(text.codes):
        raise NgramError("the text has no words: give a file with one sentence a line")
    names = (*SPECIAL, *dict.fromkeys((*units, *(text.names if not units else ()))))
    numbers = {name: number for number, name in enumerate(names)}
    tokens, place = padded(text.numbered(numbers, 0), text.lengths)
    grams = count_ngrams(tokens, place, plan.order, len(names))
    del tokens, place
    adjusted = adjusted_counts(grams)
    found = tuple(discounts(counts, plan.fallback) for counts in adjusted)
    kept = [np.ones(len(names), bool)]
    kept[0][len(SPECIAL) :] = _known(grams[0].count[len(SPECIAL) :], plan, bool(units))
    if not kept[0][len(SPECIAL) :].any():
        raise NgramError(f"prune = {plan.thresholds()[0]}: no word occurs more often; give a smaller first count")
    for order, threshold in zip(grams[1:], plan.thresholds()[1:], strict=True):
        known = kept[-1][order.context] & kept[0][order.word]
        kept.append(known & (order.count > threshold))
    orders = estimate(grams, adjusted, [each.values for each in found], kept)
    model = trimmed([name for name, keep in zip(names, kept[0], strict=True) if keep], orders)
    if len(model.orders) < plan.order:
        log.warning("the model is of order %d: nothing is left of longer n-grams", len(model.orders))
    return Trained(model, found[: len(model.orders)])


def train_arpa(paths: Sequence[Path], out: Path, plan: NgramPlan, tokenizer: Tokenizer | None = None) -> Trained:
    """Train on text files, one sentence a line, and write an ARPA file with what it was made of beside it.

    In words, or in a tokenizer's units, which are then written by their names. Raises NgramError, TokenizerError.
    """
    if out.suffix in BINARIES:
        raise NgramError(f"{out}: training writes an ARPA file (.arpa, .arpa.gz); nst-asr lm convert packs it then")
    _refuse_overwriting(out, paths)
    if tokenizer and plan.vocabulary is not None:
        raise NgramError("vocabulary: a tokenizer's units are all known; leave one of the two out")
    words = read_words(paths)
    tokens, left_out = spelt(words, tokenizer) if tokenizer else (words, 0)
    if left_out:
        log.warning("%d of %d sentences left out: the tokenizer cannot write them", left_out, len(words.lengths))
    log.info("text: %d sentences, %d words, %d tokens", len(words.lengths), len(words.codes), len(tokens.codes))
    units = tokenizer.names[1:] if tokenizer else ()
    engine = _engine(plan, tokens, units)
    log.info("engine: %s", "lmplz" if engine == "lmplz" else "own (interpolated modified Kneser-Ney)")
    if engine == "lmplz":
        trained = Trained(run_lmplz(tokens, plan.order, plan.thresholds(), plan.fallback, _limited(tokens, plan)), ())
    else:
        trained = train_ngram(tokens, plan, units)
    for line in trained.describe().splitlines():
        log.warning(line) if "fall-back" in line else log.info(line)
    write_arpa(out, trained.model)
    write_made_of(out, _made_of(paths, plan, trained, words, engine, tokenizer), eightgrams(words))
    return trained


def _refuse_overwriting(out: Path, paths: Sequence[Path]) -> None:
    if out.is_dir():
        raise NgramError(f"{out}: a folder; name the ARPA file to write")
    if out.exists() and any(path.exists() and path.samefile(out) for path in paths):
        raise NgramError(f"{out}: one of the texts to read; name another file to write, such as {out.stem}.arpa")


def _known(count: np.ndarray, plan: NgramPlan, units: bool) -> np.ndarray:
    """Which words the model keeps: those that are frequent enough, and not too many; of equals the first by name."""
    if units:
        return np.ones(len(count), bool)
    known = count > plan.thresholds()[0]
    if plan.vocabulary is not None:
        known &= np.argsort(np.argsort(-count, kind="stable"), kind="stable") < plan.vocabulary
    return known


def _engine(plan: NgramPlan, tokens: Words, units: Sequence[str]) -> Literal["own", "lmplz"]:
    there = shutil.which("lmplz") is not None
    if plan.engine == "own" or (plan.engine == "auto" and not there):
        return "own"
    if not there:
        raise NgramError(
            "engine = lmplz: there is no lmplz on the PATH; install KenLM's programs, or take the engine own"
        )
    unseen = len(units) - int((np.bincount(tokens.codes, minlength=1) > 0).sum()) if units else 0
    if unseen and plan.engine == "lmplz":
        raise NgramError(
            f"engine = lmplz: {unseen} of the tokenizer's {len(units)} units do not occur in the text, and lmplz would "
            "not know them; take the engine own, which gives them their share of the unknown"
        )
    return "own" if unseen else "lmplz"


def _limited(tokens: Words, plan: NgramPlan) -> list[str] | None:
    """The words that lmplz is to know, where they are limited."""
    if plan.vocabulary is None:
        return None
    known = _known(np.bincount(tokens.codes, minlength=len(tokens.names)), plan, False)
    return [name for name, keep in zip(tokens.names, known, strict=True) if keep]


def _made_of(
    paths: Sequence[Path], plan: NgramPlan, trained: Trained, words: Words, engine: str, tokenizer: Tokenizer | None
) -> dict[str, Any]:
    return {
        "text": text_files(paths),
        "letters": letters(words),
        "sentences": len(words.lengths),
        "words": len(words.codes),
        "units": f"pieces of tokenizer {tokenizer.fingerprint}" if tokenizer else "words",
        "engine": engine,
        "order": plan.order,
        "prune": plan.thresholds(),
        "vocabulary": plan.vocabulary,
        "ngrams": [len(order) for order in trained.model.orders],
        "discounts": [each.values for each in trained.discounts],
        "fallback": {k: each.fallback for k, each in enumerate(trained.discounts, start=1) if each.fallback},
    }
