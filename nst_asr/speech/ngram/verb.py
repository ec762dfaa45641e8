"""The verb `nst-asr lm`: train, convert, prune, perplexity. Imports nothing heavy before it is called."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from nst_asr.speech.lm.verb import add_train_neural, train_neural

if TYPE_CHECKING:
    from nst_asr.speech.tokenizer import Tokenizer


def add_lm(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], verb: Callable[[argparse.Namespace], int]
) -> None:
    """Add the verb `lm` to the verbs of a parser; `verb` is to call `lm`."""
    add = verbs.add_parser("lm", help="train and handle language models (docs/language-models.md)", allow_abbrev=False)
    add.set_defaults(verb=verb)
    parts = add.add_subparsers(title="verbs", required=True, metavar="VERB", dest="lm_verb")
    _add_train(parts)
    add_train_neural(parts)
    _add_convert(parts)
    prune = parts.add_parser("prune", help="leave out n-grams that matter least", allow_abbrev=False)
    prune.add_argument("source", type=Path, metavar="ARPA")
    prune.add_argument("out", type=Path, metavar="OUT", help=".arpa or .arpa.gz")
    prune.add_argument("--threshold", type=float, required=True, help="relative change of perplexity, such as 1e-7")
    measure = parts.add_parser("perplexity", help="how well a model predicts a text", allow_abbrev=False)
    measure.add_argument("source", type=Path, metavar="ARPA")
    measure.add_argument("text", type=Path, nargs="+", help="one sentence a line, plain or gzip")
    _add_tokenizer(measure)
    measure.add_argument("--json", action="store_true", help="print one JSON object")


def _add_train(parts: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add = parts.add_parser("train", help="make an ARPA file of text (modified Kneser-Ney)", allow_abbrev=False)
    add.add_argument("text", type=Path, nargs="+", help="one sentence a line, plain or gzip")
    add.add_argument("--out", type=Path, required=True, metavar="ARPA", help="to write: .arpa or .arpa.gz")
    add.add_argument("--order", type=int, default=3, help="longest n-gram (3)")
    _add_tokenizer(add)
    add.add_argument(
        "--prune", type=int, nargs="+", default=[], metavar="COUNT", help="leave out what is not more frequent: 0 0 1"
    )
    add.add_argument("--vocabulary", type=int, metavar="WORDS", help="know the most frequent words only")
    add.add_argument(
        "--fallback", type=float, nargs=3, default=[0.5, 1.0, 1.5], metavar="D", help="discounts for tiny text"
    )
    add.add_argument(
        "--engine", choices=("auto", "own", "lmplz"), default="auto", help="auto: lmplz where there is one"
    )


def _add_convert(parts: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add = parts.add_parser("convert", help="pack, unpack, or change the case of words", allow_abbrev=False)
    add.add_argument("source", type=Path, metavar="ARPA")
    add.add_argument("out", type=Path, metavar="OUT", help=".arpa, .arpa.gz, or .bin for KenLM's build_binary")
    case = add.add_mutually_exclusive_group()
    case.add_argument("--upper", action="store_const", const="upper", dest="case", help="words in upper case")
    case.add_argument("--lower", action="store_const", const="lower", dest="case", help="words in lower case")


def _add_tokenizer(add: argparse.ArgumentParser) -> None:
    add.add_argument("--tokenizer", type=Path, metavar="FOLDER", help="of a model or its tokenizer: in its units")


def lm(options: argparse.Namespace) -> str:
    """What is to be printed. Raises NgramError, TokenizerError, StoreError."""
    parts = {
        "train": _train,
        "train-neural": train_neural,
        "convert": _convert,
        "prune": _prune,
        "perplexity": _perplexity,
    }
    return parts[options.lm_verb](options)


def _train(options: argparse.Namespace) -> str:
    from nst_asr.speech.ngram.train import NgramPlan, train_arpa

    plan = NgramPlan(
        order=options.order,
        prune=tuple(options.prune),
        vocabulary=options.vocabulary,
        fallback=tuple(options.fallback),
        engine=options.engine,
    )
    train_arpa(options.text, options.out, plan, _tokenizer(options))
    return str(options.out)


def _convert(options: argparse.Namespace) -> str:
    from nst_asr.speech.ngram.convert import convert

    convert(options.source, options.out, options.case)
    return str(options.out)


def _prune(options: argparse.Namespace) -> str:
    from nst_asr.speech.ngram.convert import prune_arpa

    before, after = prune_arpa(options.source, options.out, options.threshold)
    pairs = enumerate(zip_longest(before.orders, after.orders, fillvalue=()), start=1)  # of an order all may be gone
    return "\n".join(f"{k}-grams: {len(old)} -> {len(new)}" for k, (old, new) in pairs)


def _perplexity(options: argparse.Namespace) -> str:
    from nst_asr.speech.ngram.arpa import read_arpa
    from nst_asr.speech.ngram.perplexity import perplexity

    found = perplexity(read_arpa(options.source), options.text, _tokenizer(options))
    return json.dumps(found.to_json()) if options.json else found.describe()


def _tokenizer(options: argparse.Namespace) -> Tokenizer | None:
    from nst_asr.speech.tokenizer import Tokenizer

    return None if options.tokenizer is None else Tokenizer.load(options.tokenizer)
