"""Faults that the seventh review found in alignment, statistics and accuracy; each once went as told here."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from nst_asr import cli
from nst_asr.accuracy.accuracies import accuracies
from nst_asr.accuracy.guesses import Guesses
from nst_asr.accuracy.soft import soft_numbers
from nst_asr.align import align_counts
from nst_asr.estimate import EstimateError, estimate
from nst_asr.key import Key
from nst_asr.mapsswe import mapsswe
from nst_asr.recovery import recovery_rate
from nst_asr.reliability import reliability
from nst_asr.score import ScoreError, compare, read_score, score
from nst_asr.store import read_json, write_json
from nst_asr.vision.robustness import RobustnessError
from nst_asr.vision.robustness_tables import corrupted, perturbed
from tools import score_robustness


def labels(texts: list[str]) -> pl.DataFrame:
    ids = [f"u{place}" for place in range(len(texts))]
    return pl.DataFrame({"id": ids, "label": texts}).with_columns(group=pl.lit(None, pl.String))


def written(path: Path, table: pl.DataFrame) -> Path:
    table.write_csv(path, separator="\t")
    return path


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What `nst-asr score-accuracy` says when it refuses."""
    assert cli.main(["score-accuracy", *arguments]) == 1
    return capsys.readouterr().err


# scores


def test_scores_at_different_costs_were_compared_as_if_they_were_alike(tmp_path: Path) -> None:
    truth, heard = labels(["a b", "c d"]), labels(["b c", "c d"])
    unit, sclite = score(truth, heard), score(truth, heard, "sclite")
    with pytest.raises(ScoreError, match="one score is at unit costs and the other at those of sclite"):
        compare(unit, sclite, Key(0))
    with pytest.raises(ScoreError, match="sclite"):
        recovery_rate(sclite, sclite, unit, Key(0))
    sclite.write(tmp_path / "score.json")
    assert read_score(tmp_path / "score.json").costs == "sclite" == read_json(tmp_path / "score.json")["costs"]


def test_a_score_from_before_costs_were_written_is_at_unit_costs(tmp_path: Path) -> None:
    path = tmp_path / "score.json"
    score(labels(["a b"]), labels(["b c"])).write(path)
    write_json(path, {name: value for name, value in read_json(path).items() if name != "costs"})
    assert read_score(path).costs == "unit"


# alignment


def test_a_unit_that_does_not_exist_was_taken_for_words() -> None:
    with pytest.raises(ValueError, match="no unit 'characters': they are word or character"):
        align_counts(["ab"], ["ac"], "characters")  # type: ignore[arg-type]


@pytest.mark.skipif(shutil.which("sctk") is None, reason="NIST's sctk is not installed")
def test_insertions_at_the_end_were_said_to_be_forgotten_by_sctk_which_counts_them(tmp_path: Path) -> None:
    truth, first = ["a b c d", "e f g", "e f g h"], ["a b c d", "e x g", "e f g"]
    second = ["a b c d v v", "e f g", "x f g h u"]
    files = {"ref": truth, "a": first, "b": second}
    for name, lines in files.items():
        (tmp_path / f"{name}.trn").write_text("".join(f"{line} (s_{place})\n" for place, line in enumerate(lines)))

    def sctk(*arguments: str, given: bytes = b"") -> bytes:
        return subprocess.run(["sctk", *arguments], cwd=tmp_path, input=given, capture_output=True, check=True).stdout

    options = ["trn", "-i", "spu_id", "-o", "sgml", "stdout"]
    aligned = b"".join(sctk("sclite", "-r", "ref.trn", "trn", "-h", f"{name}.trn", *options) for name in "ab")
    sctk("sc_stats", "-p", "-t", "mapsswe", "-v", "-n", "x", given=aligned)
    totals = re.search(r"Totals +\d+ +(\d+) +(\d+)", (tmp_path / "x.stats.mapsswe").read_text())
    assert totals
    found = mapsswe(truth, first, second, "sclite")
    assert (found.first_errors, found.second_errors) == tuple(map(int, totals.groups())) == (2, 4)
    assert "forgets" not in (mapsswe.__doc__ or "")


# calibration


