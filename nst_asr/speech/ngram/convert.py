"""One language model file from another: packed or not, in another case, or as a binary of KenLM."""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from pathlib import Path
from typing import Literal

from nst_asr.speech.ngram import prune as pruning
from nst_asr.speech.ngram.arpa import read_arpa, write_arpa
from nst_asr.speech.ngram.lmplz import BINARIES, build_binary
from nst_asr.speech.ngram.made_of import hand_on
from nst_asr.speech.ngram.model import BOS, EOS, UNK, Ngram, NgramError

Case = Literal["upper", "lower"]

log = logging.getLogger("nst_asr")


def convert(source: Path, out: Path, case: Case | None = None) -> None:
    """Write a model anew: as ARPA, gzip where the name ends in .gz; or for KenLM where it ends in .bin, .binary, .klm.

    case: write its words so. What the model was made of is handed on. Raises NgramError where two words become one.
    """
    _refuse_same(source, out)
    model = read_arpa(source)
    if case:
        model = with_case(model, case)
    if out.suffix in BINARIES:
        with tempfile.TemporaryDirectory(prefix="nst-asr-convert-") as folder:
            arpa = Path(folder) / "model.arpa"
            write_arpa(arpa, model)
            build_binary(arpa, out)
    else:
        write_arpa(out, model)
    changes = {"letters": case} if case else {}
    _hand_on(source, out, {"verb": "convert", "case": case}, **changes)


def with_case(model: Ngram, case: Case) -> Ngram:
    """The model with its words in upper or lower case, but for <s>, </s> and <unk>.

    Raises NgramError where two of its words become one: their n-grams cannot be added up without the text.
    """
    special = {BOS, EOS, UNK, UNK.upper()}
    names = [name if name in special else getattr(name, case)() for name in model.names]
    names = [UNK if name == UNK.upper() else name for name in names]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        of = [old for old, new in zip(model.names, names, strict=True) if new == twice[0]]
        raise NgramError(
            f"{len(twice)} words of the model become the same in {case} case, such as {' and '.join(of)}: their "
            f"n-grams cannot be joined; train on the text in {case} case"
        )
    return Ngram(tuple(names), model.orders)


def prune_arpa(source: Path, out: Path, threshold: float) -> tuple[Ngram, Ngram]:
    """Prune an ARPA file (`prune.prune`) into another; what it was made of is handed on. Gives both models."""
    _refuse_same(source, out)
    model = read_arpa(source)
    pruned = pruning.prune(model, threshold)
    write_arpa(out, pruned)
    ngrams = [len(order) for order in pruned.orders]
    _hand_on(source, out, {"verb": "prune", "threshold": threshold, "ngrams": ngrams})
    return model, pruned


def _hand_on(source: Path, out: Path, step: dict[str, object], **changes: object) -> None:
    if not hand_on(source, out, step, **changes):
        log.warning("%s: what its text was is not known, so leakage from it cannot be seen", source)


def _refuse_same(source: Path, out: Path) -> None:
    if out.exists() and out.samefile(source):
        raise NgramError(f"{out}: the same file as the one to read; give another name")
