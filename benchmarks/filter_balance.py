"""Seconds and memory of filtering and balancing a synthetic label table.

    python benchmarks/filter_balance.py [--rows 1000000] [--tokens 32] [--units 1000] [--plain]
        [--filter-only | --balance-only]

The filter judges by rates, repeats, normalised score, confidence and a target error; for the last one every label's
calibrated probability and expected error are computed from its measures. --plain: without calibration and target.
--balance-only: of all labels, none filtered.
The table is written as Parquet parts first, in another process, and read lazily, as a run does. The goals are for
1 million rows: under 60 s and 2 GB together.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from nst_asr.balance import BalancePlan, balance
from nst_asr.filter import FilterPlan, Limits, Target, filter
from nst_asr.gauge import fit_gauge
from nst_asr.key import Key
from nst_asr.labels import SCHEMA, Labels, part_path
from nst_asr.repeat import Repeat
from nst_asr.task import Shares

_PART = 100_000


def main() -> None:
    """Print rows, seconds and peak memory of each step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--tokens", type=int, default=32, help="mean number of tokens of a label")
    parser.add_argument("--units", type=int, default=1000)
    parser.add_argument("--plain", action="store_true", help="no calibration, no target error")
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--filter-only", action="store_true", help="no balancing")
    one.add_argument("--balance-only", action="store_true", help="no filter: all labels are balanced")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sizes = (Path(folder), arguments.rows, arguments.tokens, arguments.units)
        with multiprocessing.get_context("spawn").Pool(1) as other:
            parts = other.apply(_write, sizes)
        labels = Labels(Path(folder), parts)
        if arguments.balance_only:
            _balance(labels, pl.repeat(True, arguments.rows, eager=True), arguments.units)
        else:
            _measure(labels, arguments.units, arguments.plain, arguments.filter_only)


def _measure(labels: Labels, units: int, plain: bool, filter_only: bool) -> None:
    heard = labels.scan().head(5000).collect()
    gauge = fit_gauge(heard, None if plain else _truth(heard))
    target = None if plain else Target(rate=0.08)
    limits = Limits(low=0.5, high=8.0)
    plan = FilterPlan(rate=limits, repeat=Repeat(), score=-1.0, confidence=0.3, target_error=target)
    start, before = time.perf_counter(), time.process_time()
    verdicts = filter(labels.scan(), gauge, plan)
    _say("filter", verdicts.rows, time.perf_counter() - start)
    print(f"processor time {time.process_time() - before:.1f} s")
    print(verdicts.describe())
    if not filter_only:
        _balance(labels, verdicts.kept, units)


def _balance(labels: Labels, kept: pl.Series, units: int) -> None:
    shares = Shares(1e6 * _zipf(units), tuple(map(str, range(units))))
    start, before = time.perf_counter(), time.process_time()
    copies = balance(labels.scan(), kept, shares, BalancePlan(by="tokens"), Key(0))
    _say("balance", int(kept.sum()), time.perf_counter() - start)
    print(f"processor time {time.process_time() - before:.1f} s")
    print(f"kl {copies.kl_before:.4f} -> {copies.kl_after:.4f}, {copies.rows} distinct rows, {copies.iterations} steps")


def _truth(heard: pl.DataFrame) -> pl.DataFrame:
    """Of labels that are less sure a word is wrong: the first, or all where they are the least sure."""
    label, sure = pl.col("label"), pl.col("confidence")
    wrong = pl.when(sure < 0.2).then(label + " " + label).when(sure < 0.5).then("missed " + label)
    return heard.select("id", label=wrong.otherwise(label), group=pl.col("id").str.tail(2))


def _say(step: str, rows: int, seconds: float) -> None:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{step}: {rows} rows, {seconds:.1f} s, peak memory so far {memory:.2f} GB")


def _zipf(units: int) -> np.ndarray:
    share = 1 / np.arange(1, units + 1)
    return np.asarray(share / share.sum())


def _write(folder: Path, rows: int, mean: int, units: int) -> int:
    """The number of parts written."""
    starts = range(0, rows, _PART)
    for index, start in enumerate(starts):
        part = _part(start, min(_PART, rows - start), mean, units)
        part.write_parquet(part_path(folder, index), compression="zstd")
    return len(starts)


def _part(start: int, rows: int, mean: int, units: int) -> pl.DataFrame:
    """Labels with shares askew of the target, some of them empty, looping or without a finite score."""
    draw = Key(0)["part", start].generator()
    pool = _zipf(units) * np.exp(0.7 * Key(0)["pool"].generator().normal(size=units))
    length = draw.integers(0, 2 * mean + 1, rows)
    tokens = draw.choice(units, (rows, 2 * mean), p=pool / pool.sum()).astype(np.int32)
    tokens[::50] = tokens[::50, :1]  # loops of one word
    logprob = -0.3 * length - 1 + 0.7 * np.sqrt(length) * draw.normal(size=rows)
    logprob[::1000] = -np.inf
    columns = {
        "id": [f"utterance-{start + row:09d}" for row in range(rows)],
        "size": 0.4 * length * np.exp(0.2 * draw.normal(size=rows)) + 0.2,
        "logprob": logprob,
        "confidence": draw.uniform(size=rows),
    }
    table = pl.DataFrame(columns).with_columns(tokens=_lists(tokens, length))
    table = table.with_columns(
        label=pl.col("tokens").cast(pl.List(pl.String)).list.join(" "),
        token_confidence=_lists(draw.uniform(size=tokens.shape).astype(np.float32), length),
        token_tsallis_confidence=_lists(draw.uniform(size=tokens.shape).astype(np.float32), length),
    )
    missing = [pl.lit(None).alias(name) for name in SCHEMA if name not in table.columns]
    return table.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())


def _lists(values: np.ndarray, length: np.ndarray) -> pl.Series:
    rows = pl.DataFrame({"values": values, "length": length})
    return rows.select(pl.col("values").arr.to_list().list.head(pl.col("length"))).to_series()


if __name__ == "__main__":
    main()
