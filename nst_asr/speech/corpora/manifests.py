"""Manifests of any kind as rows: our own, lhotse's, a folder of audio with or without a TSV.

`read_manifest` reads any of them, and asks the audio files for the sizes that are null; nothing else here opens audio.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from nst_asr.lines import ManifestError, numbered_lines
from nst_asr.rows import read_truth, write_rows
from nst_asr.speech.audio import measured
from nst_asr.speech.corpora.folder import audio_below, listed
from nst_asr.speech.corpora.lhotse_manifests import lhotse, supervisions_beside
from nst_asr.speech.corpora.rows import SCHEMA, Row, read_rows, table
from nst_asr.speech.corpora.utterance import Utterance

__all__ = [
    "SCHEMA",
    "ManifestError",
    "Row",
    "from_folder",
    "from_lhotse",
    "read_manifest",
    "read_rows",
    "read_truth",
    "write_rows",
]


def read_manifest(path: Path, *, labeled: bool, measure: bool = True) -> pl.DataFrame:
    """The rows of a manifest of any kind, sizes filled in; with labels, or without where they are not wanted.

    A folder: every audio file below it. A .tsv: `read_rows`'s columns, or `from_folder`'s with paths relative to the
    folder that the TSV is in. A .parquet: `read_rows`'s. A .jsonl or .jsonl.gz: lhotse's; beside a file with
    `recordings` in its name, one with `supervisions` in that place is its pair. measure: without it no audio file is
    opened, and sizes that the manifest does not say stay null. Raises ManifestError.
    """
    rows = _read_any(path)
    if not labeled:
        bare = rows.drop("label", strict=False)
        return measured(bare) if measure else bare
    if "label" not in rows.columns:
        raise ManifestError(f"{path}: a labeled manifest is wanted, but there is no text in it")
    spoken = _spoken(path, rows)
    return measured(spoken) if measure else spoken


def from_lhotse(path: Path, supervisions: Path | None = None) -> pl.DataFrame:
    """The rows of a lhotse manifest, as `lhotse` reads it; with a label column where there is text."""
    return table(supervisions or path, (found.as_row() for found in lhotse(path, supervisions)))


def from_folder(folder: Path, tsv: Path | None = None) -> pl.DataFrame:
    """The rows of a folder of audio files, sizes null where no TSV says them.

    With a TSV, in its order, as `listed` reads it; paths are relative to the folder. Without one, every audio file
    below the folder, in the order of names: its id is the relative path without suffix. Raises ManifestError naming
    the line.
    """
    if not folder.is_dir():
        raise ManifestError(f"{folder}: no such folder")
    found = audio_below(folder, texts=False) if tsv is None else listed(tsv, folder)
    return table(tsv or folder, (each.as_row() for each in found if isinstance(each, Utterance)))


def _read_any(path: Path) -> pl.DataFrame:
    if not path.exists():
        raise ManifestError(f"{path}: no such manifest")
    if path.is_dir():
        return from_folder(path)
    if path.suffix == ".tsv":
        return read_rows(path) if _is_ours(path) else from_folder(path.parent, path)
    if path.suffix == ".parquet":
        return read_rows(path)
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        return from_lhotse(path, supervisions_beside(path))
    raise ManifestError(f"{path}: no kind of manifest; give a folder, or a .tsv, .parquet, .jsonl or .jsonl.gz file")


def _is_ours(tsv: Path) -> bool:
    """Whether the first line names the columns that `write_rows` writes."""
    _, first = next(numbered_lines(tsv), (1, ""))
    return {"size", "start"} <= set(first.split())


def _spoken(source: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """Labeled rows; ManifestError where a text is missing or empty."""
    silent = rows.filter(pl.col("label").is_null() | (pl.col("label").str.strip_chars() == ""))
    if len(silent):
        raise ManifestError(
            f"{source}: {silent['id'][0]} has no text ({len(silent)} of {len(rows)} have none); give it one or take "
            "it out of the labeled set"
        )
    return rows
