"""The loop on (tiny) audio, through the command that users give."""

import json
import logging
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import soundfile
from safetensors.numpy import load_file

from benchmarks.kills import contents
from nst_asr import __version__, cli
from nst_asr.corpus import Block, Unlabeled
from nst_asr.labels import label
from nst_asr.speech import model, noise
from nst_asr.speech.corpora.manifests import read_manifest
from nst_asr.speech.plan import Decode
from nst_asr.speech.task import Speech
from nst_asr.task import Model
from tests.speech import tones


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    tones.write_corpus(folder)
    return folder


@pytest.fixture(scope="module")
def finished(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    exp = tmp_path_factory.mktemp("exp")
    assert cli.main(tones.arguments(corpus, exp)) == 0
    return exp


@pytest.fixture
def pool(corpus: Path) -> Unlabeled:
    return Unlabeled(read_manifest(corpus / "unlabeled.tsv", labeled=False))


def labeler(exp: Path, **decode: object):  # type: ignore[no-untyped-def]
    teacher = model.load(exp / "gen0" / "student")
    task = Speech(teacher.features, None)  # type: ignore[arg-type]
    return task.labeler([Model(exp / "gen0" / "student")], Decode.model_validate(decode))


def test_every_part_of_a_run_is_there(finished: Path) -> None:
    for name in ("gen0/test.json", "gen1/4-student/HASH", "gen1/1-labels/part-00002.parquet", "oracle/test.json"):
        assert (finished / name).is_file()
    assert not list(finished.rglob("*.part")) + list(finished.rglob("checkpoint-*"))
    assert list((finished / "gen1" / "4-student" / "tensorboard").iterdir())


def test_a_model_folder_is_self_contained(
    finished: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = shutil.copytree(finished / "oracle" / "student", tmp_path / "anywhere")
    audio = [str(corpus / "test" / "0.flac"), str(corpus / "test" / "1.flac")]
    assert cli.main(["transcribe", str(moved), *audio, "--json"]) == 0
    heard = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [found["path"] for found in heard] == audio
    assert all(0 <= found["confidence"] <= 1 and set(found["text"].split()) <= set(tones.WORDS) for found in heard)
    assert cli.main(["transcribe", str(moved), audio[0], "--beam", "4"]) == 0


def test_transcribe_goes_on_after_a_bad_file_and_says_so(
    finished: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.wav").write_text("no audio")
    model_folder = str(finished / "gen0" / "student")
    assert cli.main(["transcribe", model_folder, str(tmp_path / "bad.wav"), str(corpus / "test" / "0.flac")]) == 1
    out, err = capsys.readouterr()
    assert "bad.wav" in err
    assert len(out.splitlines()) == 1


def test_transcribe_refuses_a_folder_that_holds_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["transcribe", str(tmp_path), "a.wav"]) == 1
    assert "not a model folder" in capsys.readouterr().err


def test_no_noise_can_reach_a_labeler(finished: Path, pool: Unlabeled, monkeypatch: pytest.MonkeyPatch) -> None:
    before = labeler(finished)(Block(0, pool.rows))

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("noise while labeling")

    for name in ("noised", "spec_augment", "speed", "add_noise"):
        monkeypatch.setattr(noise, name, forbidden)
    assert labeler(finished)(Block(0, pool.rows)).equals(before)
    teacher = model.load(finished / "gen0" / "student")
    assert not any(module.training for module in teacher.conformer.modules())


def test_labels_do_not_depend_on_batches_beyond_rounding(finished: Path, pool: Unlabeled) -> None:
    together = labeler(finished, batch=1000.0)(Block(0, pool.rows))
    alone = labeler(finished, batch=0.1)(Block(0, pool.rows))
    assert together["label"].to_list() == alone["label"].to_list()
    assert (together["logprob"] - alone["logprob"]).abs().max() < 1e-3  # type: ignore[operator]


def test_the_stored_logprob_is_the_forward_sum_of_the_label(finished: Path, pool: Unlabeled) -> None:
    """A wide beam's score sums alignments too, so it can be no more than the table's figure for the same label."""
    wide = labeler(finished, beam=16)(Block(0, pool.rows))
    greedy = labeler(finished)(Block(0, pool.rows))
    assert (wide["logprob"] >= greedy["logprob"] - 1e-4).all()


@pytest.mark.slow
def test_the_table_is_the_same_whatever_the_number_of_workers(finished: Path, pool: Unlabeled, tmp_path: Path) -> None:
    one = label(labeler(finished), pool, tmp_path / "one", block=8, workers=1)
    two = label(labeler(finished), pool, tmp_path / "two", block=8, workers=2)
    assert [p.read_bytes() for p in one.paths()] == [p.read_bytes() for p in two.paths()]


def killed_after(command: list[str], exp: Path, files: int) -> bool:
    """Start the command and kill it once it has written so many more files; whether it did not end before."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wanted = sum(1 for _ in exp.rglob("*")) + files
    while process.poll() is None:
        if sum(1 for _ in exp.rglob("*")) >= wanted:
            process.kill()
            process.wait()
            return True
        time.sleep(0.002)
    return False


@pytest.mark.slow
def test_kill_9_at_random_moments_leaves_no_trace(finished: Path, corpus: Path, tmp_path: Path) -> None:
    """Killed again and again; every label, table and weight is in the end that of the run never stopped."""
    command = [sys.executable, "-m", "nst_asr.cli", *tones.arguments(corpus, tmp_path / "exp")]
    moments = random.Random(0)
    kills = [killed_after(command, tmp_path / "exp", moments.randint(2, 12)) for _ in range(10)]
    assert kills[:3] == [True, True, True]
    assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0
    assert contents(tmp_path / "exp") == contents(finished)


def test_utterances_with_more_tokens_than_frames_are_left_out_by_id(
    corpus: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="nst_asr")
    shutil.copytree(corpus, tmp_path / "c")
    labeled = tmp_path / "c" / "labeled.tsv"
    lines = labeled.read_text().splitlines()
    lines[4] = "\t".join([*lines[4].split("\t")[:3], " ".join(["low"] * 200)])
    labeled.write_text("\n".join(lines) + "\n")
    assert cli.main([*tones.arguments(tmp_path / "c", tmp_path / "exp"), "--only", "teacher"]) == 0
    assert "left out of training: 1 utterances:\n  labeled-3: 200 tokens do not fit" in caplog.text


def test_a_warm_start_begins_with_the_teachers_weights(finished: Path, corpus: Path, tmp_path: Path) -> None:
    settings = ["generation.init=teacher", "generation.student.fit.updates=5", "generation.student.fit.peak_rate=1e-9"]
    exp = tmp_path / "exp"
    assert cli.main([*tones.arguments(corpus, exp), *settings, "--only", "generations"]) == 0
    teacher, student = (load_file(exp / name / "weights.safetensors") for name in ("gen0/student", "gen1/4-student"))
    assert all(abs(teacher[name] - student[name]).max() < 1e-6 for name in teacher)


@pytest.mark.parametrize("tokenizer", ["{kind: char}", "{kind: unigram, pieces: 12}"])
def test_other_units_than_words_go_through_the_loop(tokenizer: str, corpus: Path, tmp_path: Path) -> None:
    quick = ["teacher.fit.updates=30", "generation.student.fit.updates=10", f"tokenizer={tokenizer}"]
    assert cli.main([*tones.arguments(corpus, tmp_path / "exp"), *quick, "--only", "generations"]) in (0, 1)
    assert (tmp_path / "exp" / "gen0" / "score.json").exists()
    table = pl.read_parquet(tmp_path / "exp" / "gen1" / "1-labels" / "part-*.parquet")
    assert table["logprob"].is_finite().all()


def damaged(corpus: Path, tmp_path: Path, kind: str) -> Path:
    folder = shutil.copytree(corpus, tmp_path / "c")
    victim = folder / "unlabeled" / "3.flac"
    if kind == "missing":
        victim.unlink()
    elif kind == "empty":
        victim.write_bytes(b"")
    elif kind == "text":
        victim.write_text("not audio")
    elif kind == "truncated":
        victim.write_bytes(victim.read_bytes()[:-400])
    elif kind == "nan":
        wave, rate = soundfile.read(victim, dtype="float32")
        wave[5] = float("nan")
        victim.unlink()
        soundfile.write(folder / "unlabeled" / "3.wav", wave, rate, subtype="FLOAT")
        manifest = folder / "unlabeled.tsv"
        manifest.write_text(manifest.read_text().replace("unlabeled/3.flac", "unlabeled/3.wav"))
    return folder


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "truncated", "nan"])
def test_a_bad_file_is_skipped_with_its_reason_or_stops_the_run(
    kind: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*tones.arguments(damaged(corpus, tmp_path, kind), tmp_path / "exp"), "--only", "teacher"]
    quick = ["teacher.fit.updates=5"]
    assert cli.main([*arguments, *quick]) == 1
    assert "unlabeled-3" in capsys.readouterr().err
    assert cli.main([*arguments, *quick, "max_bad_share=0.1", "--exp", str(tmp_path / "other")]) == 0
    listed = json.loads((tmp_path / "other" / "corpus" / "unlabeled.bad.json").read_text())
    assert [entry["id"] for entry in listed] == ["unlabeled-3"]
    assert len(pl.read_parquet(tmp_path / "other" / "corpus" / "unlabeled.parquet")) == 19


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["teacher.fit.updates=-1"], "teacher.fit.updates = -1"),
        (["teacher.model.widht=8"], "did you mean width"),
        (["--labeled", "/nowhere.tsv"], "/nowhere.tsv"),
        (["generations=many"], "generations = 'many'"),
    ],
)
def test_bad_input_is_one_clear_line(
    change: list[str], message: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*tones.arguments(corpus, tmp_path / "exp"), *change]) == 1
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err


def test_speakers_in_two_sets_are_refused_unless_allowed(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(corpus, tmp_path / "c")
    dev = folder / "dev.tsv"
    dev.write_text(dev.read_text().replace("\tdev-0\t", "\tunlabeled-0\t"))
    arguments = [*tones.arguments(folder, tmp_path / "exp"), "teacher.fit.updates=5", "--only", "teacher"]
    assert cli.main(arguments) == 1
    assert "--allow-overlap" in capsys.readouterr().err
    assert cli.main([*arguments, "--allow-overlap"]) == 0


def test_the_command_starts_and_knows_its_version() -> None:
    done = subprocess.run([sys.executable, "-m", "nst_asr.cli", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{__version__}\n", "")
