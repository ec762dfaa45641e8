"""The events in TensorBoard's files, also in those that are still being written."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_HEAD, _CHECK = 12, 4  # bytes of a record: its length and the checksum of that; another checksum follows the record
_LONGEST = 64 << 20  # bytes; what says that it is longer is no record
_PIECE = 1 << 20  # bytes read at once


def event_files(folder: Path) -> list[Path]:
    """The files in a TensorBoard folder, in the order in which they were begun; names tell whole seconds only."""
    return sorted(folder.glob("events.out.tfevents.*"), key=lambda path: (_begun(path), path.name))


def _begun(path: Path) -> float:
    return next((float(event.wall_time) for event, _ in events(path)), math.inf)


def events(path: Path, start: int = 0) -> Iterator[tuple[Any, int]]:
    """The events of a file from byte `start` on (0, or the end of an event), each with the byte at which it ends.

    Up to the end of the file, to a record that is not whole (yet), or to one that is damaged: what follows damage
    cannot be told from it. Checksums are not compared, which makes TensorBoard's own reader ten times as slow.
    """
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    for record, end in _records(path, start):
        try:
            event = Event.FromString(record)
        except DecodeError:
            return
        yield event, end


def _records(path: Path, start: int) -> Iterator[tuple[bytes, int]]:
    """The records of a file of TensorFlow's format, each with the byte at which it ends."""
    with path.open("rb") as file:
        file.seek(start)
        held, at = b"", 0
        while piece := file.read(_PIECE):
            held, at = held[at:] + piece, 0
            while at + _HEAD <= len(held):
                (length,) = struct.unpack_from("<Q", held, at)
                if length > _LONGEST:
                    return
                end = at + _HEAD + length + _CHECK
                if end > len(held):
                    break
                record, start, at = held[at + _HEAD : end - _CHECK], start + end - at, end
                yield record, start
