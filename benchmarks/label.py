"""Seconds and memory of labeling 1, 10 and 100 hours: time is to be linear, memory flat.

    python -m benchmarks.label [--hours 1 10 100] [--workers 1]
    python -m benchmarks.label --hours 1 --model exp/digits/gen0/student --audio exp/digits-corpus-0/unlabeled.tsv

Without a model a stand-in gives labels of 32 tokens at once, so that what is measured is the table: cutting, checking,
writing, telling. With one, its teacher reads and decodes the audio of a manifest, repeated under new ids until there
are so many hours of it. Each amount is labeled by a process of its own; `worker` is the largest that labeled for it,
and the seconds of processor are those of all.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from nst_asr.corpus import Block, Unlabeled
from nst_asr.labels import SCHEMA, label
from nst_asr.task import Labeler, Model

_SECONDS = 12.0  # of an utterance, for the stand-in
_TOKENS = 32


@dataclass(frozen=True)
class StandIn:
    """Labels that cost nothing to find, of the size of real ones."""

    fingerprint: str = "stand-in"

    def __call__(self, block: Block) -> pl.DataFrame:
        """The same label for every row, but for its id and a number in it."""
        place = pl.int_range(pl.len(), dtype=pl.Int32)
        tokens = pl.concat_list([(place * 7919 + k * 104729) % 1000 for k in range(_TOKENS)])
        sure = [((place * 31 + k) % 97 / 97).cast(pl.Float32) for k in range(_TOKENS)]
        return block.rows.select(
            "id",
            "size",
            label=pl.lit("some words of a label ") + place.cast(pl.String),
            tokens=tokens,
            logprob=-place.cast(pl.Float32),
            confidence=sure[0],
            entropy_confidence=sure[1],
            **{name: pl.concat_list(sure) for name in SCHEMA if name.startswith("token_")},
        ).cast({"tokens": pl.List(pl.Int32)})


def main() -> None:
    """Print a line for each amount."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, nargs="+", default=[1.0, 10.0, 100.0])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--block", type=int, default=512)
    parser.add_argument("--model", type=Path, help="model folder of a recogniser")
    parser.add_argument("--audio", type=Path, help="with --model: manifest of the audio that is repeated")
    options = parser.parse_args()
    if (options.model is None) != (options.audio is None):
        parser.error("--model and --audio belong together")
    print("| hours | rows | blocks | seconds | of processor | x real time | MB | MB, worker |\n|" + " ---: |" * 8)
    for hours in options.hours:
        with multiprocessing.get_context("spawn").Pool(1) as other:
            print(other.apply(measure, (hours, options)), flush=True)


def measure(hours: float, options: argparse.Namespace) -> str:
    """A line of the table."""
    pool, labeler = _pool(hours, options.audio), _labeler(options.model)
    with tempfile.TemporaryDirectory() as folder:
        began, before = time.perf_counter(), sum(os.times()[:4])
        made = label(labeler, pool, Path(folder), block=options.block, workers=options.workers)
        seconds, busy = time.perf_counter() - began, sum(os.times()[:4]) - before
    used = [resource.getrusage(who).ru_maxrss / 2**10 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    worker = f"{used[1]:.0f}" if options.workers > 1 else "-"
    amount = [f"{pool.hours:,.1f}", f"{len(pool.rows):,}", str(made.parts)]
    pace = f"{pool.hours * 3600 / seconds:,.0f}"
    return f"| {' | '.join([*amount, f'{seconds:.1f}', f'{busy:.1f}', pace, f'{used[0]:.0f}', worker])} |"


def _pool(hours: float, audio: Path | None) -> Unlabeled:
    """Utterances of so many hours, each time under another id."""
    if audio is None:
        once = pl.DataFrame({"id": ["utterance"], "size": [_SECONDS], "group": ["somebody"]})
    else:
        from nst_asr.speech.corpora.manifests import read_manifest

        once = read_manifest(audio, labeled=False)
    once = once.with_columns(pl.col("size").cast(pl.Float32))
    times = -(-hours * 3600 // float(once["size"].cast(pl.Float64).sum()))
    turns = pl.DataFrame({"turn": pl.int_range(int(times), eager=True)})
    rows = turns.join(once, how="cross").with_columns(id=pl.format("{}-{}", "id", "turn")).drop("turn")
    enough = rows["size"].cast(pl.Float64).cum_sum() <= hours * 3600 + 1e-6
    return Unlabeled(rows.filter(enough))


def _labeler(model: Path | None) -> Labeler:
    if model is None:
        return StandIn()
    from nst_asr.speech.model import load
    from nst_asr.speech.plan import Decode
    from nst_asr.speech.task import Speech

    found = load(model)
    return Speech(found.features, found.tokenizer).labeler([Model(model)], Decode())


if __name__ == "__main__":
    main()