def test_the_order_of_images_of_equal_confidence_changed_the_calibration_error() -> None:
    # perfectly calibrated, and in the order of a manifest sorted by class, of which the last are wrong: it was 0.32
    sure = np.full(1000, 0.8)
    right = np.repeat([1, 0], [800, 200])
    found = reliability(sure, right, Key(0))
    assert found.error == pytest.approx(0, abs=1e-12)
    assert len(found.bins) == 1
    draw = np.random.default_rng(0)
    sure, right = np.round(draw.random(500), 1), draw.integers(0, 2, 500)
    order = draw.permutation(500)
    one, other = reliability(sure, right, Key(0)), reliability(sure[order], right[order], Key(0))
    assert one.error == pytest.approx(other.error, abs=1e-12)
    assert [(each.rows, each.right) for each in one.bins] == [(each.rows, each.right) for each in other.bins]


# soft labels


def soft(index: list[Any], share: list[Any], guess: str = "a") -> Guesses:
    rows = labels([guess] * len(index)).drop("group")
    return Guesses(rows.with_columns(soft_index=pl.Series(index), soft_prob=pl.Series(share)))


@pytest.mark.parametrize("odd", [float("nan"), None])
def test_a_share_that_is_no_number_ended_in_a_traceback(odd: float | None) -> None:
    reference = labels(["a", "a"])
    found = accuracies(reference, {"x": soft([[0, 1], [0, 1]], [[0.7, 0.3], [odd, 0.4]])})["hypotheses"]["x"]
    assert (found["top5"], found["brier"], found["nll"]) == (None, None, None)
    assert "1 of 2 images have a soft label with gaps, such as u1" in found["top5_reason"]


def test_top_5_of_soft_labels_of_fewer_classes_was_a_number_too_small() -> None:
    # of eight classes the soft labels hold two: whether the fourth would be among the five is not known
    names = list("abcdefgh")
    two = soft([[0, 1]] * 2, [[0.9, 0.1]] * 2)
    found = soft_numbers(labels(["a", "d"]), Guesses(two.rows, names))
    assert found["top5"] is None
    assert "leave their class out, such as u1, and have fewer than 5 classes" in found["top5_reason"]
    assert found["brier"] == pytest.approx((0.02 + 1.82) / 2)
    assert soft_numbers(labels(["a", "b"]), Guesses(two.rows, names))["top5"] == 1


def test_class_numbers_that_are_not_whole_were_rounded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "heard.parquet"
    soft([[0.0, 1.5]] * 2, [[0.9, 0.1]] * 2).rows.write_parquet(path)
    reference = written(tmp_path / "ref.tsv", labels(["a", "a"]).drop("group"))
    assert "soft_index is List(Float64), not lists of whole numbers" in said([str(reference), str(path)], capsys)


@pytest.mark.parametrize(("names", "message"), [("a\n\nb\n", "line 2 is empty"), ("a\nb\na\n", "a is there twice")])
def test_a_list_of_classes_with_gaps_or_doubles_moved_their_numbers(
    names: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "classes.txt").write_text(names)
    tables = [str(written(tmp_path / f"{name}.tsv", labels(["a", "b"]).drop("group"))) for name in ("ref", "heard")]
    assert message in said([*tables, "--classes", str(tmp_path / "classes.txt")], capsys)


# the verb score-accuracy


def test_of_several_hypotheses_it_was_not_said_which_one_lacks_an_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, short = labels(["a", "b"]).drop("group"), labels(["a"]).drop("group")
    tables = [written(tmp_path / name, rows) for name, rows in (("r", whole), ("x", whole), ("y", short))]
    named = [table.rename(table.with_suffix(".tsv")) for table in tables]
    assert f"{named[2]} against the reference: no hypothesis for u1" in said([str(path) for path in named], capsys)


def test_options_without_effect_were_taken_in_silence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(written(tmp_path / "x.tsv", labels(["a", "b"]).drop("group")))
    assert "--device is of no use without --model" in said([path, path, "--device", "cpu"], capsys)
    assert f"{path} is given twice" in said([path, path, path], capsys)


def test_a_folder_named_dot_to_write_to_ended_in_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = str(written(tmp_path / "x.tsv", labels(["a", "b"]).drop("group")))
    assert "--json .: a folder; name a file" in said([path, path, "--json", "."], capsys)


