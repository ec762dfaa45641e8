"""Alignment at sclite's costs is sclite's, word by word: checked where NIST's SCTK is installed (Debian: sctk)."""

import random
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from nst_asr.align import align_counts, aligned
from nst_asr.score import score

_PROGRAM = shutil.which("sctk")
pytestmark = pytest.mark.skipif(_PROGRAM is None, reason="sctk is not installed: sclite cannot be asked")
_LETTER = {"match": "C", "substitution": "S", "deletion": "D", "insertion": "I"}


def sclite(references: list[str], hypotheses: list[str], folder: Path) -> list[str]:
    """The alignment of each pair as sclite has it, a letter C, S, D or I for each place."""
    for name, texts in (("ref", references), ("hyp", hypotheses)):
        lines = (f"{text} (s-{place})\n" for place, text in enumerate(texts))
        (folder / f"{name}.trn").write_text("".join(lines), encoding="utf-8")
    files = ["-r", folder / "ref.trn", "trn", "-h", folder / "hyp.trn", "trn", "-i", "rm"]
    command = [str(_PROGRAM), "sclite", "-s", "-e", "utf-8", *map(str, files), "-o", "sgml", "stdout"]
    output = subprocess.run(command, capture_output=True, check=True, timeout=300).stdout.decode("utf-8")
    paths = re.findall(r'<PATH id="\(s-(\d+)\)".*?>\n(.*?)\n?</PATH>', output, re.DOTALL)
    found = {int(place): "".join(step[0] for step in body.split(":") if step) for place, body in paths}
    return [found[place] for place in range(len(references))]


def ours(reference: str, hypothesis: str) -> str:
    return "".join(_LETTER[step.operation] for step in aligned(reference, hypothesis, costs="sclite"))


def pairs(number: int, seed: int, words: str, longest: int) -> tuple[list[str], list[str]]:
    """Random texts of few different words, some empty, half of the second near the first."""
    draw = random.Random(seed)
    before = [" ".join(draw.choices(words, k=draw.randint(0, longest))) for _ in range(number)]
    after = [" ".join(draw.choices(words, k=draw.randint(0, longest))) for _ in range(number // 2)]
    near = [[draw.choice((word, word, word, "", "x y")) for word in text.split()] for text in before[number // 2 :]]
    return before, after + [" ".join(text) for text in near]


@pytest.mark.parametrize(
    ("words", "longest", "number"), [("ab", 8, 4000), ("abc", 15, 3000), ("abcdefgh", 30, 1000), ("äöаб語😀", 12, 1000)]
)
def test_every_alignment_at_sclites_costs_is_that_of_sclite(
    words: str, longest: int, number: int, tmp_path: Path
) -> None:
    references, hypotheses = pairs(number, len(words), words, longest)
    theirs = sclite(references, hypotheses, tmp_path)
    assert [ours(*pair) for pair in zip(references, hypotheses, strict=True)] == theirs
    expected = [[path.count(letter) for letter in "SDI"] + [len(path) - path.count("I")] for path in theirs]
    assert align_counts(references, hypotheses, costs="sclite").tolist() == expected


def test_long_texts_are_aligned_as_sclite_does(tmp_path: Path) -> None:
    references, hypotheses = pairs(6, 7, "abcdefghijklm", 1500)
    assert max(len(text.split()) for text in hypotheses) > 1024  # beyond it the bits are found in more than one go
    theirs = sclite(references, hypotheses, tmp_path)
    assert [ours(*pair) for pair in zip(references, hypotheses, strict=True)] == theirs


def test_a_score_at_sclites_costs_has_sclites_totals_and_unit_costs_have_fewer_errors(tmp_path: Path) -> None:
    references, hypotheses = pairs(1000, 8, "abc", 15)
    ids = [str(place) for place in range(1000)]
    reference = pl.DataFrame({"id": ids, "group": pl.Series([None] * 1000, dtype=pl.String), "label": references})
    hypothesis = pl.DataFrame({"id": ids, "label": hypotheses})
    theirs = "".join(sclite(references, hypotheses, tmp_path))
    summary = score(reference, hypothesis, costs="sclite").summary()
    names = ("substitutions", "deletions", "insertions")
    assert [summary[name] for name in names] == [theirs.count(letter) for letter in "SDI"]
    assert score(reference, hypothesis).errors < summary["errors"]


def test_sclites_own_summary_line_agrees(tmp_path: Path) -> None:
    references, hypotheses = pairs(500, 9, "abcd", 12)
    sclite(references, hypotheses, tmp_path)
    files = ["-r", "ref.trn", "trn", "-h", "hyp.trn", "trn", "-i", "rm"]
    command = [str(_PROGRAM), "sclite", "-s", *files, "-o", "rsum", "stdout"]
    # the table is set around the file's name: run where that is short
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, text=True, timeout=300)
    line = next(line for line in done.stdout.splitlines() if re.match(r"\s*\|\s*Sum\s*\|", line))
    _, words, _, substitutions, deletions, insertions, errors, wrong = re.findall(r"\d+", line)
    counts = align_counts(references, hypotheses, costs="sclite")
    assert counts.sum(0).tolist() == [int(substitutions), int(deletions), int(insertions), int(words)]
    assert counts[:, :3].sum() == int(errors)
    assert np.count_nonzero(counts[:, :3].sum(1)) == int(wrong)
