"""One part of a table: a Parquet file that knows the digest of its own bytes, and is written beside other writers.

Many processes, on many machines, may write the same part at the same time: each writes aside under a name of its own
and renames, and since all of them make the same bytes it does not matter who is last.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import platform
import re
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from nst_asr.store import written_aside

log = logging.getLogger("nst_asr")

_MARK = b"blake2b-128:"
_BLANK = _MARK + b"0" * 32  # stands in the file where its digest goes, while that is computed
_STRAY = re.compile(r".+\.(?P<host>[^.]+)\.(?P<process>\d+)\.[0-9a-f]{32}\.part")
_OLD = 24 * 3600.0  # seconds: what another machine left half-written for so long has no writer any more


def write_part(path: Path, table: pl.DataFrame, header: dict[str, str]) -> None:
    """`table` as Parquet in `path`, whole or not at all, with `header` and the digest of its bytes in its metadata.

    The digest is of the whole file as it would be with zeros in the digest's place, so that footer and pages are both
    covered and no second file is needed.
    """
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd", metadata=header | {"digest": _BLANK.decode()})
    with written_aside(path, _aside(path)) as part:
        part.write_bytes(_sealed(buffer.getvalue()))


@dataclass(frozen=True)
class Found:
    """What is known of a part that is there: its metadata, or what is wrong with it."""

    header: dict[str, str]
    fault: str | None = None


def look(path: Path, *, thorough: bool) -> Found:
    """The part as it is found: whether its footer can be read, and if `thorough` whether its bytes have their digest.

    A file that was cut short anywhere has no footer. A part from before there were digests has none to compare.
    """
    try:
        header = dict(pl.read_parquet_metadata(path))
        content = path.read_bytes() if thorough else b""
    except pl.exceptions.PolarsError as error:
        return Found({}, str(error).splitlines()[0])
    except FileNotFoundError:
        return Found({}, "another process has moved it away")
    if "digest" not in header:
        # damage to the name alone leaves the digest behind
        return Found({}, "it has a digest that its footer does not name") if _MARK in content else Found(header)
    if content and not _has_digest(content, header["digest"].encode()):
        return Found({}, f"its bytes have another digest than the one noted in it, {header['digest']}")
    return Found(header)


def set_aside(path: Path) -> Path:
    """Where a damaged part was moved to, beside its place: PATH.damaged, or PATH.damaged-2 and so on."""
    names = (path.with_name(f"{path.name}.damaged{f'-{n}' if n > 1 else ''}") for n in range(1, 10_000))
    free = next(place for place in names if not place.exists())
    try:
        os.replace(path, free)
    except FileNotFoundError:
        log.info("%s: another process has moved it away already", path)
    return free


def sweep(folder: Path) -> None:
    """Remove what processes that were killed while they wrote a part have left: nobody will ever rename it."""
    for stray in folder.glob("*.part"):
        named = _STRAY.fullmatch(stray.name)
        if named and (_is_over(int(named["process"])) if named["host"] == _host() else _is_old(stray)):
            stray.unlink(missing_ok=True)


def _has_digest(content: bytes, digest: bytes) -> bool:
    place = content.rfind(digest)
    return _sealed(content[:place] + _BLANK + content[place + len(digest) :]) == content


def _sealed(content: bytes) -> bytes:
    """The bytes with their digest in the place that is blank."""
    place = content.rfind(_BLANK)
    digest = hashlib.blake2b(content, digest_size=16).hexdigest().encode()
    return content[:place] + _MARK + digest + content[place + len(_BLANK) :]


def _aside(path: Path) -> Path:
    """A name that no other process takes, which says who writes there."""
    return path.with_name(f"{path.name}.{_host()}.{os.getpid()}.{uuid.uuid4().hex}.part")


def _host() -> str:
    return re.sub(r"[^\w-]", "_", platform.node()) or "unknown"


def _is_over(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _is_old(stray: Path) -> bool:
    try:
        return time.time() - stray.stat().st_mtime > _OLD
    except FileNotFoundError:
        return False
