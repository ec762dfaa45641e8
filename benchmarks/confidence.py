"""How good the confidence of a finished run's labels is, where the pool's truth is known.

    python benchmarks/confidence.py RUN --truth TSV [--generation K] [--json]

For each generation: the calibration error of the labels' own confidence and of the calibrated probability, beside what
a perfectly calibrated model would show on so many labels, and Brier scores; the area under risk and coverage for each
measure; and the estimated beside the true error rate of the labels that were kept, and of the surest shares. All of it
is on the pool, which no calibration has seen. Labels whose truth is not known are left out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nst_asr.align import align_counts
from nst_asr.bootstrap import rate
from nst_asr.examine import estimates
from nst_asr.gauge import Gauge
from nst_asr.key import Key
from nst_asr.labels import Labels
from nst_asr.measures import DERIVED, RAW
from nst_asr.reliability import reliability
from nst_asr.results import about_run, verdicts
from nst_asr.risk import measured, ranking
from nst_asr.rows import read_truth
from nst_asr.store import read_json
from nst_asr.terms import Terms
from nst_asr.verdicts import KEPT

_KEY = Key(0)["benchmark", "confidence"]


def main() -> None:
    """Print what is found for each generation, or for one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--truth", type=Path, required=True, metavar="TSV", help="id and text of pool examples")
    parser.add_argument("--generation", type=int, metavar="K", help="one alone (default: all)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    terms = Terms(**(about_run(options.run)["terms"] or {}))
    known = read_truth(options.truth)
    folders = sorted(options.run.glob("gen*/2-verdicts.parquet"))
    for folder in (path.parent for path in folders):
        number = int(folder.name.removeprefix("gen"))
        if options.generation in (None, number):
            found = study(folder, known, terms)
            print(json.dumps({"generation": number} | found) if options.json else f"{folder}\n{describe(found)}\n")


def study(folder: Path, known: pl.DataFrame, terms: Terms) -> dict[str, Any]:
    """What the truth says of the labels in a generation's folder, as plain values and as `text`."""
    gauge = Gauge.from_json(read_json(folder / "0-gauge.json"))
    kept = (verdicts(folder).collect()["verdict"].cast(pl.String) == KEPT).rename("kept")
    parts = len(list((folder / "1-labels").glob("part-*.parquet")))
    table = gauge.judged(Labels(folder / "1-labels", parts).scan().collect()).with_columns(kept)
    rows = _with_errors(table, known)
    found: dict[str, Any] = {"labels": len(rows), "kept": int(rows["kept"].sum())}
    scored = rows.filter(pl.col("confidence").is_finite() & pl.col("probability").is_not_null())
    lines = []
    for name in ("confidence", "probability") if len(scored) else ():
        one = reliability(scored[name].to_numpy(), (scored["errors"] == 0).to_numpy(), _KEY[name])
        found[name] = one.to_json()
        lines.append(f"{name}: {one.describe()}")
    of_kept = rows.filter("kept")
    found["true"] = {name: _true(part) for name, part in (("all", rows), ("kept", of_kept))}
    found["estimated"] = {name: _estimated(part) for name, part in (("all", rows), ("kept", of_kept))}
    for name in ("all", "kept"):
        guess = found["estimated"][name]
        shown = "unknown" if guess is None else f"{guess:.2%}"
        lines.append(f"{name} labels: estimated {terms.error} {shown}, true {found['true'][name]:.2%}")
    shares = estimates(rows, rows)
    found["shares"] = [vars(each) for each in shares]
    lines += [f"surest {e.share:.0%}: estimated {terms.error} {e.expected:.2%}, true {e.true:.2%}" for e in shares]
    ranked = ranking(measured(rows, (*RAW, *DERIVED)), rows, _KEY["risk"])
    found["ranking"] = ranked.to_json()
    lines.append(ranked.describe(terms).replace(" of dev ", " of the pool "))
    return found | {"text": "\n".join(lines)}


def describe(found: dict[str, Any]) -> str:
    """The findings as lines."""
    return f"{found['labels']} labels with a known truth, {found['kept']} of them kept\n{found['text']}"


def _with_errors(table: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The labels with a known truth, with errors and words; no group is known of the pool's examples."""
    rows = table.join(known.select("id", true="label"), on="id", how="inner", maintain_order="left")
    if rows.is_empty():
        raise SystemExit("none of the labels has a known truth")
    counts = align_counts(rows["true"].to_list(), rows["label"].fill_null("").to_list())
    errors, words = pl.Series("errors", counts[:, :3].sum(1)), pl.Series("words", counts[:, 3])
    return rows.with_columns(errors, words, group=pl.lit(None, pl.String))


def _true(rows: pl.DataFrame) -> float:
    return float(rate(np.asarray(rows["errors"].sum()), np.asarray(rows["words"].sum())))


def _estimated(rows: pl.DataFrame) -> float | None:
    there = rows.select("expected_error", "expected_words").drop_nulls()
    words = float(there["expected_words"].sum())
    return float((there["expected_error"].cast(pl.Float64) * there["expected_words"]).sum()) / words if words else None


if __name__ == "__main__":
    main()
