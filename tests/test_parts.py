"""Part files: whatever happens to their bytes is noticed, and nothing is thrown away."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from nst_asr.parts import look, set_aside, sweep, write_part

TABLE = pl.DataFrame({"id": [f"utterance-{i}" for i in range(200)], "tokens": [[i, i + 1] for i in range(200)]})


@pytest.fixture
def part(tmp_path: Path) -> Path:
    write_part(tmp_path / "part-00000.parquet", TABLE, {"labeler": "abc"})
    return tmp_path / "part-00000.parquet"


def test_a_part_holds_its_table_its_header_and_the_digest_of_its_bytes(part: Path) -> None:
    assert pl.read_parquet(part).equals(TABLE)
    found = look(part, thorough=True)
    assert found.fault is None
    assert found.header["labeler"] == "abc"
    content, digest = part.read_bytes(), found.header["digest"].removeprefix("blake2b-128:")
    assert content.count(digest.encode()) == 1
    assert hashlib.blake2b(content.replace(digest.encode(), b"0" * 32), digest_size=16).hexdigest() == digest
    assert list(part.parent.iterdir()) == [part]


def test_a_part_cut_short_anywhere_is_noticed_by_its_footer(part: Path) -> None:
    content = part.read_bytes()
    for length in (0, 3, 11, 500, len(content) // 2, len(content) - 1):
        part.write_bytes(content[:length])
        assert look(part, thorough=False).fault


def test_any_changed_byte_is_noticed_by_the_digest(part: Path) -> None:
    content = part.read_bytes()
    for place in range(0, len(content), max(1, len(content) // 60)):
        changed = bytearray(content)
        changed[place] ^= 0x01
        part.write_bytes(changed)
        assert look(part, thorough=True).fault, place
    part.write_bytes(content)
    assert not look(part, thorough=True).fault


def test_a_part_from_before_there_were_digests_is_taken_as_it_is(tmp_path: Path) -> None:
    TABLE.write_parquet(tmp_path / "old.parquet", metadata={"labeler": "abc"})
    assert look(tmp_path / "old.parquet", thorough=True).header["labeler"] == "abc"


def test_a_damaged_part_is_kept_under_another_name(part: Path) -> None:
    content = part.read_bytes()
    assert set_aside(part).name == "part-00000.parquet.damaged"
    part.write_bytes(b"again")
    assert set_aside(part).name == "part-00000.parquet.damaged-2"
    assert part.with_name("part-00000.parquet.damaged").read_bytes() == content
    assert not part.exists()
    set_aside(part)  # another process was faster


def test_only_what_the_dead_left_half_written_is_swept_away(part: Path) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    token, host = "0" * 32, os.uname().nodename.replace(".", "_")
    dead, alive, elsewhere, old, other = (
        part.with_name(f"part-00000.parquet.{who}.part")
        for who in (
            f"{host}.{gone.stdout.strip()}.{token}",
            f"{host}.{os.getpid()}.{token}",
            f"elsewhere.1.{token}",
            f"elsewhere.2.{token}",
            "not-ours",
        )
    )
    for stray in (dead, alive, elsewhere, old, other):
        stray.touch()
    os.utime(old, (0, 0))
    sweep(part.parent)
    assert [stray.exists() for stray in (dead, alive, elsewhere, old, other)] == [False, True, True, False, True]
