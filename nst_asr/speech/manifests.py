"""Manifests as rows: from lhotse, from a folder of audio with or without a TSV, and as a table of our own.

Rows say where an utterance lies: id (str), size (f32, seconds; null where the manifest does not say), group (str or
null: the speaker), path (str), start (f64, seconds), and for labeled speech label (str: the transcript).
`read_manifest` reads any kind, and asks the audio files for the sizes that are null; nothing else here opens audio.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from nst_asr.speech.audio import SUFFIXES, measured
from nst_asr.store import write_table, written_aside

SCHEMA: dict[str, pl.DataType] = {
    "id": pl.String(),
    "size": pl.Float32(),
    "group": pl.String(),
    "path": pl.String(),
    "start": pl.Float64(),
    "label": pl.String(),
}
_CHUNK = 100_000  # rows held as Python objects at a time
_COLUMNS = ("id", "path", "text", "speaker", "seconds")

Row = tuple[str, float | None, str | None, str, float, str | None]


class ManifestError(ValueError):
    """A manifest that cannot be used; the message names the file, the entry and the way out."""


def read_manifest(path: Path, *, labeled: bool) -> pl.DataFrame:
    """The rows of a manifest of any kind, sizes filled in; with labels, or without where they are not wanted.

    A folder: every audio file below it. A .tsv: `read_rows`'s columns, or `from_folder`'s with paths relative to the
    folder that the TSV is in. A .parquet: `read_rows`'s. A .jsonl or .jsonl.gz: lhotse's; beside a file with
    `recordings` in its name, one with `supervisions` in that place is its pair. Raises ManifestError.
    """
    rows = _read_any(path)
    if not labeled:
        return measured(rows.drop("label", strict=False))
    if "label" not in rows.columns:
        raise ManifestError(f"{path}: a labeled manifest is wanted, but there is no text in it")
    return measured(_spoken(path, rows))


def read_truth(path: Path) -> pl.DataFrame:
    """The known labels of a pool: id and label, from a TSV whose first line names the columns id and text."""
    rows = [(row["id"], row["text"]) for _, row in _tsv_lines(path, ("id", "text"), (*_COLUMNS, "size"))]
    if not rows:
        raise ManifestError(f"{path}: no line but the first")
    return pl.DataFrame(rows, schema={"id": pl.String, "label": pl.String}, orient="row")


def from_lhotse(path: Path, supervisions: Path | None = None) -> pl.DataFrame:
    """The rows of a lhotse manifest, jsonl or jsonl.gz: a cut set, recordings, or recordings with `supervisions`.

    One row for each cut, recording or supervision; with a label column where there is text. Read as a stream. Raises
    ManifestError for what a row cannot say: mixed or padded cuts, cuts with several supervisions, recordings that
    are no single file or that were altered (speed, volume), one channel out of several.
    """
    if supervisions is None:
        return _table(path, (_row(path, item) for item in _items(path)))
    recordings = {recording.id: recording for recording in _items(path)}
    return _table(supervisions, (_supervised(supervisions, recordings, item) for item in _items(supervisions)))


def from_folder(folder: Path, tsv: Path | None = None) -> pl.DataFrame:
    """The rows of a folder of audio files, sizes null where no TSV says them.

    With a TSV, in its order: UTF-8, the first line naming the columns id and path, and text, speaker and seconds where
    known, in any order; paths are relative to the folder. Without one, every wav, flac, ogg and opus file below the
    folder, in the order of names: its id is the relative path without suffix. Raises ManifestError naming the line.
    """
    if not folder.is_dir():
        raise ManifestError(f"{folder}: no such folder")
    if tsv is not None:
        return _table(tsv, _tsv_rows(folder.absolute(), tsv))
    paths = sorted(path for path in folder.absolute().rglob("*") if path.suffix.lower() in SUFFIXES)
    names = (path.relative_to(folder.absolute()).with_suffix("").as_posix() for path in paths)
    return _table(folder, ((name, None, None, str(path), 0.0, None) for name, path in zip(names, paths, strict=True)))


def write_rows(path: Path, rows: pl.DataFrame) -> None:
    """Write rows as Parquet, or as TSV where the name ends in .tsv; whole or not at all."""
    if path.suffix != ".tsv":
        write_table(path, rows)
        return
    for column in (name for name, kind in rows.schema.items() if kind == pl.String):
        torn = rows.filter(pl.col(column).str.contains(r"[\t\r\n]"))
        if len(torn):
            raise ManifestError(
                f"{torn['id'][0]}: a tab or line end in its {column} has no place in a TSV; use .parquet"
            )
    with written_aside(path) as part:
        rows.write_csv(part, separator="\t", quote_style="never", null_value="")


def read_rows(path: Path) -> pl.DataFrame:
    """The rows that `write_rows` wrote, or that another program did in the same columns."""
    if not path.is_file():
        raise ManifestError(f"{path}: no such manifest")
    try:
        if path.suffix == ".tsv":
            rows = pl.read_csv(path, separator="\t", quote_char=None, schema_overrides=SCHEMA, null_values=[""])
        else:
            rows = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise ManifestError(f"{path}: not a manifest that can be read: {error}") from None
    absent = [name for name in SCHEMA if name not in rows.columns and name != "label"]
    if absent:
        raise ManifestError(f"{path}: no column {', '.join(absent)} (it has {', '.join(rows.columns)})")
    if rows.is_empty():
        raise ManifestError(f"{path}: an empty manifest")
    return rows.cast({name: kind for name, kind in SCHEMA.items() if name in rows.columns})


def _read_any(path: Path) -> pl.DataFrame:
    if not path.exists():
        raise ManifestError(f"{path}: no such manifest")
    if path.is_dir():
        return from_folder(path)
    if path.suffix == ".tsv":
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            ours = {"size", "start"} <= set(file.readline().split())
        return read_rows(path) if ours else from_folder(path.parent, path)
    if path.suffix == ".parquet":
        return read_rows(path)
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        pair = path.with_name(path.name.replace("recordings", "supervisions"))
        return from_lhotse(path, pair if pair != path and pair.exists() else None)
    raise ManifestError(f"{path}: no kind of manifest; give a folder, or a .tsv, .parquet, .jsonl or .jsonl.gz file")


def _table(source: Path, rows: Iterable[Row]) -> pl.DataFrame:
    """Rows as a table, without the label column where there are no labels."""
    stream, parts = iter(rows), []
    while chunk := list(islice(stream, _CHUNK)):
        parts.append(pl.DataFrame(chunk, schema=SCHEMA, orient="row"))
    if not parts:
        raise ManifestError(f"{source}: an empty manifest: no utterance in it")
    table = pl.concat(parts)
    if table["label"].null_count() == len(table):
        return table.drop("label")
    return table


def _spoken(source: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """Labeled rows; ManifestError where a text is missing or empty."""
    silent = rows.filter(pl.col("label").is_null() | (pl.col("label").str.strip_chars() == ""))
    if len(silent):
        raise ManifestError(
            f"{source}: {silent['id'][0]} has no text ({len(silent)} of {len(rows)} have none); give it one or take "
            "it out of the labeled set"
        )
    return rows


def _tsv_rows(folder: Path, tsv: Path) -> Iterator[Row]:
    for number, row in _tsv_lines(tsv, ("id", "path"), _COLUMNS):
        if not row["id"] or not row["path"]:
            raise ManifestError(f"{tsv}, line {number}: id or path is empty")
        size = _seconds(tsv, number, row.get("seconds", ""))
        yield row["id"], size, row.get("speaker") or None, str(folder / row["path"]), 0.0, row.get("text") or None


def _seconds(tsv: Path, line: int, text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        raise ManifestError(f"{tsv}, line {line}: seconds is {text!r}, expected a number or nothing") from None


def _tsv_lines(tsv: Path, needed: Sequence[str], known: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Number and cells of each line of a TSV but the first, which names the columns."""
    if not tsv.is_file():
        raise ManifestError(f"{tsv}: no such manifest")
    try:
        # universal newlines: Windows line ends have become \n; a BOM is dropped
        lines = tsv.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{tsv}: not UTF-8 text ({error})") from None
    names = [name.strip() for name in lines[0].split("\t")]
    if not set(needed) <= set(names) <= set(known) or len(set(names)) < len(names):
        raise ManifestError(
            f"{tsv}: the first line is {lines[0]!r}; with tabs between, it must name the columns "
            f"{' and '.join(needed)}, and may name {', '.join(name for name in known if name not in needed)}"
        )
    for number, line in enumerate(lines[1:], start=2):
        cells = [cell.strip() for cell in line.split("\t")]
        if cells == [""]:
            continue
        if len(cells) != len(names):
            raise ManifestError(f"{tsv}, line {number}: {len(cells)} cells where the first line has {len(names)}")
        yield number, dict(zip(names, cells, strict=True))


