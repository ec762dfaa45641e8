"""Bugs met before the first release, one test each."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import toy
from safetensors.numpy import load_file

from nst_asr import cli, store
from nst_asr.corpus import Corpus, CorpusError, Labeled, Unlabeled
from nst_asr.key import Key
from nst_asr.mix import Batches, MixPlan, mix
from nst_asr.run import open_run
from nst_asr.settle import refuse_other_plan
from nst_asr.speech import task as speech_task
from nst_asr.speech.leakage import shared_audio
from nst_asr.speech.model import folder_hash
from nst_asr.store import StoreError
from tests.speech import tones


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    tones.write_corpus(folder)
    return folder


def test_a_models_hash_does_not_count_its_checkpoints(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the sealing and the removal of checkpoints, a run must come to the same hash, without training."""
    arguments = [*tones.arguments(corpus, tmp_path / "killed"), "--only", "teacher"]

    def die(folder: Path) -> None:
        next(folder.glob("checkpoint-*")).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(speech_task, "drop_checkpoints", die)
        assert cli.main(arguments) == 130
    with monkeypatch.context() as patch:
        patch.setattr(speech_task, "fit", None)  # nothing is left to train
        assert cli.main(arguments) == 0
    folder = tmp_path / "killed" / "gen0" / "student"
    assert (folder / "HASH").read_text().strip() == folder_hash(folder)
    assert not list(folder.glob("checkpoint-*"))
    assert cli.main([*tones.arguments(corpus, tmp_path / "whole"), "--only", "teacher"]) == 0
    whole = tmp_path / "whole" / "gen0" / "student"
    assert (whole / "HASH").read_text() == (folder / "HASH").read_text()
    assert all(
        (load_file(whole / "weights.safetensors")[k] == v).all()
        for k, v in load_file(folder / "weights.safetensors").items()
    )


def test_the_same_row_twice_in_a_batch_gets_two_noises(corpus: Path) -> None:
    """At the end of a lap a batch can hold an utterance twice; its noise key names the lap."""
    labeled = Labeled(toy.rows("a", 9, 0))
    batches = Batches(mix(labeled), 9.0, Key(0))
    twice = [
        {draw.lap for draw in draws if draw.id == name}
        for draws in (batches[step] for step in range(50))
        for name in {draw.id for draw in draws}
        if sum(draw.id == name for draw in draws) > 1
    ]
    assert all(len(laps) > 1 for laps in twice)


def test_an_epoch_counts_whole_windows() -> None:
    batches = Batches(mix(Labeled(toy.rows("a", 500, 0)), plan=MixPlan(pseudo_share=0, window=16)), 20.0, Key(0))
    assert batches.window == 12
    assert len({draw.id for step in range(batches.epoch) for draw in batches[step]}) == 500


@pytest.mark.parametrize("text", ["IO Error: No space left on device (os error 28)", "write failed: os error 27"])
def test_a_full_disk_is_known_in_the_dress_of_other_libraries(text: str, tmp_path: Path) -> None:
    def full(part: Path) -> None:
        part.write_text("half")
        raise pl.exceptions.ComputeError(text)

    with pytest.raises(StoreError, match="the disk is full"):
        store.once(tmp_path / "table.parquet", full)
    assert os.listdir(tmp_path) == []


def test_what_no_result_depends_on_yet_may_be_changed(tmp_path: Path) -> None:
    """The errors say `lower the cut-off`, `raise the batch`: that must be possible in the same folder."""
    old = {"seed": 0, "max_bad_share": 0.01, "workers": 1, "generations": [{"label": 1, "filter": 1, "student": 1}]}
    refuse_other_plan(tmp_path, old, old | {"seed": 1})
    (tmp_path / "gen0" / "student").mkdir(parents=True)
    (tmp_path / "gen1" / "1-labels").mkdir(parents=True)
    refuse_other_plan(tmp_path, old, old | {"workers": 4, "max_bad_share": 0.5})
    refuse_other_plan(tmp_path, old, old | {"generations": [{"label": 1, "filter": 2, "student": 2}, {"label": 5}]})
    with pytest.raises(StoreError, match=r"generations\.0\.label: 1 -> 2   \(used by gen1/1-labels\)"):
        refuse_other_plan(tmp_path, old, old | {"generations": [{"label": 2, "filter": 1, "student": 1}]})
    (tmp_path / "gen1" / "4-student.part").mkdir()
    with pytest.raises(StoreError, match=r"generations\.0\.student: 1 -> 2   \(used by gen1/4-student\.part\)"):
        refuse_other_plan(tmp_path, old, old | {"generations": [{"label": 1, "filter": 1, "student": 2}]})


