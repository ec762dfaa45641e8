"""The matched-pairs test: segments and z worked by hand, NIST's own program, errors that are conserved."""

import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from nst_asr.align import align_counts
from nst_asr.mapsswe import mapsswe


def noisy(words: list[str], rate: float, draw: np.random.Generator) -> list[str]:
    """The words with errors of every kind, none inserted at the end."""
    found: list[str] = []
    for word in words:
        chance = draw.random()
        if chance < rate:
            found.append(str(draw.choice(list("pqrst"))))
        elif chance > 1.9 * rate:
            found += [str(draw.choice(list("uvw"))), word] if chance < 2.3 * rate else [word]
    return found


def texts(utterances: list[list[str]]) -> list[str]:
    return [" ".join(words) for words in utterances]


def systems(seed: int, number: int, rates: tuple[float, float]) -> tuple[list[str], list[str], list[str]]:
    draw = np.random.default_rng(seed)
    truth = [draw.choice(list("abcdefghijklmno"), draw.integers(1, 25)).tolist() for _ in range(number)]
    first, second = ([noisy(words, rate, draw) for words in truth] for rate in rates)
    return texts(truth), texts(first), texts(second)


def test_segments_are_cut_where_both_have_two_words_right() -> None:
    # 1st: c wrong; d e right in both: cut; then h wrong in both with i between right in one word only, j missing
    truth = "a b c d e f g h i j"
    found = mapsswe([truth], ["a b x d e f g y i j"], ["a b c d e f g z i"])
    # segments: {c}: 1 against 0; {h i j}: 1 against 2
    assert (found.segments, found.first_errors, found.second_errors) == (2, 2, 2)
    assert found.mean == 0
    assert found.variance == pytest.approx(2)
    assert (found.z, found.p, found.better) == (0, 1, None)


def test_one_right_word_between_two_errors_does_not_part_them() -> None:
    assert mapsswe(["a b c d"], ["x b y d"], ["a b c d"]).segments == 1
    assert mapsswe(["a b c d"], ["x b c y"], ["a b c d"]).segments == 2
    assert mapsswe(["a b c d"], ["x b c y"], ["a b c d"], buffer=3).segments == 1


def test_a_word_that_one_system_alone_has_right_parts_nothing() -> None:
    assert mapsswe(["a b c d e"], ["x b c d y"], ["a b z d e"]).segments == 1


def test_an_insertion_between_right_words_joins_the_segments_beside_it() -> None:
    assert mapsswe(["a b c d"], ["x b c y"], ["a b c d"]).segments == 2
    assert mapsswe(["a b c d"], ["x b c y"], ["a b u c d"]).segments == 1


def test_the_end_of_an_utterance_parts_segments() -> None:
    found = mapsswe(["a", "b"], ["x", "y"], ["a", "b"])
    assert (found.segments, found.first_errors) == (2, 2)


def test_z_and_p_are_those_worked_by_hand() -> None:
    # differences 1, 1, 1, 0 - 1: mean 1/2, variance (3 / 4 + 9 / 4) / 3 = 1, z = (1/2) / sqrt(1 / 4) = 1
    truth, first, second = ["a"] * 4, ["x", "x", "x", "a"], ["a", "a", "a", "x"]
    found = mapsswe(truth, first, second)
    assert (found.mean, found.variance, found.z) == (0.5, 1, 1)
    assert found.p == pytest.approx(2 * stats.norm.sf(1), abs=1e-12)
    assert found.note is not None
    assert "only 4 segments" in found.note


def test_the_other_way_round_the_sign_changes_and_nothing_else() -> None:
    truth, first, second = systems(1, 80, (0.1, 0.2))
    there, back = mapsswe(truth, first, second), mapsswe(truth, second, first)
    assert (there.segments, there.p, there.mean, there.z) == (back.segments, back.p, -back.mean, -back.z)
    assert (there.better, back.better) == ("first", "second")
    assert "a is better, p = " in there.describe("a", "b")


def test_all_errors_are_in_segments_also_those_at_the_end() -> None:
    truth, first, second = systems(2, 200, (0.1, 0.15))
    second = [f"{text} u u" if place % 3 else text for place, text in enumerate(second)]
    found = mapsswe(truth, first, second)
    totals = [int(align_counts(truth, heard)[:, :3].sum()) for heard in (first, second)]
    assert [found.first_errors, found.second_errors] == totals


def test_without_errors_or_without_variance_nothing_is_significant_and_it_is_said() -> None:
    none = mapsswe(["a b", ""], ["a b", ""], ["a b", ""])
    assert (none.segments, none.p, none.note) == (0, 1, "neither system has an error")
    alike = mapsswe(["a"] * 60, ["x"] * 60, ["a"] * 60)
    assert (alike.segments, alike.z, alike.p) == (60, 0, 1)
    assert alike.note is not None
    assert "differ alike" in alike.note


def test_empty_references_and_hypotheses_are_segments_of_their_errors() -> None:
    found = mapsswe(["", "a b", ""], ["x y", "", ""], ["", "a b", "z"])
    assert (found.segments, found.first_errors, found.second_errors) == (3, 4, 1)


def test_chance_differences_are_significant_about_once_in_twenty() -> None:
    found = [mapsswe(*systems(seed, 60, (0.1, 0.1))).significant for seed in range(200)]
    assert 0.01 <= np.mean(found) <= 0.1


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 references, 1 and 2 hypotheses"):
        mapsswe(["a", "b"], ["a"], ["a", "b"])
    with pytest.raises(ValueError, match="buffer = 0"):
        mapsswe(["a"], ["a"], ["a"], buffer=0)


@pytest.mark.skipif(shutil.which("sctk") is None, reason="NIST's sctk is not installed")
@pytest.mark.parametrize("seed", [3, 4])
def test_it_is_what_sctk_says(tmp_path: Path, seed: int) -> None:
    truth, first, second = systems(seed, 200, (0.1, 0.13))
    for name, lines in {"ref": truth, "a": first, "b": second}.items():
        trn = "".join(f"{line} (s_{place})\n" for place, line in enumerate(lines))
        (tmp_path / f"{name}.trn").write_text(trn)
    alignments = b"".join(
        subprocess.run(
            [
                "sctk",
                "sclite",
                "-r",
                "ref.trn",
                "trn",
                "-h",
                f"{name}.trn",
                "trn",
                "-i",
                "spu_id",
                "-o",
                "sgml",
                "stdout",
            ],
            cwd=tmp_path,
            capture_output=True,
            check=True,
        ).stdout
        for name in "ab"
    )
    command = ["sctk", "sc_stats", "-p", "-t", "mapsswe", "-v", "-n", "x"]
    subprocess.run(command, cwd=tmp_path, input=alignments, capture_output=True, check=True)
    said = (tmp_path / "x.stats.mapsswe").read_text()
    found = mapsswe(truth, first, second, costs="sclite")
    totals = re.search(r"Totals +\d+ +(\d+) +(\d+)", said)
    result = re.search(r"# segs: (\d+)\).*mean: *([-\d.]+)\) \(std dev: *([-\d.]+)\) \(Z Stat: *([-\d.]+)\)", said)
    assert totals
    assert result
    assert (found.first_errors, found.second_errors) == tuple(map(int, totals.groups()))
    assert found.segments == int(result[1])
    theirs = [float(value) for value in result.groups()[1:]]
    assert [found.mean, math.sqrt(found.variance), found.z] == pytest.approx(theirs, abs=0.0005001)
