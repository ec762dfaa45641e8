"""Seconds and memory of training n-gram models, their perplexity on held-out text, and whether KenLM agrees.

    python -m benchmarks.ngram TEXT --held-out TEXT [--orders 2 3 4] [--tokenizer MODEL] [--prune-threshold 1e-7]

Each order is trained in a process of its own, by this package's engine (and by lmplz, where it is on the PATH), as
`nst-asr lm train` does it: reading, counting, estimating, writing the ARPA file and what it was made of. With the
module `kenlm`, every held-out sentence is scored by it too, and the largest difference is printed.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from nst_asr.speech.ngram.arpa import read_arpa, write_arpa
from nst_asr.speech.ngram.perplexity import perplexity
from nst_asr.speech.ngram.prune import prune
from nst_asr.speech.ngram.text import read_words, spelt
from nst_asr.speech.ngram.train import Engine, NgramPlan, train_arpa
from nst_asr.speech.text_leakage import eightgrams
from nst_asr.speech.tokenizer import Tokenizer


@dataclass(frozen=True)
class Cost:
    """What a piece of work took in its process."""

    wall: float  # seconds
    processor: float  # seconds
    memory: float  # GB, the peak of the process, its libraries included

    def __str__(self) -> str:
        return f"{self.wall:.1f} s wall, {self.processor:.1f} s processor, {self.memory:.2f} GB peak"


def main() -> None:
    """Print a line for each order and step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, nargs="+")
    parser.add_argument("--held-out", type=Path, required=True, help="one sentence a line, in the text's case")
    parser.add_argument("--orders", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument("--tokenizer", type=Path, help="folder of a model: train on its units")
    parser.add_argument("--prune-threshold", type=float, help="prune each model too, by relative entropy")
    arguments = parser.parse_args()
    engines: list[Engine] = ["own", "lmplz"] if shutil.which("lmplz") else ["own"]
    with tempfile.TemporaryDirectory() as folder:
        for order in arguments.orders:
            for engine in engines:
                _one(Path(folder) / f"{engine}{order}.arpa", order, engine, arguments)
        print(f"8-grams of the text: {_apart(_eightgrams, arguments.text)}")


def _one(arpa: Path, order: int, engine: Engine, arguments: argparse.Namespace) -> None:
    print(f"order {order}, engine {engine}", flush=True)
    print(f"  training: {_apart(_train, arguments.text, arpa, order, engine, arguments.tokenizer)}")
    print(f"  reading it: {_apart(_read, arpa)}")
    model, units = read_arpa(arpa), _units(arguments.tokenizer)
    found = perplexity(model, [arguments.held_out], units)
    print(f"  {', '.join(f'{len(each)} {k}-grams' for k, each in enumerate(model.orders, start=1))}")
    print("  " + found.describe().replace("\n", "\n  "))
    if find_spec("kenlm"):
        print(f"  largest difference from kenlm's log10 P of a sentence: {_difference(arpa, arguments):.1e}")
    if arguments.prune_threshold:
        small = arpa.with_suffix(".pruned.arpa")
        print(f"  pruning: {_apart(_prune, arpa, small, arguments.prune_threshold)}")
        pruned = read_arpa(small)
        print(f"  {', '.join(f'{len(each)} {k}-grams' for k, each in enumerate(pruned.orders, start=1))}")
        print(f"  perplexity {perplexity(pruned, [arguments.held_out], units).perplexity:.2f}", flush=True)


def _difference(arpa: Path, arguments: argparse.Namespace) -> float:
    """Between this package and kenlm, over the held-out sentences."""
    words, units = read_words([arguments.held_out]), _units(arguments.tokenizer)
    text = spelt(words, units)[0] if units else words
    model, starts = read_arpa(arpa), np.cumsum(text.lengths) - text.lengths
    kenlm: Any = importlib.import_module("kenlm").Model(str(arpa))
    worst = 0.0
    for start, length in zip(starts, text.lengths, strict=True):
        names = [text.names[code] for code in text.codes[start : start + length]]
        tokens = [model.numbers.get(name, model.unknown) for name in ("<s>", *names, "</s>")]
        ours = model.logprobs(np.array(tokens, np.int32), np.arange(len(tokens)))[1:].sum()
        worst = max(worst, abs(ours - kenlm.score(" ".join(names), bos=True, eos=True)))
    return worst


def _apart(work: Callable[..., None], *given: object) -> Cost:
    """What `work` took in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as other:
        return other.apply(_measured, (work, given))


def _measured(work: Callable[..., None], given: tuple[object, ...]) -> Cost:
    wall, processor = time.perf_counter(), time.process_time()
    work(*given)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return Cost(time.perf_counter() - wall, time.process_time() - processor, memory)


def _train(text: list[Path], arpa: Path, order: int, engine: Engine, tokenizer: Path | None) -> None:
    train_arpa(text, arpa, NgramPlan(order=order, engine=engine), _units(tokenizer))


def _read(arpa: Path) -> None:
    read_arpa(arpa)


def _prune(arpa: Path, out: Path, threshold: float) -> None:
    write_arpa(out, prune(read_arpa(arpa), threshold))


def _eightgrams(text: list[Path]) -> None:
    eightgrams(read_words(text))


def _units(tokenizer: Path | None) -> Tokenizer | None:
    return None if tokenizer is None else Tokenizer.load(tokenizer)


if __name__ == "__main__":
    main()
