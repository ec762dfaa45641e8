"""What changed between the labels of two generations: hours kept, labels, words, verdicts and, by the truth, errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nst_asr.align import Unit
from nst_asr.aligned import SCHEMA, changed_words, edits, in_order
from nst_asr.corpus import Truth
from nst_asr.labels import parts_in
from nst_asr.results import about_run, teacher_of
from nst_asr.side_by_side import readable, side_by_side
from nst_asr.store import StoreError
from nst_asr.verdicts import KEPT

_MOST_PAIRS = 2_000_000  # kinds of changed words in memory; beyond them the rarest are forgotten
_CELL = ["old_verdict", "new_verdict", "changed"]
_SUMS = ("hours", "edits", "words", "character_edits", "characters", "known", "true_words", "old_errors", "new_errors")
_OLD, _NEW = pl.col("old_verdict") == KEPT, pl.col("new_verdict") == KEPT


@dataclass(frozen=True)
class Changes:
    """The labels of generation `new` beside those of generation `old`, summed over the pool.

    teachers: whose models made them. cells: a row for each pair of verdicts (`old_verdict`, `new_verdict`) and for
    labels that `changed` or not: `rows`, `hours`, and of the labels the `edits` from old to new, the `words` of the
    old, the same in characters; with a truth, the rows that it knows, their true words, the errors of either label.
    vocabulary: word, and how often it occurs in the old and the new labels. pairs: which word became which
    (`aligned.changed_words`); beyond 2 million kinds the rarest are forgotten, so that a count may then be too low.
    """

    old: int
    new: int
    teachers: tuple[int, int]
    cells: pl.DataFrame
    vocabulary: pl.DataFrame
    pairs: pl.DataFrame

    def to_json(self, top: int = 20) -> dict[str, Any]:
        """The totals as plain values, with the `top` most frequent words of each kind; docs/ledger.md has the keys."""
        moved = {"kept_to_rejected": (_OLD & ~_NEW, "new"), "rejected_to_kept": (~_OLD & _NEW, "old")}
        return {
            "from": {"generation": self.old, "teacher": self.teachers[0], "kept": self._amount(_OLD)},
            "to": {"generation": self.new, "teacher": self.teachers[1], "kept": self._amount(_NEW)},
            **self._amount(pl.lit(True)),
            "kept_in_both": self._amount(_OLD & _NEW),
            "changed": self._changed(pl.lit(True)),
            "changed_of_kept_in_both": self._changed(_OLD & _NEW),
            "distance": self._distance(pl.lit(True)),
            "distance_of_kept_in_both": self._distance(_OLD & _NEW),
            **{name: self._moved(rows, which) for name, (rows, which) in moved.items()},
            "label_error": self._errors(),
            "changed_words": self.pairs.head(top).to_dicts(),
            "vanished": self._gone("old", "new", top),
            "appeared": self._gone("new", "old", top),
        }

    def _sum(self, rows: pl.Expr, column: str) -> float:
        return float(self.cells.filter(rows)[column].sum())

    def _amount(self, rows: pl.Expr) -> dict[str, Any]:
        return {"rows": int(self._sum(rows, "rows")), "hours": self._sum(rows, "hours")}

    def _changed(self, rows: pl.Expr) -> dict[str, Any]:
        changed, total = self._amount(rows & pl.col("changed")), self._sum(rows, "rows")
        return changed | {"share": changed["rows"] / total if total else None}

    def _distance(self, rows: pl.Expr) -> dict[str, Any]:
        characters = self._rate(rows, "character_edits", "characters")
        return self._rate(rows, "edits", "words") | {"characters": characters}

    def _rate(self, rows: pl.Expr, errors: str, total: str) -> dict[str, Any]:
        wrong, length = int(self._sum(rows, errors)), int(self._sum(rows, total))
        unit = "characters" if total == "characters" else "words"
        return {"errors": wrong, unit: length, "rate": wrong / max(length, 1)}

    def _moved(self, rows: pl.Expr, which: str) -> dict[str, Any]:
        """The rows that changed sides, and the rules that reject or rejected them."""
        cells = self.cells.filter(rows).group_by(rule=f"{which}_verdict").agg(pl.col("rows", "hours").sum())
        ranked = cells.sort("rows", "rule", descending=[True, False])
        return self._amount(rows) | {"rules": ranked.to_dicts()}

    def _errors(self) -> dict[str, Any] | None:
        known = int(self._sum(pl.lit(True), "known"))
        groups = {
            **{"all": (pl.lit(True), pl.lit(True)), "kept": (_OLD, _NEW), "changed": (pl.col("changed"),) * 2},
            **{"kept_to_rejected": (_OLD & ~_NEW,) * 2, "rejected_to_kept": (~_OLD & _NEW,) * 2},
        }
        rates = {
            name: {
                "from": self._rate(rows[0], "old_errors", "true_words"),
                "to": self._rate(rows[1], "new_errors", "true_words"),
            }
            for name, rows in groups.items()
        }
        return {"known": known} | rates if known else None

    def _gone(self, there: str, absent: str, top: int) -> dict[str, Any]:
        """Words of the one side that the other does not have: how many kinds, and the most frequent."""
        found = self.vocabulary.filter(pl.col(there) > 0, pl.col(absent) == 0)
        first = found.sort(there, "word", descending=[True, False]).head(top).select("word", count=there)
        return {"kinds": len(found), "words": first.to_dicts()}


def changes(run: Path, old: int, new: int, truth: Truth | None = None) -> Changes:
    """What changed in the labels of the pool from generation `old` to generation `new` of the run folder `run`.

    The tables are read piece by piece: memory grows with the vocabulary, not with the pool. Raises StoreError where
    one of the generations has not been labeled and judged yet, or the two are of different examples.
    """
    about_run(run)
    if old == new:
        raise StoreError(f"{run}: from {old} to {new} nothing changes; name two generations")
    return across((run, old), (run, new), truth)


def across(old: tuple[Path, int], new: tuple[Path, int], truth: Truth | None = None) -> Changes:
    """What changed from one generation to another that may be of another run on the same pool.

    old, new: run folder and generation. Raises StoreError as `changes`.
    """
    parts = [_judged_parts(*side) for side in (old, new)]
    cells: list[pl.DataFrame] = []
    vocabulary = pl.DataFrame(schema={"word": pl.String, "old": pl.Int64, "new": pl.Int64})
    pairs = pl.DataFrame(schema=SCHEMA)
    for piece in _with_verdicts(side_by_side(*parts), old, new):
        measured = _measured(piece, truth)
        cells.append(measured.group_by(_CELL).agg(pl.len().cast(pl.Int64).alias("rows"), pl.col(_SUMS).sum()))
        vocabulary = _merged([vocabulary, _counted(piece)], ["word"])
        changed = piece.filter(pl.col("old") != pl.col("new"))
        pairs = _merged([pairs, changed_words(changed["old"].to_list(), changed["new"].to_list())], ["before", "after"])
        if len(pairs) > _MOST_PAIRS:
            pairs = in_order(pairs).head(_MOST_PAIRS // 2)
    teachers = (teacher_of(*old), teacher_of(*new))
    return Changes(old[1], new[1], teachers, _merged(cells, _CELL), vocabulary, in_order(pairs))


def _judged_parts(run: Path, number: int) -> list[Path]:
    """The parts of a generation's label table, which is finished if it has been judged."""
    there = sorted(int(path.parent.name[3:]) for path in run.glob("gen[1-9]*/2-verdicts.parquet"))
    if number not in there:
        known = ", ".join(map(str, there)) or "none yet"
        raise StoreError(f"{run}: no labels of generation {number} that have been judged; there are those of: {known}")
    return parts_in(run / f"gen{number}" / "1-labels")