def _items(path: Path) -> Iterator[Any]:
    """The entries of a lhotse manifest, one by one."""
    # importing lhotse takes a second or two, and only those who have such manifests need it
    from lhotse.serialization import load_manifest_lazy

    if not path.is_file():
        raise ManifestError(f"{path}: no such manifest")
    try:
        yield from load_manifest_lazy(path) or ()
    except (ValueError, KeyError, TypeError, AssertionError, EOFError, OSError) as error:
        raise ManifestError(
            f"{path}: not a lhotse manifest that can be read ({type(error).__name__}: {error})"
        ) from None


def _row(source: Path, item: Any) -> Row:
    """The row of a cut, or of a recording that nobody has transcribed."""
    kind = type(item).__name__
    if kind == "Recording":
        return item.id, item.duration, None, _file(source, item.id, item, None), 0.0, None
    if kind not in ("MonoCut", "MultiCut"):
        way_out = "give the recordings as well" if kind == "SupervisionSegment" else "save it as plain cuts of one file"
        raise ManifestError(f"{source}: {item.id} is a {kind}, which is no stretch of one file; {way_out}")
    if item.recording is None:
        raise ManifestError(f"{source}: {item.id} has no recording; features alone are not enough")
    if len(item.supervisions) > 1:
        raise ManifestError(
            f"{source}: {item.id} has {len(item.supervisions)} supervisions; use trim_to_supervisions()"
        )
    said = item.supervisions[0] if item.supervisions else None
    if said is not None and (abs(said.start) > 0.02 or abs(said.duration - item.duration) > 0.02):
        raise ManifestError(f"{source}: the supervision of {item.id} is another stretch; use trim_to_supervisions()")
    place = _file(source, item.id, item.recording, item.channel)
    return item.id, item.duration, said and said.speaker, place, item.start, said and said.text