# robustness from tables


def guesses(name: str, *rows: tuple[str, str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["id", name, "label"], orient="row")


def test_a_table_without_rows_had_an_accuracy_of_nan(tmp_path: Path) -> None:
    nothing = guesses("corruption").cast(pl.String).with_columns(severity=pl.lit("1"))
    with pytest.raises(RobustnessError, match=r"corrupted\.tsv: no guesses"):
        corrupted([written(tmp_path / "corrupted.tsv", nothing)], labels(["a"]), None)
    still = guesses("perturbation").cast(pl.String).with_columns(frame=pl.lit("1"))
    with pytest.raises(RobustnessError, match=r"perturbed\.tsv: no guesses"):
        perturbed([written(tmp_path / "perturbed.tsv", still)], None)


def test_a_reference_with_an_image_twice_was_blamed_on_the_guesses(tmp_path: Path) -> None:
    path = written(tmp_path / "c.tsv", guesses("corruption", ("u0", "fog", "a")).with_columns(severity=pl.lit(1)))
    with pytest.raises(RobustnessError, match="the reference has u0 more than once"):
        corrupted([path], pl.concat([labels(["a"])] * 2), None)
    with pytest.raises(RobustnessError, match="the reference u0 has no label"):
        corrupted([path], labels(["a"]).with_columns(label=pl.lit(None, pl.String)), None)


def test_of_several_tables_it_was_not_said_which_one_lacks_a_corruption(tmp_path: Path) -> None:
    fog = pl.concat([guesses("corruption", ("u0", "fog", "a")).with_columns(severity=pl.lit(s)) for s in range(1, 6)])
    path = written(tmp_path / "fog.tsv", fog)
    with pytest.raises(RobustnessError, match=rf"{re.escape(str(path))}: the model's errors lack gaussian_noise"):
        corrupted([path], labels(["a"]), "alexnet")
    one = guesses("perturbation", ("u0", "tilt", "a")).with_columns(frame=pl.lit(1))
    path = written(tmp_path / "tilt.tsv", one)
    with pytest.raises(RobustnessError, match=rf"{re.escape(str(path))}: tilt: .*at least \(1, 2\)"):
        perturbed([path], None)


# tools/score_robustness


def test_what_score_robustness_cannot_use_was_ignored_or_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_robustness, "score", lambda *arguments: {})
    model, folder = str(tmp_path / "model"), str(tmp_path)
    assert score_robustness.main([model, "--cifar-c", folder, "--json", folder]) == 1
    assert "score_robustness: [Errno 21] Is a directory" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        score_robustness.main([model, "--imagenet-a", folder, "--baseline", model])
    assert "--baseline is of use on the CIFAR sets alone" in capsys.readouterr().err


# what is expected


def scored_dev(**changed: pl.Expr) -> pl.DataFrame:
    number = 100
    columns = {"id": [f"u{place}" for place in range(number)], "label": ["a b c"] * number, "words": [3] * number}
    sure = {"confidence": np.linspace(0.1, 0.9, number), "errors": [1, 0] * (number // 2)}
    return pl.DataFrame(columns | sure).with_columns(**changed)


def test_dev_without_any_reference_word_was_expected_to_have_no_errors() -> None:
    pool = scored_dev().drop("errors", "words")
    with pytest.raises(EstimateError, match="no reference of dev holds a word"):
        estimate(scored_dev(words=pl.lit(0)), pool)


def test_errors_that_are_no_number_made_a_rate_of_nan() -> None:
    pool = scored_dev().drop("errors", "words")
    with pytest.raises(EstimateError, match="dev: u0 has the errors nan"):
        estimate(scored_dev(errors=pl.lit(float("nan"))), pool)
    with pytest.raises(EstimateError, match="dev: u0 has the words -1"):
        estimate(scored_dev(words=pl.lit(-1)), pool)


def test_a_table_with_a_row_too_long_was_refused_in_several_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ref.tsv").write_text("id\tlabel\nu0\ta\tb\n")
    message = said([str(tmp_path / "ref.tsv")] * 2, capsys)
    assert message.count("\n") == 1
    assert "ref.tsv: no tab-separated table that can be read (found more fields than" in message
