"""The ledger of one example: what every generation made of it, and why it was kept or rejected."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from nst_asr.align import align_counts, aligned
from nst_asr.aligned import edits
from nst_asr.labels import parts_in, scan_parts
from nst_asr.measures import MEASURES, words_per_second
from nst_asr.reasons import plain, reason, whole
from nst_asr.results import about_run, teacher_of
from nst_asr.results_table import terms_of
from nst_asr.side_by_side import pieces, readable
from nst_asr.store import StoreError
from nst_asr.task import Model
from nst_asr.verdicts import KEPT

_POOL, _DEV = "1-labels", "0-heard"
_NEAREST = 5  # ids that are named where one is unknown


def why(run: Path, name: str, truth: str | None = None) -> dict[str, Any]:
    """What each generation of the run folder `run` has about the example with the id `name`; keys: docs/ledger.md.

    truth: the known label, against which each label is then aligned. The example is looked up in the pool, then in
    dev, whose labels have no verdicts. Of a label table the ids are read, and of all else this one row.

    Raises StoreError where nothing has been labeled yet, and for an unknown id, with the nearest ones.
    """
    terms = terms_of(about_run(run))
    for folder, part in ((_POOL, "unlabeled"), (_DEV, "dev")):
        found = {number: _labeled_row(run / f"gen{number}" / folder, name) for number in _labeled(run, folder)}
        if any(row is not None for row in found.values()):
            entries = [_entry(run, number, row, part == "unlabeled", truth) for number, row in found.items()]
            size = next(row["size"].item() for row in found.values() if row is not None)
            return {"id": name, "size": size, "set": part, "truth": truth, "generations": entries}
    raise _unknown(run, name, terms.example)


def _labeled(run: Path, folder: str) -> list[int]:
    """The generations whose labels in `folder` have been begun."""
    return sorted({int(path.parents[1].name[3:]) for path in run.glob(f"gen[1-9]*/{folder}/part-*.parquet")})


def _labeled_row(folder: Path, name: str) -> pl.DataFrame | None:
    """The example's row of a label table, with its place in the column `row`; None where it has not been labeled."""
    with readable(folder):
        table = scan_parts(parts_in(folder)).with_row_index("row").filter(pl.col("id") == name).collect()
    return table.head(1) if len(table) else None


def _entry(run: Path, number: int, row: pl.DataFrame | None, of_pool: bool, truth: str | None) -> dict[str, Any]:
    """What one generation has about the example."""
    about = {"generation": number, "teacher": _teacher(run, number), "labeled": row is not None}
    if row is None:
        return about
    if of_pool:
        # side tables are whole once they exist, and then so are the labels: the place in them is the same
        for side in ("2-verdicts.parquet", "3-copies.parquet"):
            row = _beside(row, run / f"gen{number}" / side)
    row = whole(row)
    label, judged = row["label"].item() or "", row.row(0, named=True)
    verdict = judged.get("verdict")
    return {
        **about,
        "label": label,
        **{column: judged[column] for column in ("label_without_lm", "alternatives")},
        "tokens": len(judged["tokens"] or ()),
        "scores": _scores(row),
        "verdict": verdict,
        "reason": reason(run, number, verdict, row) if verdict not in (None, KEPT) else None,
        "copies": judged.get("copies"),
        "weight": judged.get("weight"),
        "errors": _errors(truth, label) if truth is not None else None,
    }


def _teacher(run: Path, number: int) -> dict[str, Any]:
    generation = teacher_of(run, number)
    folder = run / ("gen0/student" if generation == 0 else f"gen{generation}/4-student")
    return {"generation": generation, "hash": Model(folder).hash if (folder / "HASH").exists() else None}


def _beside(row: pl.DataFrame, path: Path) -> pl.DataFrame:
    """The row with its columns in a side table, where there is one."""
    if not path.exists():
        return row
    with readable(path):
        columns = pl.scan_parquet(path).slice(row["row"].item(), 1).collect()
    names = {column: pl.String for column, kind in columns.schema.items() if kind in (pl.Enum, pl.Categorical)}
    return row.hstack(columns.cast(names))  # type: ignore[arg-type]


def _scores(row: pl.DataFrame) -> dict[str, float | str]:
    """Every measure that the row has, the parts of the score, and the words a second where there are seconds."""
    values = {name: measure.value for name, measure in MEASURES.items()}
    values |= {"score": pl.col("score"), "lm_logprob": pl.col("lm_logprob")}
    if row["size"].item() != 1:
        values["words_per_second"] = words_per_second()
    found = row.select(**values).row(0, named=True)
    return {name: plain(value) for name, value in found.items() if value is not None}


def _errors(truth: str, label: str) -> dict[str, Any]:
    """The errors of a label against the truth, with the alignment."""
    substitutions, deletions, insertions, words = (int(count) for count in align_counts([truth], [label])[0])
    total = substitutions + deletions + insertions
    return {
        **{"substitutions": substitutions, "deletions": deletions, "insertions": insertions, "words": words},
        "rate": total / max(words, 1),
        "alignment": [asdict(step) for step in aligned(truth, label)],
    }


def _unknown(run: Path, name: str, example: str) -> StoreError:
    """What to say of an id that no label table has."""
    tables = [run / f"gen{number}" / folder for folder in (_POOL, _DEV) for number in _labeled(run, folder)[:1]]
    if not tables:
        return StoreError(f"{run}: nothing has been labeled yet; labels are made once the first teacher is trained")
    nearest = heapq.nsmallest(_NEAREST, _distances(tables, name))
    names = ", ".join(dict.fromkeys(near for _, near in nearest))
    return StoreError(f"{run}: no {example} {name!r} in the pool or in dev; the nearest ids are {names}")


def _distances(tables: Sequence[Path], name: str) -> Iterator[tuple[int, str]]:
    """The edit distance of each id from `name`; of a piece of a table only the nearest are given."""
    for folder in tables:
        for piece in pieces(parts_in(folder), ["id"]):
            ids = piece["id"].to_list()
            far = edits([name] * len(ids), ids, "character")
            yield from heapq.nsmallest(_NEAREST, zip(far.tolist(), ids, strict=True))