def _supervised(source: Path, recordings: dict[str, Any], said: Any) -> Row:
    """The row of a stretch of a recording."""
    if type(said).__name__ != "SupervisionSegment":
        raise ManifestError(f"{source}: {said.id} is a {type(said).__name__}, expected supervisions")
    recording = recordings.get(said.recording_id)
    if recording is None:
        raise ManifestError(f"{source}: {said.id} belongs to the recording {said.recording_id}, which is not there")
    place = _file(source, said.id, recording, said.channel)
    return said.id, said.duration, said.speaker, place, said.start, said.text


def _file(source: Path, name: str, recording: Any, channel: int | list[int] | None) -> str:
    """The only file of a recording, all of whose channels are heard."""
    sources = recording.sources
    if len(sources) != 1 or sources[0].type != "file":
        kinds = ", ".join(part.type for part in sources)
        raise ManifestError(f"{source}: {name} lies in {len(sources)} sources ({kinds}); one file is needed")
    if recording.transforms:
        raise ManifestError(f"{source}: {name} was altered after recording; save the audio and make a new manifest")
    wanted = [channel] if isinstance(channel, int) else channel
    if wanted is not None and sorted(wanted) != sorted(sources[0].channels):
        raise ManifestError(
            f"{source}: {name} is channel {channel} of {len(sources[0].channels)}; write channels to files of their own"
        )
    return str(sources[0].source)