def _with_verdicts(
    tables: Iterator[pl.DataFrame], old: tuple[Path, int], new: tuple[Path, int]
) -> Iterator[pl.DataFrame]:
    sides = {"old_verdict": old, "new_verdict": new}
    paths = {column: run / f"gen{number}/2-verdicts.parquet" for column, (run, number) in sides.items()}
    start = 0
    for table in tables:
        for column, path in paths.items():
            with readable(path):
                rows = pl.scan_parquet(path).slice(start, len(table)).select(pl.col("verdict").cast(pl.String))
                table = table.with_columns(rows.collect()["verdict"].alias(column))
        start += len(table)
        yield table


def _measured(piece: pl.DataFrame, truth: Truth | None) -> pl.DataFrame:
    """The piece with the columns that are summed over cells."""
    changed = (piece["old"] != piece["new"]).to_numpy()
    single = pl.col("old").str.strip_chars().str.replace_all(r"\s+", " ")
    found = piece.select(
        "old_verdict",
        "new_verdict",
        changed=pl.Series(changed),
        hours=pl.col("size").cast(pl.Float64) / 3600,
        words=pl.col("old").str.count_matches(r"\S+").cast(pl.Int64),
        characters=single.str.len_chars().cast(pl.Int64),
        edits=pl.Series(_edits(piece["old"], piece["new"], changed)),
        character_edits=pl.Series(_edits(piece["old"], piece["new"], changed, "character")),
    )
    return found.with_columns(**_true_errors(piece, changed, truth))


def _edits(left: pl.Series, right: pl.Series, where: np.ndarray, unit: Unit = "word") -> np.ndarray:
    """Edits that lead from left to right, in the rows where there may be some: (N,) i64."""
    counts = np.zeros(len(left), np.int64)
    rows = pl.Series(where)
    counts[where] = edits(left.filter(rows).to_list(), right.filter(rows).to_list(), unit)
    return counts


def _true_errors(piece: pl.DataFrame, changed: np.ndarray, truth: Truth | None) -> Mapping[str, pl.Series]:
    """The errors of both labels against the truth, 0 in rows that it does not know."""
    none = np.zeros(len(piece), np.int64)
    if truth is None:
        return {name: pl.Series(none) for name in ("known", "true_words", "old_errors", "new_errors")}
    true = piece.join(truth.rows.select("id", true="label"), on="id", how="left", maintain_order="left")["true"]
    known, reference = true.is_not_null().to_numpy(), true.fill_null("")
    before = _edits(reference, piece["old"], known)
    after = np.where(changed, _edits(reference, piece["new"], known & changed), before)
    words = reference.str.count_matches(r"\S+").cast(pl.Int64)
    return {
        "known": pl.Series(known.astype(np.int64)),
        "true_words": words,
        "old_errors": pl.Series(before),
        "new_errors": pl.Series(after),
    }


def _counted(piece: pl.DataFrame) -> pl.DataFrame:
    """How often each word occurs in the old and in the new labels of a piece."""
    found = []
    for side, other in (("old", "new"), ("new", "old")):
        words = piece[side].str.extract_all(r"\S+").explode(empty_as_null=False).alias("word")
        counts = words.value_counts(name=side).with_columns(pl.col(side).cast(pl.Int64), pl.lit(0).alias(other))
        found.append(counts.select("word", pl.col("old", "new").cast(pl.Int64)))
    return pl.concat(found)


def _merged(tables: list[pl.DataFrame], by: list[str]) -> pl.DataFrame:
    return pl.concat(tables).group_by(by).sum()
