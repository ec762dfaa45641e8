"""Runs whose labels come from several teachers, or from another system: through the commands that users give."""

import json
from pathlib import Path

import polars as pl
import pytest

from nst_asr import cli
from tests.speech import tones

QUICK = ["generation.student.fit.updates=6", "generation.filter.empty=true", "generation.filter.score=null"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    tones.write_corpus(folder)
    return folder


@pytest.fixture(scope="module")
def teachers(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("teachers")
    for updates in (70, 80):
        settings = [f"teacher.fit.updates={updates}", "--only", "teacher"]
        assert cli.main([*tones.arguments(corpus, folder / str(updates)), *settings]) == 0
    return [folder / str(updates) / "gen0" / "student" for updates in (70, 80)]


def begun(corpus: Path, exp: Path, *settings: str) -> list[str]:
    """The command of a run that has its teacher."""
    command = [*tones.arguments(corpus, exp), *QUICK]
    assert cli.main([*command, *settings, "--only", "teacher"]) == 0
    return command


def table(exp: Path, name: str = "1-labels") -> pl.DataFrame:
    return pl.read_parquet(sorted((exp / "gen1" / name).glob("part-*.parquet")))


def test_several_teachers_vote_and_their_labels_are_sampled(
    corpus: Path, teachers: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ", ".join(map(str, teachers))
    command = begun(corpus, tmp_path / "exp")
    settings = [f"generation.label.teachers=[{names}]", "generation.label.vote=majority"]
    assert cli.main([*command, "generation.label.vote=majority", "--only", "generations"]) == 1
    assert "generation 1 has one teacher, so label.vote = majority has no effect" in capsys.readouterr().err
    assert cli.main([*command, "generation.filter.agreement=0.5", "--only", "generations"]) == 1
    assert "filter.agreement has nothing to go by" in capsys.readouterr().err
    assert cli.main([*command, "generation.filter.lm_distance=0.1", "--only", "generations"]) == 1
    assert "filter.lm_distance has nothing to go by" in capsys.readouterr().err
    assert cli.main([*command, "generation.label.teachers=[nowhere]", "--only", "generations"]) == 1
    assert "nowhere: not a model folder" in capsys.readouterr().err
    assert cli.main([*command, *settings, "generation.mix.labels=sampled", "--only", "generations"]) == 0
    labels = table(tmp_path / "exp")
    assert labels["alternatives"].list.len().to_list() == [3] * 20
    assert labels["agreement"].is_between(0, 1).all()
    assert (tmp_path / "exp" / "gen1" / "5-score.json").exists()
    # what differs from the run with the chosen labels is the student alone
    best = tmp_path / "best"
    assert cli.main([*begun(corpus, best), *settings, "--only", "generations"]) == 0
    assert table(best).equals(labels)
    hashes = {(exp / "gen1" / "4-student" / "HASH").read_text() for exp in (best, tmp_path / "exp")}
    assert len(hashes) == 2


def test_sampling_from_one_teacher_is_refused(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = begun(corpus, tmp_path / "exp")
    assert cli.main([*command, "generation.mix.labels=sampled", "--only", "generations"]) == 1
    assert "no alternatives to draw from" in capsys.readouterr().err


def test_foreign_labels_take_two_commands(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exp = tmp_path / "exp"
    command = begun(corpus, exp)
    truth = pl.read_csv(corpus / "unlabeled.truth.tsv", separator="\t")
    heard = [{"id": name, "text": text.title() + "."} for name, text in truth.rows()[:18]]
    heard += [{"id": "elsewhere", "text": "low"}, {"id": truth["id"][18], "text": "Bonjour"}]
    (tmp_path / "whisper.jsonl").write_text("\n".join(map(json.dumps, heard)))
    dev = pl.read_csv(corpus / "dev.tsv", separator="\t").select("id", "text")
    dev.write_csv(tmp_path / "dev.tsv", separator="\t")
    capsys.readouterr()

    files = [str(tmp_path / "whisper.jsonl"), "--dev", str(tmp_path / "dev.tsv")]
    assert cli.main(["import-labels", str(exp), *files, "--transcripts", "lower"]) == 0
    out, err = capsys.readouterr()
    assert "unlabeled: 19 of 20 have a label (95.0%)" in out
    assert "1 have none, and get an empty one" in out
    assert "1 have one that the tokenizer cannot spell" in out
    assert "dev: 9 of 9 have a label" in out
    assert "1 labels are of ids that are in no set of the run, and are not used: elsewhere" in err
    settings = out.splitlines()[-1].split()
    assert cli.main([*command, *settings, "generation.filter.confidence=0.0", "--only", "generations"]) == 0

    labels = table(exp)
    assert labels["label"].to_list() == [*truth["label" if "label" in truth.columns else "text"][:18], "bonjour", ""]
    assert labels["logprob"].null_count() == 2  # of the text that cannot be spelled, and where there is none
    verdicts = pl.read_parquet(exp / "gen1" / "2-verdicts.parquet")["verdict"].cast(pl.String).to_list()
    assert verdicts == ["kept"] * 18 + ["empty"] * 2
    assert table(exp, "0-heard")["label"].to_list() == dev["text"].to_list()
    gauge = json.loads((exp / "gen1" / "0-gauge.json").read_text())
    assert gauge["rows"] == 9
    assert (exp / "gen1" / "5-score.json").exists()
    # the teacher is scored by what it hears itself
    assert json.loads((exp / "gen0" / "score.json").read_text())["errors"] > 0
    assert cli.main(["report", str(exp)]) == 0

    (exp / "foreign" / "unlabeled.tsv").write_text("id\ttext\nunlabeled-0\tlow\n")
    assert cli.main([*command, *settings, "generation.filter.confidence=0.0", "--only", "generations"]) == 1
    assert "made with another labeler" in capsys.readouterr().err


def test_without_labels_of_dev_a_filter_that_needs_them_is_refused(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exp = tmp_path / "exp"
    command = begun(corpus, exp)
    (tmp_path / "human.tsv").write_text("id\ttext\n" + "".join(f"unlabeled-{i}\tlow mid\n" for i in range(20)))
    given = f"generation.label.foreign={tmp_path / 'human.tsv'}"
    assert cli.main([*command, given, "generation.filter.score=0.0"]) == 1
    assert "looks at what dev teaches, and label.foreign has no labels of dev" in capsys.readouterr().err
    assert cli.main([*command, given, "--only", "generations"]) == 0
    assert table(exp)["label"].to_list() == ["low mid"] * 20
    assert set(table(exp, "0-heard")["label"]) == {""}


def test_labels_can_be_imported_into_a_run_that_has_begun_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.tsv").write_text("id\ttext\nu\tx\n")
    assert cli.main(["import-labels", str(tmp_path), str(tmp_path / "a.tsv")]) == 1
    assert "no run on speech has begun in it" in capsys.readouterr().err
