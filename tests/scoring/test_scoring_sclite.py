"""Beside NIST's sclite, where it is installed: counts, alignments as text, and words of a CTM laid over an STM."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.scoring.scored import only, scored, write

pytestmark = pytest.mark.skipif(shutil.which("sctk") is None, reason="sctk, which has sclite, is not installed")

LETTERS = ["a", "b", "cc", "dé", "漢字"]


def sclite(folder: Path, reference: str, reference_kind: str, hypothesis: str, kind: str) -> str:
    """The `pra` report of sclite."""
    command = [
        "sctk",
        "sclite",
        "-s",
        "-e",
        "utf-8",
        "-i",
        "rm",
        "-r",
        reference,
        reference_kind,
        "-h",
        hypothesis,
        kind,
    ]
    subprocess.run([*command, "-o", "pra", "-O", str(folder), "-n", "report"], check=True, capture_output=True)
    return (folder / "report.pra").read_text(encoding="utf-8")


def sentences(seed: int, number: int) -> list[list[str]]:
    draw = np.random.default_rng(seed)
    return [[str(word) for word in draw.choice(LETTERS, draw.integers(0, 9))] for _ in range(number)]


def after_system(report: str) -> str:
    """Without the system's name, which is a path here and a title there."""
    return re.sub(r"System name: .*", "", report)


def test_the_alignments_are_sclites_letter_by_letter(tmp_path: Path) -> None:
    said, heard = sentences(0, 300), sentences(1, 300)
    names = [f"s{place % 7}-{place:03d}" for place in range(300)]
    files = []
    for name, lines in (("r.trn", said), ("h.trn", heard)):
        rows = zip(lines, names, strict=True)
        files.append(write(tmp_path / name, "".join(f"{' '.join(words)} ({each})\n" for words, each in rows)))
    theirs = sclite(tmp_path, files[0], "trn", files[1], "trn")
    scored(tmp_path, *files, "--costs", "sclite", "--pra", str(tmp_path / "ours.pra"))
    assert after_system((tmp_path / "ours.pra").read_text(encoding="utf-8")) == after_system(theirs)


def test_alternatives_are_chosen_as_sclite_chooses_them(tmp_path: Path) -> None:
    reference = write(
        tmp_path / "r.trn",
        "x {a/b} y (s-1)\nx {a b / c} {d / @} y (s-2)\nx { a / { b / c } } y (s-3)\nx a/b y (s-4)\n{ a / @ } b (s-5)\n",
    )
    heard = write(tmp_path / "h.trn", "x b y (s-1)\nx c y (s-2)\nx c y (s-3)\nx a/b y (s-4)\nq b (s-5)\n")
    theirs = sclite(tmp_path, reference, "trn", heard, "trn")
    found = scored(tmp_path, reference, heard, "--costs", "sclite", "--pra", str(tmp_path / "ours.pra"))
    assert after_system((tmp_path / "ours.pra").read_text(encoding="utf-8")) == after_system(theirs)
    assert only(found)["score"]["errors"] == 1


def test_words_of_a_ctm_fall_into_the_segments_that_sclite_gives_them_to(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    segments, time = [], 0.0
    for place in range(60):
        begin = time + draw.choice([0.0, 0.5])
        time = begin + float(draw.integers(1, 5))
        text = "IGNORE_TIME_SEGMENT_IN_SCORING" if place % 7 == 3 else " ".join(draw.choice(LETTERS[:3], 3))
        segments.append(f"f A spk{place % 4} {begin:.2f} {time:.2f} <o,f{place % 2}> {text}\n")
    words = [
        f"f A {begin:.2f} {draw.uniform(0.05, 0.6):.2f} {draw.choice(LETTERS[:3])} 0.5\n"
        for begin in np.sort(draw.uniform(0, time + 1, 200))
    ]
    reference, heard = write(tmp_path / "r.stm", "".join(segments)), write(tmp_path / "h.ctm", "".join(words))
    theirs = sclite(tmp_path, reference, "stm", heard, "ctm")
    scored(tmp_path, reference, heard, "--costs", "sclite", "--pra", str(tmp_path / "ours.pra"))
    ours = (tmp_path / "ours.pra").read_text(encoding="utf-8")
    assert after_system(ours) == after_system(theirs)
