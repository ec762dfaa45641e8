"""More bugs met before the first release, one test each."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import toy

from nst_asr import cli, results
from nst_asr.balance import BalanceError, BalancePlan, balance
from nst_asr.config import ConfigError, parse
from nst_asr.corpus import CorpusError, Truth
from nst_asr.filter import FilterPlan
from nst_asr.gauge import Gauge, GaugeError
from nst_asr.key import Key
from nst_asr.labels import SCHEMA
from nst_asr.loop import noisy_student
from nst_asr.oracle import train_oracle
from nst_asr.run import open_run
from nst_asr.settle import refuse_other_plan
from nst_asr.speech.noise import SpecAugmentPlan
from nst_asr.store import StoreError
from nst_asr.task import Model, Shares
from tests.speech import tones

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    tones.write_corpus(folder)
    return folder


@pytest.mark.parametrize("key", ["clip", "peak_rate", "weight_decay", "batch"])
def test_infinite_settings_are_refused_before_anything_is_trained(
    key: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`clip: .inf` once trained to the end and could then not be written down."""
    assert cli.main([*tones.arguments(corpus, tmp_path / "exp"), f"teacher.fit.{key}=.inf"]) == 1
    assert f"teacher.fit.{key} = inf" in capsys.readouterr().err
    assert not (tmp_path / "exp").exists()


def test_gradients_need_not_be_clipped(corpus: Path, tmp_path: Path) -> None:
    words = [*tones.arguments(corpus, tmp_path / "exp"), "teacher.fit.clip=null", "--only", "teacher"]
    assert cli.main(words) == 0


def test_minus_infinity_is_a_cut_off_that_keeps_everything() -> None:
    assert parse(FilterPlan, {"score": float("-inf")}).score == float("-inf")


def test_another_number_of_generations_makes_the_oracle_another(tmp_path: Path) -> None:
    turn = {"label": 1, "filter": 1, "balance": 1, "mix": 1, "student": 1, "init": "scratch"}
    old = {"generations": [turn]}
    refuse_other_plan(tmp_path, old, {"generations": [turn, turn]})
    (tmp_path / "oracle" / "student").mkdir(parents=True)
    with pytest.raises(StoreError, match="used by oracle/student"):
        refuse_other_plan(tmp_path, old, {"generations": [turn, turn]})


@pytest.mark.parametrize(
    ("teachers", "stop", "updates"), [([1, 2, 3], False, 18), ([0, 2, 3], False, 12), ([0], True, 6)]
)
def test_the_oracle_is_given_the_updates_that_led_to_the_last_student(
    teachers: list[int], stop: bool, updates: int, tmp_path: Path
) -> None:
    """A student that its teacher outlasted adds nothing to the last one's training, nor does a generation never run."""
    parts, _, truth = toy.corpus()
    student = {"fit": {"batch": 12.0, "updates": 6}}
    plan = toy.plan(generations=3, generation={"init": "teacher", "student": student})
    run = open_run(tmp_path, plan, {"labeled": parts.labeled})
    for number, teacher in enumerate(teachers, 1):
        (tmp_path / f"gen{number}").mkdir()
        decision = {"teacher": teacher, "stop": stop}
        (tmp_path / f"gen{number}" / "6-teacher.json").write_text(json.dumps(decision))
    seen = []

    class Watching(toy.Toy):
        def train(self, data, plan, *, init, out, key):  # type: ignore[no-untyped-def]
            seen.append((plan.fit.updates, init))
            return super().train(data, plan, init=init, out=out, key=key)

    train_oracle(Watching(), parts, truth, plan, run)
    assert seen == [(updates, tmp_path / "gen0" / "student")]


def test_an_oracle_before_the_generations_is_refused(tmp_path: Path) -> None:
    parts, _, truth = toy.corpus()
    run = open_run(tmp_path, toy.plan(), {"labeled": parts.labeled})
    with pytest.raises(CorpusError, match="run the generations first"):
        train_oracle(toy.Toy(), parts, truth, toy.plan(), run)


def test_held_out_words_that_no_model_can_spell_are_told(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(corpus, tmp_path / "c")
    dev = folder / "dev.tsv"
    rows = dev.read_text().splitlines()
    dev.write_text("\n".join([*rows[:-1], rows[-1] + " LÖW"]) + "\n")
    words = [*tones.arguments(folder, tmp_path / "exp"), "teacher.fit.updates=5", "--only", "teacher"]
    assert cli.main(words) == 0
    assert "1 of 9 transcripts of dev hold what no labeled transcript has" in (tmp_path / "exp" / "run.log").read_text()
    head, *rest = rows
    dev.write_text("\n".join([head, *("\t".join([*r.split("\t")[:3], r.split("\t")[3].upper()]) for r in rest)]) + "\n")
    words = [*tones.arguments(folder, tmp_path / "other"), "teacher.fit.updates=5", "--only", "teacher"]
    assert cli.main(words) == 1
    assert "such as another case" in capsys.readouterr().err


def test_test_alone_without_a_model_is_an_error(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*tones.arguments(corpus, tmp_path / "exp"), "--only", "test"]) == 1
    assert "no model yet" in capsys.readouterr().err


