"""Word error rate and real-time factor of CTC beam searches with an n-gram, this package's and of other libraries.

    python -m benchmarks.decode MODEL MANIFEST ARPA [--lexicon vocabulary] [--weight W --bonus B] [--plot FILE]

All systems get the same log probabilities of the same model, one utterance at a time, on one thread. A round is every
system on every utterance, so that what else the machine does meets all alike. The real-time factor is the time of the
fastest round over the length of the audio; the net's time is not in it. Peers that are not installed are named.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import numpy as np
import polars as pl
import torch

from benchmarks.decoders import Decode, Task, systems
from nst_asr import config
from nst_asr.score import Score, score
from nst_asr.speech.audio import read
from nst_asr.speech.beam import LmPlan
from nst_asr.speech.corpora.manifests import read_manifest
from nst_asr.speech.decode import greedy
from nst_asr.speech.model import load
from nst_asr.speech.tokenizer import Tokenizer


@dataclass(frozen=True)
class Heard:
    """Utterances as the model hears them. reference: id, group, label; log_probs: (T, V) float32 each."""

    reference: pl.DataFrame
    log_probs: list[np.ndarray]
    seconds: float  # of audio


@dataclass
class Row:
    """A system at one beam, and what was measured of it."""

    name: str
    beam: int
    decode: Decode
    seconds: list[float] = field(default_factory=list)  # of each round
    texts: list[str] = field(default_factory=list)


def main() -> None:
    """Print the table, and write the plot where asked for."""
    options = _options()
    torch.set_num_threads(1)
    tokenizer = Tokenizer.load(options.model)
    heard = _heard(options)
    keys = {name: getattr(options, name) for name in ("weight", "bonus", "lexicon", "beam_tokens", "beam_threshold")}
    keys = {name: value for name, value in keys.items() if value is not None}
    if (lexicon := keys.get("lexicon")) not in (None, "vocabulary"):
        keys["lexicon"] = Path(str(lexicon))
    plan = config.parse(LmPlan, {"path": options.arpa, **keys}, "options")
    with tempfile.TemporaryDirectory() as folder:
        able, unable = systems(Task(tokenizer, plan, Path(folder)))
        rows = [_greedy(tokenizer)]
        task = Task(tokenizer, plan, Path(folder))
        for name, build in able.items():
            if not options.systems or name in options.systems:
                rows += [Row(name, beam, build(task, beam)) for beam in options.beams]
        _measure(rows, heard, options)
    print(
        f"\n{len(heard.log_probs)} utterances, {heard.seconds:.0f} s of audio, {tokenizer.size} units "
        f"({tokenizer.kind}); weight {plan.weight}, bonus {plan.bonus}, lexicon {plan.lexicon}; {options.clock} time\n"
    )
    scores = {id(row): _score(row, heard) for row in rows}
    _show(rows, scores, heard)
    for name, why in unable.items():
        print(f"\n{name}: {why}")
    if options.plot:
        _plot(options.plot, rows, scores, heard)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="model folder")
    parser.add_argument("manifest", type=Path, help="transcribed audio")
    parser.add_argument("arpa", type=Path, help="n-gram over words, or over the model's units without --lexicon")
    parser.add_argument("--lexicon", help="vocabulary, or a file of `word unit unit ...` lines")
    parser.add_argument("--weight", type=float, default=0.5, help="of the language model, nats (0.5)")
    parser.add_argument("--bonus", type=float, default=0.5, help="nats a word, or a unit without --lexicon (0.5)")
    parser.add_argument("--beam-tokens", type=int, help="units that may extend a label (the plan's default)")
    parser.add_argument("--beam-threshold", type=float, help="nats (the plan's default)")
    parser.add_argument("--beams", type=int, nargs="+", default=[4, 8, 16, 32, 64], help="widths (4 8 16 32 64)")
    parser.add_argument("--systems", nargs="+", help="these alone (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="of every system on every utterance (3)")
    parser.add_argument("--limit", type=int, help="so many utterances (default: all)")
    parser.add_argument("--clock", choices=("cpu", "wall"), default="cpu", help="process time or wall time (cpu)")
    parser.add_argument("--posteriors", type=Path, metavar="NPZ", help="log probabilities: kept here, and read again")
    parser.add_argument("--plot", type=Path, help="image to write: WER against real-time factor")
    return parser.parse_args()


def _heard(options: argparse.Namespace) -> Heard:
    """What the model hears in the manifest's audio, from the file of an earlier run where there is one."""
    rows = read_manifest(options.manifest, labeled=True)
    rows = rows.head(options.limit) if options.limit else rows
    if options.posteriors and options.posteriors.exists():
        with np.load(options.posteriors) as file:
            log_probs = [file[id] for id in rows["id"]]
    else:
        model = load(options.model)
        log_probs = []
        for path, start, size in rows.select("path", "start", "size").iter_rows():
            found, lengths = model.log_probs([read(path, model.features.rate, start=start, seconds=size)])
            log_probs.append(found[0, : int(lengths[0])].contiguous().numpy())
        if options.posteriors:
            np.savez(options.posteriors, **dict(zip(rows["id"], log_probs, strict=True)))
    return Heard(rows.select("id", "group", "label"), log_probs, float(rows["size"].sum()))


def _greedy(tokenizer: Tokenizer) -> Row:
    def decode(log_probs: np.ndarray) -> str:
        return tokenizer.decode(greedy(torch.from_numpy(log_probs)[None], torch.tensor([len(log_probs)]))[0])

    return Row("nst_asr, greedy", 1, decode)


def _measure(rows: Sequence[Row], heard: Heard, options: argparse.Namespace) -> None:
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    for row in rows:
        row.decode(heard.log_probs[0])  # compiles, reads
    for _ in range(options.rounds):
        for row in rows:
            start = clock()
            row.texts = [row.decode(log_probs) for log_probs in heard.log_probs]
            row.seconds.append(clock() - start)


def _score(row: Row, heard: Heard) -> Score:
    return score(heard.reference, heard.reference.select("id", label=pl.Series(row.texts, dtype=pl.String)))


def _show(rows: Sequence[Row], scores: dict[int, Score], heard: Heard) -> None:
    first = {row.beam: min(row.seconds) for row in rows if row.name == "nst_asr"}
    print("| system | beam | WER | real-time factor | times the time of nst_asr |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for row in rows:
        best = min(row.seconds)
        times = f"{best / first[row.beam]:.2f}" if row.beam in first else "-"
        rate = scores[id(row)].rate
        print(f"| {row.name} | {row.beam} | {rate:.2%} | {best / heard.seconds:.6f} | {times} |")


def _plot(path: Path, rows: Sequence[Row], scores: dict[int, Score], heard: Heard) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    for name in dict.fromkeys(row.name for row in rows):
        mine = [row for row in rows if row.name == name]
        factors = [min(row.seconds) / heard.seconds for row in mine]
        axes.plot(factors, [100 * scores[id(row)].rate for row in mine], marker="o", markersize=4, label=name)
    axes.set(xscale="log", xlabel="real-time factor, one thread", ylabel="WER, %")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
