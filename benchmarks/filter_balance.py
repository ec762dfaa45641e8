"""Seconds and memory of filtering and balancing a synthetic label table.

    python benchmarks/filter_balance.py [--rows 1000000] [--tokens 32] [--units 1000]

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
from nst_asr.filter import FilterPlan, Limits, filter
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
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sizes = (Path(folder), arguments.rows, arguments.tokens, arguments.units)
        with multiprocessing.get_context("spawn").Pool(1) as other:
            parts = other.apply(_write, sizes)
        _measure(Labels(Path(folder), parts), arguments.units)


def _measure(labels: Labels, units: int) -> None:
    gauge = fit_gauge(labels.scan().head(5000).collect())
    plan = FilterPlan(rate=Limits(low=0.5, high=8.0), repeat=Repeat(), score=-1.0, confidence=0.3)
    start = time.perf_counter()
    verdicts = filter(labels.scan(), gauge, plan)
    _say("filter", verdicts.rows, time.perf_counter() - start)
    print(verdicts.describe())
    shares = Shares(1e6 * _zipf(units), tuple(map(str, range(units))))
    start = time.perf_counter()
    copies = balance(labels.scan(), verdicts.kept, shares, BalancePlan(by="tokens"), Key(0))
    _say("balance", int(verdicts.kept.sum()), time.perf_counter() - start)
    print(f"kl {copies.kl_before:.4f} -> {copies.kl_after:.4f}, {copies.rows} distinct rows, {copies.iterations} steps")


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
    )
    missing = [pl.lit(None).alias(name) for name in SCHEMA if name not in table.columns]
    return table.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())


def _lists(values: np.ndarray, length: np.ndarray) -> pl.Series:
    rows = pl.DataFrame({"values": values, "length": length})
    return rows.select(pl.col("values").arr.to_list().list.head(pl.col("length"))).to_series()


if __name__ == "__main__":
    main()
