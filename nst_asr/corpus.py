"""What a run learns from: labeled, unlabeled and dev examples, and the guard against leakage between them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from nst_asr.terms import Terms

_IDENTITY = ("id", "size", "group", "label")
_PIECE = 250_000  # rows turned into text at once
_REQUIRED = {"id": pl.String, "size": pl.Float32, "group": pl.String}


class CorpusError(ValueError):
    """Data that cannot be used; the message names the id, the value and the way out."""


@dataclass(frozen=True)
class _Examples:
    """Rows with a name for messages."""

    rows: pl.DataFrame
    name: str = "examples"

    @property
    def hours(self) -> float:
        """Total size in units of 3,600: hours of audio."""
        return float(self.rows["size"].cast(pl.Float64).sum()) / 3600

    @cached_property
    def fingerprint(self) -> str:
        """A digest of ids, sizes, groups and labels in order; where the inputs lie may change."""
        return fingerprint(self.rows.select(column for column in _IDENTITY if column in self.rows.columns))


@dataclass(frozen=True)
class Unlabeled(_Examples):
    """Examples without labels: there is no column in which a known truth could hide.

    rows: id (str, unique), size (f32, seconds of audio or 1 for an image), group (str or null: the speaker), and the
    task's own columns that say where the input lies.
    """

    name: str = "unlabeled"

    def __post_init__(self) -> None:
        _check(self.rows, self.name, _REQUIRED)
        if "label" in self.rows.columns:
            raise CorpusError(f"{self.name}: an unlabeled table must not have a `label` column; drop it")


@dataclass(frozen=True)
class Labeled(_Examples):
    """Examples with labels. rows: as `Unlabeled`, and label (str: transcript or class name)."""

    name: str = "labeled"

    def __post_init__(self) -> None:
        _check(self.rows, self.name, _REQUIRED | {"label": pl.String})
        if self.rows["label"].null_count():
            blank = self.rows.filter(pl.col("label").is_null())["id"][0]
            raise CorpusError(f"{self.name}: {blank} has no label; give it one or leave it out")

    def without_labels(self) -> Unlabeled:
        """The same examples as a labeler may see them."""
        return Unlabeled(self.rows.drop("label"), self.name)


@dataclass(frozen=True)
class Block:
    """A fixed piece of a pool: the unit of labeling."""

    index: int
    rows: pl.DataFrame


@dataclass(frozen=True)
class Corpus:
    """All that the loop may see. There is no test set in it, and the pool has no truth."""

    labeled: Labeled
    unlabeled: Unlabeled
    dev: Labeled


@dataclass(frozen=True)
class Truth:
    """The known labels of a simulated pool, for the oracle and the report only: id -> label, for some or all ids."""

    rows: pl.DataFrame

    def __post_init__(self) -> None:
        _check(self.rows, "truth", {"id": pl.String, "label": pl.String})

    @cached_property
    def fingerprint(self) -> str:
        """A digest of ids and labels in order."""
        return fingerprint(self.rows.select("id", "label"))


def guard(
    corpus: Corpus,
    test: Labeled | None = None,
    *,
    allow_overlap: bool = False,
    also: Sequence[str] = (),
    terms: Terms | None = None,
) -> list[str]:
    """Warnings about leakage between the sets. Raises CorpusError where there is any, unless `allow_overlap`.

    No id may occur in two sets, whatever is allowed. No group (speaker) of the training data, labeled or unlabeled,
    may occur in dev or test: a student that has heard the test speakers, even without their transcripts, is measured
    too well. Where groups are to be expected and not known the guard says that it cannot see. `also` is what a task
    found besides; `terms` are its words.
    """
    terms = terms or Terms()
    held_out = [corpus.dev, *([test] if test else [])]
    sets: list[Labeled | Unlabeled] = [corpus.labeled, corpus.unlabeled, *held_out]
    for place, first in enumerate(sets):
        for second in sets[place + 1 :]:
            _refuse_shared_ids(first, second)
    found = [*also] + [
        warning
        for seen in (corpus.labeled, corpus.unlabeled)
        for held in held_out
        if (warning := _shared_groups(seen, held, terms.group))
    ]
    if found and not allow_overlap:
        raise CorpusError(
            "\n".join(found) + "\nLeave these out of the training data; or accept, with --allow-overlap, "
            "that error rates will look better than they are."
        )
    return found + [
        f"the {terms.group}s of {part.name} are not all known: whether they occur in other sets cannot be seen"
        for part in sets
        if terms.groups_expected and part.rows["group"].null_count()
    ]


def fingerprint(rows: pl.DataFrame) -> str:
    """A digest of a table's rows in order, independent of library versions."""
    digest = hashlib.blake2b(digest_size=12)
    lists = pl.selectors.list()
    for start in range(0, max(len(rows), 1), _PIECE):
        # piece by piece: as text a table is many times as large
        piece = rows.slice(start, _PIECE)
        flat = piece.with_columns(lists.cast(pl.List(pl.Float32)).cast(pl.List(pl.String)).list.join(" "))
        digest.update(flat.write_csv(include_header=start == 0).encode())
    return digest.hexdigest()


def _check(rows: pl.DataFrame, name: str, required: dict[str, type[pl.DataType]]) -> None:
    for column, kind in required.items():
        if column not in rows.columns:
            raise CorpusError(f"{name}: the table has no column `{column}` (it has {', '.join(rows.columns)})")
        if rows.schema[column] != kind:
            raise CorpusError(f"{name}: column `{column}` is {rows.schema[column]}, expected {kind.__name__}")
    if rows.is_empty():
        raise CorpusError(f"{name}: no examples; check the manifest it was read from")
    doubled = rows.filter(pl.col("id").is_duplicated())
    if len(doubled):
        raise CorpusError(f"{name}: the id {doubled['id'][0]} occurs more than once; make ids unique")
    if "size" in required:
        bad = rows.filter(~((pl.col("size") > 0) & pl.col("size").is_finite()).fill_null(False))
        if len(bad):
            raise CorpusError(f"{name}: {bad['id'][0]} has size {bad['size'][0]}; sizes are positive numbers")


def _refuse_shared_ids(first: Labeled | Unlabeled, second: Labeled | Unlabeled) -> None:
    both = first.rows.join(second.rows, on="id", how="semi")
    if len(both):
        raise CorpusError(
            f"the id {both['id'][0]} is both in {first.name} and in {second.name} ({len(both)} such ids); "
            "remove it from one of them"
        )


def _shared_groups(seen: Labeled | Unlabeled, held: Labeled | Unlabeled, group: str) -> str | None:
    shared = sorted(set(seen.rows["group"].drop_nulls()) & set(held.rows["group"].drop_nulls()))
    if not shared:
        return None
    names = ", ".join(shared[:5]) + (", ..." if len(shared) > 5 else "")
    return f"{len(shared)} {group}s of {seen.name} also occur in {held.name}: {names}"
