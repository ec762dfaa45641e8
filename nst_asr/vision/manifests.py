"""Manifests of images as rows: our own tables, folders, and WebDataset shards.

Rows say where an image lies: id (str), size (f32, always 1), group (str or null), path (str), and for labeled images
label (str: the class name). A column digest (str: `images.digest`) may be there besides.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from nst_asr import rows
from nst_asr.rows import ManifestError, read_truth, write_rows
from nst_asr.vision.corpora.folder import folder
from nst_asr.vision.corpora.picture import Picture, Reading, fit_to_write
from nst_asr.vision.corpora.shards import shards

__all__ = ["SCHEMA", "ManifestError", "read_manifest", "read_truth", "table", "write_rows"]

SCHEMA: dict[str, pl.DataType] = {
    "id": pl.String(),
    "size": pl.Float32(),
    "group": pl.String(),
    "path": pl.String(),
    "label": pl.String(),
}

Row = tuple[str, float, str | None, str, str | None]


def read_manifest(path: Path, *, labeled: bool) -> pl.DataFrame:
    """The rows of a manifest of any kind; with labels, or without where they are not wanted.

    A .tsv or .parquet: the columns id and path, for labeled images label, and perhaps group and size; paths are
    relative to its folder, or absolute. A folder: WebDataset shards where there are .tar files in it, else images, for
    labeled ones in class folders. A .tar, a pattern or a brace list: shards, as `corpora.shards` reads them. Raises
    ManifestError, also for an image whose class is not known though it is wanted.
    """
    found = _listed(path) if path.suffix in (".tsv", ".parquet") else _read_any(path, labeled)
    if not labeled:
        return found.drop("label", strict=False)
    if "label" not in found.columns:
        raise ManifestError(f"{path}: a labeled manifest is wanted, but there is no label in it")
    return _classed(path, found)


def table(source: Path | str, found: Reading, *, labeled: bool) -> tuple[pl.DataFrame, list[tuple[str, str]]]:
    """Pictures as rows, with a column `held` (str: `Picture.held`), and (id, reason) for each Defect.

    labeled: a picture without a class counts as one. Raises ManifestError where there is no picture.
    """
    bad: list[tuple[str, str]] = []

    def pictures() -> Iterator[tuple[str | float | None, ...]]:
        for each in fit_to_write(found, labeled=labeled):
            if isinstance(each, Picture):
                yield (each.id, 1.0, None, each.path, each.label, each.held)
            else:
                bad.append((each.id, each.reason))

    try:
        return rows.table(source, pictures(), SCHEMA | {"held": pl.String()}, "image"), bad
    except ManifestError as error:
        first = f" that can be used; the first of {len(bad)} that cannot: {bad[0][0]}: {bad[0][1]}" if bad else ""
        raise ManifestError(f"{error}{first}") from None


def _listed(path: Path) -> pl.DataFrame:
    """The rows of our own table, whatever wrote it; paths made absolute, size 1 and no group where they are missing."""
    found = rows.read_rows(path, SCHEMA, optional=("size", "group", "label"))
    place = pl.col("path")
    absent = [pl.lit(None, pl.String).alias("group")] if "group" not in found.columns else []
    empty = found.filter(pl.col("id").is_null() | place.is_null())
    if len(empty):
        raise ManifestError(f"{path}: {len(empty)} rows without id or path")
    base = str(path.parent.absolute())
    absolute = pl.when(place.str.starts_with("/")).then(place).otherwise(pl.lit(f"{base}/") + place).alias("path")
    sized = found.with_columns(absolute, pl.lit(1.0, pl.Float32).alias("size"), *absent)
    ordered = [name for name in (*SCHEMA, "digest") if name in sized.columns]
    return sized.select(ordered)


def _read_any(path: Path, labeled: bool) -> pl.DataFrame:
    if path.is_dir() and next(path.glob("*.tar*"), None) is None:
        found = folder(path, labeled=labeled)
    elif path.is_dir() or ".tar" in path.suffixes:
        found = shards(path, labeled=labeled)
    elif not path.exists():
        raise ManifestError(f"{path}: no such manifest")
    else:
        raise ManifestError(f"{path}: no kind of manifest; give a folder, or a .tsv, .parquet or .tar file")
    known, bad = table(path, found, labeled=labeled)
    if bad:
        raise ManifestError(
            f"{path}: {bad[0][0]}: {bad[0][1]} ({len(bad)} such images); mend it, or have them left out and listed: "
            "nst-asr prepare-images"
        )
    return known.drop("held")


def _classed(source: Path, found: pl.DataFrame) -> pl.DataFrame:
    """Labeled rows; ManifestError where a class is missing, empty or more than one word."""
    blank = found.filter(pl.col("label").is_null() | (pl.col("label").str.strip_chars() == ""))
    if len(blank):
        raise ManifestError(
            f"{source}: {blank['id'][0]} has no label ({len(blank)} of {len(found)} have none); give it one or take it "
            "out of the labeled set"
        )
    torn = found.filter(pl.col("label").str.contains(r"\s"))
    if len(torn):
        raise ManifestError(
            f"{source}: the class of {torn['id'][0]} is {torn['label'][0]!r}; a class is one word, in every manifest "
            "and truth: write underscores for blanks"
        )
    return found