def test_a_later_stage_takes_no_credit_for_what_was_made_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, _, _ = toy.corpus()
    for command, commit in (("run.sh --stage 1", "aaa"), ("run.sh --stage 2", "bbb"), ("run.sh --stage 2", "bbb")):
        monkeypatch.setenv("NST_ASR_COMMAND", command)
        monkeypatch.setattr("nst_asr.run._commit", lambda commit=commit: commit)
        open_run(tmp_path, toy.plan(), {"labeled": parts.labeled})
    about = json.loads((tmp_path / "run.json").read_text())
    assert about["command"] == "run.sh --stage 1\nrun.sh --stage 2"
    assert about["commit"] == "aaa"


def test_label_errors_of_labels_made_anew_are_forgotten(tmp_path: Path) -> None:
    parts, _, truth = toy.corpus()
    run = open_run(tmp_path, toy.plan(), {"labeled": parts.labeled, "unlabeled": parts.unlabeled, "dev": parts.dev})
    noisy_student(toy.Toy(), parts, toy.plan(), run)
    results.write(tmp_path, truth)
    assert results.collect(tmp_path)["generations"][1]["label_error"] is not None
    verdicts = tmp_path / "gen1" / "2-verdicts.parquet"
    pl.read_parquet(verdicts).write_parquet(verdicts)
    assert results.collect(tmp_path)["generations"][1]["label_error"] is None
    assert results.collect(tmp_path)["generations"][2]["label_error"] is not None


def test_a_teacher_that_says_nothing_ends_a_run_only_where_its_scores_are_needed(tmp_path: Path) -> None:
    class Mute(toy.ToyLabeler):
        def __call__(self, block):  # type: ignore[no-untyped-def]
            return super().__call__(block).with_columns(label=pl.lit(""), tokens=pl.lit([], SCHEMA["tokens"]))

    class Task(toy.Toy):
        def labeler(self, teachers, plan):  # type: ignore[no-untyped-def]
            return Mute(Model(teachers[0].path).path)

    parts, _, _ = toy.corpus()
    for name, filter_plan, error in (("a", {"score": 0.0}, GaugeError), ("b", {"empty": True}, ValueError)):
        plan = toy.plan(generation={"filter": filter_plan})
        run = open_run(tmp_path / name, plan, {"labeled": parts.labeled})
        with pytest.raises(error, match=r"normalised score needs|keeps none of 300"):
            noisy_student(Task(), parts, plan, run)
    assert (tmp_path / "b" / "gen1" / "2-waterfall.json").exists()
    assert Gauge(0, 0, 1, rows=0).normalised().meta.eq(pl.lit(None, pl.Float64))


def test_the_papers_cap_on_adaptive_time_masks_is_twenty() -> None:
    adaptive = SpecAugmentPlan(time_mask_rate=0.04, time_share=0.04)
    assert [adaptive.count(frames) for frames in (100, 400, 2000)] == [4, 16, 20]
    assert SpecAugmentPlan(time_share=0.05).count(2000) == 2
    with pytest.raises(ConfigError, match="no effect"):
        parse(SpecAugmentPlan, {"time_masks": 0, "time_mask_rate": 0.04, "time_share": 0.1})


def test_classes_may_be_given_a_number_each() -> None:
    count = 40
    labels = pl.DataFrame(
        [
            dict.fromkeys(SCHEMA) | {"id": f"i{i}", "size": 1.0, "label": "ab"[i % 4 == 0], "tokens": [i % 4 == 0]}
            for i in range(count)
        ],
        schema=SCHEMA,
    )
    shares, kept = Shares(np.array([1, 1]), ("a", "b")), pl.Series([True] * count)
    plan = BalancePlan(by="classes", per_class={"a": 5, "b": 20})
    copies = balance(labels, kept, shares, plan, Key(0)).table["copies"]
    assert [int(copies.filter(labels["label"] == name).sum()) for name in "ab"] == [5, 20]
    with pytest.raises(BalanceError, match="no number for the class 'b'"):
        balance(labels, kept, shares, BalancePlan(by="classes", per_class={"a": 5}), Key(0))


def test_settings_of_another_kind_of_balance_are_refused() -> None:
    with pytest.raises(ConfigError, match="cap has no effect"):
        parse(BalancePlan, {"by": "classes", "cap": 3.0})


@pytest.mark.parametrize("words", [["--stage", "6", "--stop-stage", "9"], ["--stage", "3", "--stop-stage", "1"]])
def test_stages_that_do_nothing_are_refused(words: list[str]) -> None:
    done = subprocess.run([ROOT / "recipes/digits/run.sh", *words], capture_output=True, text=True)
    assert done.returncode == 2
    assert "stages are 0 to 5" in done.stderr


def test_the_truth_is_no_set_with_hours(tmp_path: Path) -> None:
    """The report once failed on it."""
    parts, _, _ = toy.corpus()
    open_run(tmp_path, toy.plan(), {"labeled": parts.labeled, "truth": Truth(parts.labeled.rows.select("id", "label"))})
    assert set(json.loads((tmp_path / "corpus.json").read_text())["truth"]) == {"rows", "fingerprint"}
