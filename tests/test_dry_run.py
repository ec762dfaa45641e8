"""nst-asr filter RUN --dry-run: what another filter would keep, without writing."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import toy
from simulated_labels import simulate

from nst_asr import cli


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy run whose second generation has the gauge and the labels of a simulated recogniser."""
    from test_loop import run_all

    from nst_asr.gauge import fit_gauge

    folder = run_all(tmp_path_factory.mktemp("run"), toy.plan(generation={"filter": {"confidence": 0.1}}))
    heard, truth = simulate(400)
    (folder / "gen2" / "0-gauge.json").write_text(json.dumps(fit_gauge(heard, truth).to_json()))
    for part in (folder / "gen2" / "1-labels").iterdir():
        part.unlink()
    pool, known = simulate(500, seed=3)
    pool.write_parquet(folder / "gen2" / "1-labels" / "part-00000.parquet")
    known.select("id", text="label").write_csv(folder / "truth.tsv", separator="\t")
    return folder


def digest(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha1(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    status = cli.main(["filter", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert status == (1 if err else 0)
    return err or out


def test_it_prints_waterfall_and_errors_and_writes_nothing(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = digest(finished)
    text = told(capsys, finished, "--dry-run", "target_error=0.08", "--truth", finished / "truth.tsv")
    assert digest(finished) == before
    assert text.startswith("generation 2, nothing is written\n")
    assert re.search(r"\nconfidence +\d", text)  # the plan's own rule is still on
    assert re.search(r"\ntarget_error +\d", text)
    assert "cut-off of target_error: expected error " in text
    estimated, true = (
        float(re.search(rf"{name} WER[^:]*: ([\d.]+)%", text)[1])  # type: ignore[index]
        for name in ("estimated", "true")
    )
    assert estimated == pytest.approx(true, abs=3)
    assert re.search(r"kept: \d+ of 500 utterances, [\d.]+ of [\d.]+ hours \([\d.]+%\)", text)


def test_settings_change_the_plans_filter_and_false_ones_are_refused(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    all_kept = told(capsys, finished, "--dry-run", "confidence=null", "empty=false")
    assert "kept: 500 of 500" in all_kept
    assert "did you mean score" in told(capsys, finished, "--dry-run", "scor=1")
    assert "the filter keeps none of 500 labels" in told(capsys, finished, "--dry-run", "score=50")
    assert "target_error.by = score_per_token: dev's labels do not have it" in told(
        capsys, finished, "--dry-run", "target_error={rate: 0.05, by: score_per_token}"
    )


def test_another_generation_can_be_asked_for(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = told(capsys, finished, "--dry-run", "--generation", 1)
    assert first.startswith("generation 1, ")
    assert "kept: 300 of 300" in first
    assert "estimated WER: unknown, since dev could not calibrate it" in first
    assert "generation 7 has no labels; there are those of [1, 2]" in told(
        capsys, finished, "--dry-run", "--generation", 7
    )


def test_without_dry_run_it_says_what_does_write(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "verdicts are written by nst-asr run alone" in told(capsys, finished, "score=1")


def test_a_folder_without_labels_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no run.json in it" in told(capsys, tmp_path, "--dry-run")
    (tmp_path / "run.json").write_text("{}")
    assert "no generation has labels yet" in told(capsys, tmp_path, "--dry-run")


def test_a_truth_of_other_ids_is_refused(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.tsv").write_text("id\ttext\nnobody\tnothing\n")
    assert "has none of the 500 labels' ids" in told(capsys, finished, "--dry-run", "--truth", tmp_path / "t.tsv")
