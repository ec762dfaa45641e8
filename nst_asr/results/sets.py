"""The sets that a run was given, as far as its folder, or the manifests that it names, still know them."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from nst_asr.side_by_side import readable
from nst_asr.store import read_json

_NAMES = {"speaker": "group", "text": "label"}  # what a manifest in TSV may call the columns
_TABLES = (".tsv", ".parquet")


def column_of(run: Path, name: str, column: str) -> tuple[pl.DataFrame | None, str | None]:
    """The ids of the set `name` with its column `group` or `label` (null where unknown); or None, and the reason.

    `size` is there too where the run folder has it. The folder has these columns since version 0.1.0 of November
    2026; for older ones they are read from the manifest that the run was given, if that is a table and still there.
    """
    path = run / "corpus" / f"{name}.parquet"
    if path.exists():
        with readable(path):
            kept = pl.read_parquet(path)
        if column in kept.columns:
            return kept.select(c for c in ("id", "size", column) if c in kept.columns), None
    found, why = _from_manifest(run, name, column)
    if found is not None and path.exists():
        found = kept.select(c for c in ("id", "size") if c in kept.columns).join(found, on="id", how="left")
    return found, why


def _from_manifest(run: Path, name: str, column: str) -> tuple[pl.DataFrame | None, str | None]:
    noted = run / "given.json"
    place = read_json(noted)["manifests"].get(name) if noted.exists() else None
    if place is None:
        return None, f"the run folder does not say what the {column}s of {name} are, nor where its manifest lies"
    manifest = Path(place)
    if manifest.suffix not in _TABLES or not manifest.is_file():
        return None, f"the {column}s of {name} stand in {manifest.name} alone, which is no longer there, or no table"
    try:
        lazy = _scanned(manifest)
        renamed = lazy.rename({old: new for old, new in _NAMES.items() if old in lazy.collect_schema().names()})
        return renamed.select("id", column).cast(pl.String).collect(), None
    except pl.exceptions.PolarsError:
        return None, f"{manifest.name} has no ids with {column}s"


def _scanned(manifest: Path) -> pl.LazyFrame:
    if manifest.suffix == ".parquet":
        return pl.scan_parquet(manifest)
    return pl.scan_csv(manifest, separator="\t", quote_char=None, infer_schema=False, null_values=[""])
