"""Pairs a second from text to substitutions, deletions and insertions, on one core, ours against jiwer and others.

    python -m benchmarks.score [--pairs 20000] [--rounds 9]   # rates; rapidfuzz and kaldialign too where installed
    python -m benchmarks.score --memory 250000 500000 1000000 # peak memory of `score` over so many utterances
    python -m benchmarks.score --start                        # seconds until the first pair is counted

Texts are 20 words long, from a vocabulary of 20,000 with Zipf's distribution; a share of the words is wrong (three
fifths substitutions, a fifth each deletions and insertions). The systems take turns, round by round, in one process
bound to one core. Rates are of processor time, which other work on the machine is no part of, and of the clock.
A difference in errors from jiwer's ends the benchmark.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nst_asr.symbols import Unit

THREADS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
os.environ.update(dict.fromkeys(THREADS, "1"))  # before any of them is imported: the imports are in the functions

Texts = list[str]
Count = Callable[[Texts, Texts], int | None]  # the number of errors, where it is comparable
_UNITS: tuple[Unit, ...] = ("word", "character")


@dataclass(frozen=True)
class Rate:
    """Pairs a second of one round."""

    processor: float
    clock: float


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--memory", type=int, nargs="+", metavar="ROWS", help="peak memory of so many utterances")
    parser.add_argument("--start", action="store_true", help="seconds until the first pair is counted")
    parser.add_argument("--one", choices=_ONE, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        _ONE[arguments.one](arguments)
    elif arguments.memory:
        for rows in arguments.memory:
            _apart("memory", "--memory", str(rows))
    elif arguments.start:
        with tempfile.TemporaryDirectory() as cache:
            for state in ("not compiled yet", "compiled before"):
                print(f"{state}: ", end="", flush=True)
                _apart("start", cache=cache)
    else:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        for rate in (0.1, 0.5):
            for unit in _UNITS:
                _compare(unit, *texts(arguments.pairs, rate), arguments.rounds, rate)


def texts(pairs: int, rate: float) -> tuple[Texts, Texts]:
    """References and hypotheses, the same for the same arguments."""
    import numpy as np

    draw = np.random.default_rng(6)
    kinds = 20_000
    letters = draw.integers(ord("a"), ord("z") + 1, (kinds, 10), dtype=np.uint8).tobytes().decode()
    lengths = draw.binomial(9, 0.45, kinds) + 1
    vocabulary = np.array([letters[10 * kind : 10 * kind + size] for kind, size in enumerate(lengths)], object)
    shares = 1 / np.arange(1, kinds + 1)
    words = vocabulary[draw.choice(kinds, (pairs, 20), p=shares / shares.sum())]
    others = vocabulary[draw.integers(0, kinds, (pairs, 20))]
    fate = draw.choice(4, (pairs, 20), p=[1 - rate, 0.6 * rate, 0.2 * rate, 0.2 * rate])
    heard = np.where(fate == 1, others, np.where(fate == 2, "", np.where(fate == 3, words + " " + others, words)))
    return [" ".join(row) for row in words], [" ".join(" ".join(row).split()) for row in heard]


def systems(unit: Unit) -> dict[str, Count]:
    """What is compared, by name."""
    from nst_asr.align import align_counts

    def ours(references: Texts, hypotheses: Texts) -> int:
        return int(align_counts(references, hypotheses, unit)[:, :3].sum())

    def ours_sclite(references: Texts, hypotheses: Texts) -> None:
        align_counts(references, hypotheses, unit, "sclite")  # least costs, not least errors: no number to compare

    def jiwer(references: Texts, hypotheses: Texts) -> int:
        library = import_module("jiwer")
        process = library.process_words if unit == "word" else library.process_characters
        found = process(references, hypotheses)
        return int(found.substitutions + found.deletions + found.insertions)

    def rapidfuzz(references: Texts, hypotheses: Texts) -> int:
        editops, found = import_module("rapidfuzz.distance").Levenshtein.editops, 0
        for left, right in zip(references, hypotheses, strict=True):
            steps = editops(left.split(), right.split()) if unit == "word" else editops(left, right)
            found += sum(step.tag in ("replace", "delete", "insert") for step in steps)
        return found

    def kaldialign(references: Texts, hypotheses: Texts) -> int:
        distance, found = import_module("kaldialign").edit_distance, 0
        for left, right in zip(references, hypotheses, strict=True):
            symbols = (left.split(), right.split()) if unit == "word" else (left, right)
            found += distance(*symbols)["total"]
        return found

    others = [each for each in (rapidfuzz, kaldialign) if find_spec(each.__name__)]
    named: dict[str, Count] = {"nst_asr": ours, "jiwer": jiwer, "nst_asr, costs of sclite": ours_sclite}
    return named | {each.__name__: each for each in others}


def _compare(unit: Unit, references: Texts, hypotheses: Texts, rounds: int, rate: float) -> None:
    compared = systems(unit)
    found = {name: count(references, hypotheses) for name, count in compared.items()}  # compiles and warms up
    if differing := {name: errors for name, errors in found.items() if errors not in (None, found["jiwer"])}:
        sys.exit(f"jiwer has {found['jiwer']} errors, but: {differing}")
    rates: dict[str, list[Rate]] = {name: [] for name in compared}
    for _ in range(rounds):
        for name, count in compared.items():
            rates[name].append(_timed(count, references, hypotheses))
    print(f"\n{unit}s, {rate:.0%} wrong: {len(references)} pairs, {rounds} rounds, pairs a second")
    print(f"{'':26} {'processor: median':>18} {'least to most':>20} {'x jiwer':>8} {'least to most':>15} {'clock':>9}")
    for name, measured in rates.items():
        print(_line(name, measured, rates["jiwer"]), flush=True)


def _line(name: str, measured: list[Rate], jiwer: list[Rate]) -> str:
    from statistics import median

    rates = [each.processor for each in measured]
    ratios = [ours.processor / theirs.processor for ours, theirs in zip(measured, jiwer, strict=True)]
    clock = median(each.clock for each in measured)
    spread, between = f"{min(rates):,.0f} to {max(rates):,.0f}", f"{min(ratios):.1f} to {max(ratios):.1f}"
    return f"{name:26} {median(rates):18,.0f} {spread:>20} {median(ratios):8.1f} {between:>15} {clock:9,.0f}"


def _timed(count: Count, references: Texts, hypotheses: Texts) -> Rate:
    clock, processor = time.perf_counter(), time.process_time()
    count(references, hypotheses)
    return Rate(len(references) / (time.process_time() - processor), len(references) / (time.perf_counter() - clock))


def _apart(what: str, *arguments: str, cache: str | None = None) -> None:
    command = [sys.executable, "-m", "benchmarks.score", "--one", what, *arguments]
    subprocess.run(command, check=True, env=os.environ | ({"NUMBA_CACHE_DIR": cache} if cache else {}))


def _start(arguments: argparse.Namespace) -> None:
    clock, processor = time.perf_counter(), time.process_time()
    from nst_asr.align import align_counts

    imported = time.process_time() - processor
    for unit in _UNITS:
        align_counts(["one two"], ["one too"], unit)
    seconds = (time.process_time() - processor, time.perf_counter() - clock)
    print(f"importing {imported:.2f} s of processor; to the first counts {seconds[0]:.2f} s, {seconds[1]:.2f} s clock")


def _memory(arguments: argparse.Namespace) -> None:
    """The peaks while aligning and while scoring, above what the process held with both tables in it."""
    from nst_asr.align import align_counts
    from nst_asr.score import score

    rows = arguments.memory[0]
    score(*_tables(2))  # compiles
    reference, hypothesis = _tables(rows)
    size = sum(table.estimated_size() for table in (reference, hypothesis)) / 1e6
    print(f"{rows} utterances in tables of {size:.0f} MB", flush=True)
    both = (reference["label"], hypothesis["label"])
    print(f"  words aligned: {_peak(lambda: align_counts(*both), lambda counts: counts.nbytes)}", flush=True)
    scored = _peak(lambda: score(reference, hypothesis), lambda found: found.utterances.estimated_size())
    print(f"  scored: {scored}", flush=True)


def _peak(work: Callable[[], Any], size: Callable[[Any], int]) -> str:
    # what is free goes back, and the peak is counted anew (Linux, glibc): what making the tables took would hide it
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before, clock, processor = _held("VmRSS"), time.perf_counter(), time.process_time()
    result = size(work()) / 1e6
    seconds, wall = time.process_time() - processor, time.perf_counter() - clock
    peak = _held("VmHWM") - before
    taken = f"{peak:.0f} MB more at the peak (the result alone: {result:.0f} MB)"
    return f"{taken}; {seconds:.1f} s processor, {wall:.1f} s clock"


def _tables(rows: int) -> tuple[Any, Any]:
    import polars as pl

    row = pl.int_range(rows).cast(pl.String)
    ids = pl.select(
        pl.concat_str(pl.lit("speaker-"), (pl.int_range(rows) // 100).cast(pl.String), pl.lit("-"), row)
    ).to_series()
    sides = (pl.concat([pl.Series(side)] * (rows // len(side) + 1))[:rows] for side in texts(min(rows, 50_000), 0.1))
    reference, hypothesis = (
        pl.DataFrame({"id": ids, "group": ids.str.extract(r"^(.*)-"), "label": side}) for side in sides
    )
    return reference.rechunk(), hypothesis.drop("group").rechunk()


def _held(what: str) -> float:
    """MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith(what + ":"))


_ONE: dict[str, Callable[[argparse.Namespace], None]] = {"start": _start, "memory": _memory}

if __name__ == "__main__":
    main()
