"""Recall and precision of each class, and which classes are taken for which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from nst_asr.accuracy.guesses import AccuracyError
from nst_asr.rows import refuse_torn
from nst_asr.store import write_table, written_aside


def by_class(pairs: pl.DataFrame) -> pl.DataFrame:
    """class, images, guesses, right, recall, precision; a share is null where there is nothing to share.

    pairs: id, label, heard. Rows: every class of either side, by name.
    """
    right = pl.col("label") == pl.col("heard")
    seen = pairs.group_by(pl.col("label").alias("class")).agg(images=pl.len(), right=right.sum())
    guessed = pairs.group_by(pl.col("heard").alias("class")).agg(guesses=pl.len())
    counts = seen.join(guessed, on="class", how="full", coalesce=True).sort("class")
    counts = counts.with_columns(pl.col("images", "guesses", "right").fill_null(0).cast(pl.Int64))
    shares = {
        name: pl.when(pl.col(whole) > 0).then(pl.col("right") / pl.col(whole))
        for name, whole in (("recall", "images"), ("precision", "guesses"))
    }
    return counts.select("class", "images", "guesses", "right").with_columns(**shares)


def cells(pairs: pl.DataFrame) -> pl.DataFrame:
    """label, heard, times: the cells of the confusion matrix that are not 0, right ones too, by name."""
    counted = pairs.group_by("label", "heard").agg(times=pl.len().cast(pl.Int64))
    return counted.sort("label", "heard")


def confusions(pairs: pl.DataFrame, most: int = 10) -> pl.DataFrame:
    """label, heard, times: the pairs that are most often mistaken, the most frequent first, then by name."""
    wrong = cells(pairs).filter(pl.col("label") != pl.col("heard"))
    return wrong.sort(["times", "label", "heard"], descending=[True, False, False]).head(most)


def matrix(pairs: pl.DataFrame) -> pl.DataFrame:
    """The confusion matrix: a row for each true class (column `class`), a column for each guess, by name."""
    names, counted = _numbered(pairs)
    places = counted["label"] * len(names) + counted["heard"]
    times = pl.zeros(len(names) ** 2, pl.Int64, eager=True).scatter(places, counted["times"])
    columns = times.to_numpy().reshape(len(names), len(names)).T
    return pl.DataFrame([names, *(pl.Series(name, one) for name, one in zip(_titles(names), columns, strict=True))])


def matrix_json(pairs: pl.DataFrame) -> dict[str, Any]:
    """The cells that are not 0 as plain values: the names, and for each cell two places among them, and the number."""
    names, counted = _numbered(pairs)
    return {"classes": names.to_list(), **counted.to_dict(as_series=False)}


def _numbered(pairs: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    """The names of all classes, and the cells with places among them for label and heard."""
    names = pl.concat([pairs["label"], pairs["heard"]]).unique().sort().alias("class")
    places = pl.int_range(len(names), eager=True)
    return names, cells(pairs).with_columns(pl.col("label", "heard").replace_strict(names, places))


def write_matrix(path: Path, pairs: pl.DataFrame) -> None:
    """The confusion matrix as .tsv, or its cells that are not 0 (label, heard, times) as .parquet.

    Raises AccuracyError for another ending, ManifestError for a class name that a .tsv cannot hold.
    """
    if path.suffix == ".parquet":
        write_table(path, cells(pairs))
        return
    if path.suffix != ".tsv":
        raise AccuracyError(f"{path}: a confusion matrix is written as .tsv or .parquet; name one so")
    refuse_torn(pairs)
    with written_aside(path) as part:
        matrix(pairs).write_csv(part, separator="\t", quote_style="never")


def _titles(names: pl.Series) -> list[str]:
    """The columns of the matrix; a class that is called `class` keeps apart from the column of that name."""
    return ["class (guessed)" if name == "class" else name for name in names.to_list()]
