"""Results as files: each is made once, written aside and renamed, so that what exists is complete."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl


class StoreError(RuntimeError):
    """A result that cannot be written or read; the message names the file and the way out."""


def once(path: Path, make: Callable[[Path], None]) -> Path:
    """`path`, made by `make` unless it exists.

    `make` gets a place beside `path` (same name, `.part` added) to write a file or a folder to; when it returns, that
    is renamed to `path`. After a crash `make` is called again with the same place: a file left there is removed
    first, a folder is left as it was, so that a long training can go on from its checkpoints.
    """
    if not path.exists():
        with written_aside(path) as part:
            make(part)
    return path


def part_of(path: Path) -> Path:
    """Where `path` is written before it is whole. Raises IsADirectoryError for a path without a name: `.` and `/`."""
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return path.with_name(path.name + ".part")


@contextmanager
def written_aside(path: Path, part: Path | None = None) -> Iterator[Path]:
    """A place to write to, renamed to `path` at the end of the block; a half-written file is removed.

    part: this place, in the same folder, where several processes may write `path` at once; else `part_of(path)`.
    """
    part = part or part_of(path)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not part.is_dir():
            part.unlink(missing_ok=True)
        try:
            yield part
            _sync(part)
            os.replace(part, path)
            _sync(path.parent)
        except BaseException:
            if part.is_file():
                part.unlink()
            raise


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the errors of a full disk, in whatever dress a library gives them, into a StoreError that says so."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        if not _is_full(error):
            raise
        free = shutil.disk_usage(path.parent).free / 2**20
        raise StoreError(
            f"{path}: the disk is full ({free:.0f} MiB free). Nothing half-written was left and everything finished "
            "is kept: free some space and give the same command again."
        ) from error


def write_text(path: Path, text: str) -> None:
    """`text` in `path`, whole or not at all."""
    with written_aside(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """`content` as readable JSON in `path`, whole or not at all; NaN and infinities are refused."""
    write_text(path, json_text(content))


def json_text(content: Any) -> str:
    """`content` as readable JSON; NaN and infinities are refused."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_json(path: Path) -> Any:
    """The content of a JSON file; StoreError names a damaged one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: damaged ({error}); move it away and give the same command again") from None


def write_table(path: Path, table: pl.DataFrame, header: dict[str, str] | None = None) -> None:
    """`table` as Parquet in `path`, whole or not at all, with `header` among the file's own key-value metadata."""
    with written_aside(path) as part:
        table.write_parquet(part, compression="zstd", metadata=header or {})


def read_table(path: Path) -> pl.DataFrame:
    """The table in a Parquet file; StoreError names a damaged one."""
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise StoreError(f"{path}: damaged ({error}); move it away and give the same command again") from None


def file_digest(path: Path) -> str:
    """A digest of a file's bytes, 24 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=12)).hexdigest()


def _sync(path: Path) -> None:
    """Bring a file's bytes, or a folder's entries, to the disk before anything relies on them."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_full(error: BaseException | None) -> bool:
    """Whether a write was refused for want of room; Polars and safetensors keep the number in their text only."""
    while error is not None:
        text = str(error)
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        if any(sign in text for sign in ("No space left", "File too large", "os error 28", "os error 27")):
            return True
        error = error.__cause__ or error.__context__
    return False
