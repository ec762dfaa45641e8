"""Seconds of a training step of this package's Conformer and of its peers', interleaved, as a Markdown table.

    python -m benchmarks.train [--real CORPUS]                      4.7 M parameters, this package and its peers
    python -m benchmarks.train --sizes S M L --device cuda --precision bfloat16 --compile --utterances 32 --seconds 15

A step is features, SpecAugment, forward, CTC, backward and AdamW. All systems get the same features, masks, loss and
optimiser, this package's, and keep their own model code; SpeechBrain also its own subsampling (with LayerNorm), of the
same channels. A round is one step of every system on every batch, so that what else the machine does meets all alike.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from benchmarks.peers import Shape, systems
from benchmarks.steps import Batch, Trainer, bucketed, synthetic
from nst_asr.speech.conformer import Conformer, ConformerPlan
from nst_asr.speech.memory import keep_freed_memory

_WARM_UP = 2  # rounds that are not counted
_PIECES = 1000  # of S, M and L


@dataclass(frozen=True)
class Row:
    """A system and what was measured of it."""

    name: str
    parameters: int
    seconds: list[float]  # of each round
    operations: float  # floating-point operations of a round


def main() -> None:
    """Print a table for synthetic batches, and one for real ones where asked for."""
    options = _options()
    torch.set_num_threads(options.threads)
    if options.device == "cpu":
        print(f"freed memory kept by the process: {'yes' if keep_freed_memory() else 'no'}, for all systems alike")
    vocabulary = _PIECES if options.sizes else Shape().vocabulary
    batches = [synthetic(options.utterances, options.seconds, vocabulary)]
    print(f"\n{options.utterances} x {options.seconds:g} s of noise\n")
    _show(_measure(_models(options), batches, options), batches, options)
    if options.real:
        batches = bucketed(options.real, options.utterances * options.seconds, options.batches, vocabulary)
        print(f"\n{_described(batches)}\n")
        _show(_measure(_models(options), batches, options), batches, options)


def _models(options: argparse.Namespace) -> dict[str, nn.Module]:
    """The systems, of this package alone where sizes are asked for; compiled ones beside those that are not."""
    torch.manual_seed(0)
    if not options.sizes:
        shape = Shape(channels=options.channels)
        return {name: make() for name, make in systems(shape).items() if not options.only or options.only in name}
    models: dict[str, nn.Module] = {}
    for size in options.sizes:
        for compiled in (False, True) if options.compile else (False,):
            model = Conformer(ConformerPlan(preset=size), 80, _PIECES, dropout=0.1, recompute=options.recompute)
            if compiled:
                model.compile_blocks()
            models[f"{size}, compiled" if compiled else size] = model
    return models


def _measure(models: dict[str, nn.Module], batches: Sequence[Batch], options: argparse.Namespace) -> list[Row]:
    device = torch.device(options.device)
    trainers = {
        name: Trainer(model, device, bfloat16=options.precision == "bfloat16") for name, model in models.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for _ in range(_WARM_UP + options.rounds):
        for name, trainer in trainers.items():
            seconds[name].append(_time(trainer, batches, device, options.clock))
    return [
        Row(
            name,
            sum(p.numel() for p in trainer.model.parameters()),
            seconds[name][_WARM_UP:],
            trainer.operations(batches) if options.peak_tflops else 0.0,
        )
        for name, trainer in trainers.items()
    ]


def _time(trainer: Trainer, batches: Sequence[Batch], device: torch.device, clock: str) -> float:
    """Seconds of one step on each batch."""
    now = time.process_time if clock == "cpu" else time.perf_counter
    start = now()
    for batch in batches:
        trainer(batch)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return now() - start


def _show(rows: Sequence[Row], batches: Sequence[Batch], options: argparse.Namespace) -> None:
    """The table: milliseconds a step, times as long as the first row, hours of audio a second, FLOP utilisation."""
    audio = sum(batch.seconds for batch in batches)
    print("| system | parameters | min ms | median ms | min, relative | median, relative | hours of audio / s | MFU |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        least, middle = min(row.seconds), statistics.median(row.seconds)
        cells = [
            row.name,
            f"{row.parameters / 1e6:.2f} M",
            f"{1e3 * least / len(batches):.0f}",
            f"{1e3 * middle / len(batches):.0f}",
            f"{least / min(rows[0].seconds):.2f}",
            f"{middle / statistics.median(rows[0].seconds):.2f}",
            f"{audio / middle / 3600:.4g}",
            f"{row.operations / middle / options.peak_tflops / 1e12:.1%}" if options.peak_tflops else "-",
        ]
        print(f"| {' | '.join(cells)} |")


def _described(batches: Sequence[Batch]) -> str:
    padded = sum(batch.waves.numel() for batch in batches)
    real = sum(int(batch.lengths.sum()) for batch in batches)
    sizes = ", ".join(f"{len(b.labels)} x {b.waves.shape[1] / 16000:.1f} s" for b in batches)
    padding = f"{1 - real / padded:.1%} of it padding"
    return f"{len(batches)} batches of real utterances ({sizes}; {padding}); times are a batch's mean"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--clock",
        default="wall",
        choices=["wall", "cpu"],
        help="cpu: the process's own seconds, of all threads together; for a machine that others use, with --threads 1",
    )
    parser.add_argument("--utterances", type=int, default=4, help="of a synthetic batch")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each of them")
    parser.add_argument("--channels", type=int, default=144, help="of the subsampling convolutions, in all systems")
    parser.add_argument("--only", metavar="TEXT", help="only systems with this in their names")
    parser.add_argument("--real", type=Path, metavar="CORPUS", help="a folder of audio, or a manifest; as well")
    parser.add_argument("--batches", type=int, default=4, help="of real utterances, as long as a synthetic one")
    parser.add_argument("--sizes", nargs="+", choices=["S", "M", "L"], help="presets of this package, and no peers")
    parser.add_argument("--compile", action="store_true", help="the sizes with compiled blocks, too")
    parser.add_argument("--recompute", action="store_true", help="the sizes with activations computed again")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--peak-tflops", type=float, help="of the device at this precision, for the last column")
    return parser.parse_args()


if __name__ == "__main__":
    main()
