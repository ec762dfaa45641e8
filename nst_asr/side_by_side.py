"""Label tables read in pieces, one alone or two of the same pool side by side, so that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from nst_asr.labels import scan_parts
from nst_asr.store import StoreError

_PIECE = 50_000  # rows in memory at once; more where one part alone has more


def pieces(parts: Sequence[Path], columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The rows of a label table in the pool's order, as many whole parts at a time as hold about 50,000 rows.

    Raises StoreError for a part that is damaged or missing.
    """
    step = max(1, _PIECE // max(_rows(parts[0]), 1)) if parts else 1
    for start in range(0, len(parts), step):
        with readable(parts[start].parent):
            table = scan_parts(list(parts[start : start + step])).select(columns).collect()
        yield table


def side_by_side(old: Sequence[Path], new: Sequence[Path]) -> Iterator[pl.DataFrame]:
    """Two label tables of one pool, row for row: id, size, old and new label ("" where there is none).

    Raises StoreError where the two are not of the same examples in the same order.
    """
    if len(old) != len(new):
        raise StoreError(
            f"{new[0].parent if new else old[0].parent}: {len(new)} parts, where the other generation has {len(old)}; "
            "the labels of one are not finished, or were made with another pool"
        )
    for before, after in zip(pieces(old, ["id", "size", "label"]), pieces(new, ["id", "label"]), strict=True):
        if not before["id"].equals(after["id"]):
            raise StoreError(f"{new[0].parent}: not the same examples in the same order as in {old[0].parent}")
        yield before.select(
            "id", "size", old=pl.col("label").fill_null(""), new=after["label"].fill_null("").alias("new")
        )


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what Polars says of a damaged or missing file into a StoreError that names the place."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        why = f"{_at_fault(path)}{error}"
        raise StoreError(
            f"{path}: damaged ({why}); move away what is damaged and give the command that made it again"
        ) from None


def _at_fault(path: Path) -> str:
    """The first table below a folder whose end is damaged, and a colon; nothing where there is none."""
    for part in sorted(path.rglob("*.parquet")) if path.is_dir() else ():
        try:
            pl.read_parquet_schema(part)
        except (pl.exceptions.PolarsError, OSError):
            return f"{part.relative_to(path)}: "
    return ""


def _rows(part: Path) -> int:
    with readable(part):
        return int(pl.scan_parquet(part).select(pl.len()).collect().item())
