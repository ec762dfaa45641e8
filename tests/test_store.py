"""Results as files: whole or not at all, made once."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from nst_asr import store
from nst_asr.store import StoreError


def test_a_step_is_made_once(tmp_path: Path) -> None:
    made = []

    def make(part: Path) -> None:
        made.append(part)
        part.write_text("x")

    for _ in range(3):
        assert store.once(tmp_path / "a" / "result", make).read_text() == "x"
    assert len(made) == 1
    assert os.listdir(tmp_path / "a") == ["result"]


def test_a_step_that_fails_leaves_no_file(tmp_path: Path) -> None:
    def fail(part: Path) -> None:
        part.write_text("half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.once(tmp_path / "result", fail)
    assert os.listdir(tmp_path) == []


def test_an_unfinished_folder_is_found_again(tmp_path: Path) -> None:
    def crash(part: Path) -> None:
        part.mkdir(exist_ok=True)
        (part / "checkpoint").write_text("1")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.once(tmp_path / "model", crash)
    assert not (tmp_path / "model").exists()
    seen = []
    store.once(tmp_path / "model", lambda part: seen.append((part / "checkpoint").read_text()))
    assert seen == ["1"]
    assert (tmp_path / "model" / "checkpoint").exists()


def test_tables_keep_their_header(tmp_path: Path) -> None:
    table = pl.DataFrame({"a": [1, 2]})
    store.write_table(tmp_path / "t.parquet", table, {"labeler": "abc"})
    assert pl.read_parquet_metadata(tmp_path / "t.parquet")["labeler"] == "abc"
    assert pl.read_parquet(tmp_path / "t.parquet").equals(table)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(StoreError, match=r"bad\.json: damaged"):
        store.read_json(tmp_path / "bad.json")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(StoreError, match=r"bad\.parquet: damaged"):
        store.read_table(tmp_path / "bad.parquet")


def test_a_full_disk_is_said_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    def full(part: Path) -> None:
        part.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreError, match="the disk is full"):
        store.once(tmp_path / "result", full)
    assert os.listdir(tmp_path) == []


def test_a_real_write_beyond_the_limit_is_said_too(tmp_path: Path) -> None:
    """The kernel itself refuses the write: a process that may write no file above 4 kB."""
    program = (
        "import resource, signal, sys; from pathlib import Path; from nst_asr import store\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "store.write_text(Path(sys.argv[1]), 'x' * 100_000)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "big")], capture_output=True, text=True)
    assert done.returncode == 1
    assert "the disk is full" in done.stderr
    assert os.listdir(tmp_path) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 4096