def test_a_mended_manifest_is_accepted_as_long_as_nothing_was_trained(tmp_path: Path) -> None:
    first, second = toy.corpus(0)[0], toy.corpus(9)[0]
    open_run(tmp_path, toy.plan(), {"labeled": first.labeled})
    open_run(tmp_path, toy.plan(), {"labeled": second.labeled})
    (tmp_path / "gen0").mkdir()
    with pytest.raises(StoreError, match="made with other data"):
        open_run(tmp_path, toy.plan(), {"labeled": first.labeled})


def test_a_second_process_in_the_same_folder_is_kept_out(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "exp").mkdir()
    with open(tmp_path / "exp" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [sys.executable, "-m", "nst_asr.cli", *tones.arguments(corpus, tmp_path / "exp")]
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "another process is working in it" in done.stderr


def test_audio_under_another_id_in_dev_is_seen() -> None:
    def rows(ids: list[str], starts: list[float]) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "id": ids,
                "size": [2.0] * 2,
                "group": [None] * 2,
                "path": ["/a", "/b"],
                "start": starts,
                "label": ["x"] * 2,
            },
            schema_overrides={"size": pl.Float32, "group": pl.String},
        )

    labeled, dev = Labeled(rows(["a", "b"], [0.0, 0.0])), Labeled(rows(["c", "d"], [2.0, 1.5]), "dev")
    pool = Unlabeled(rows(["e", "f"], [9.0, 9.0]).drop("label"))
    (line,) = shared_audio(Corpus(labeled, pool, dev), None)
    assert "1 utterances of labeled are audio of dev under other ids: b and d both lie in /b" in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["seed=[1"], "not valid YAML"),
        (["--device", "cuda:77"], "--device cuda:77: cannot be used"),
        (["teacher.fit.batch=.inf"], "teacher.fit.batch"),
        (["generation.init=teacher", "generation.student.model.blocks=3"], "its model must be that of the teacher"),
        (["generation.mix.pseudo_share=0.95"], "more than the 0.7 that a batch holds"),
        (["generation.student.noise.additive={folder: /nowhere}"], "/nowhere"),
        (["teacher.fit.warmup=1000"], "the peak is never reached"),
        (["teacher.fit.average=9"], "do not fit into updates = 60"),
        (["generations=-1"], "generations = -1"),
        (["generation=5"], "generation.student"),
    ],
)
def test_what_is_wrong_is_said_in_one_message_before_anything_is_trained(
    change: list[str], message: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = tones.arguments(corpus, tmp_path / "exp")
    if change == ["generation=5"]:
        plan = Path(words[1])
        plan.write_text("recipe: x\ngeneration: 5\n")
        change, message = [], "generation = 5"
    assert cli.main([*words, *change]) == 1
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "exp" / "gen0").exists()


def test_the_guard_says_when_it_cannot_see() -> None:
    from nst_asr.corpus import guard

    parts, _, _ = toy.corpus()
    blind = Corpus(
        parts.labeled, Unlabeled(parts.unlabeled.rows.with_columns(group=pl.lit(None, pl.String))), parts.dev
    )
    assert guard(blind) == [
        "the speakers of unlabeled are not all known: whether they occur in other sets cannot be seen"
    ]
    with pytest.raises(CorpusError, match="further"):
        guard(parts, also=["further leak"])
