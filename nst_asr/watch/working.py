"""Whether a process works in a run folder, by the lock that it holds: looked up, never taken."""

from __future__ import annotations

import os
from pathlib import Path

_LOCKS = Path("/proc/locks")  # Linux


def working(run: Path, locks: Path = _LOCKS) -> bool | None:
    """Whether a process of this machine holds the lock of the run folder; None where the system does not tell.

    A run on another machine that shares the folder is not seen. The lock is not tried: a run that began at that moment
    would be refused. Source: proc(5), /proc/locks: number, kind, ..., pid, major:minor:inode.
    """
    if not locks.exists():
        return None
    try:
        found = (run / ".lock").stat()
    except FileNotFoundError:
        return False
    device = (os.major(found.st_dev), os.minor(found.st_dev))
    for line in locks.read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if "->" in fields or len(fields) < 6:
            continue  # a process that waits for the lock
        major, minor, inode = fields[5].split(":")
        # some file systems (overlay, btrfs) have one device here and another there
        same_device = (int(major, 16), int(minor, 16)) == device
        if int(inode) == found.st_ino and (same_device or _has_open(fields[4], run / ".lock")):
            return True
    return False


def _has_open(pid: str, path: Path) -> bool:
    """Whether a process has the file open, as far as one may see that."""
    try:
        return any(link.exists() and link.samefile(path) for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
