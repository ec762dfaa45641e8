"""What the label table of speech holds: of one teacher, of several, and of another system."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import recognisers
from small_ngrams import SmallNgram

from nst_asr.align import align_counts
from nst_asr.config import ConfigError, parse
from nst_asr.corpus import Block
from nst_asr.labels import SCHEMA
from nst_asr.speech import ctc, decode, model
from nst_asr.speech.audio import read
from nst_asr.speech.labeler import SpeechLabeler
from nst_asr.speech.plan import Decode
from nst_asr.speech.task import Speech
from nst_asr.speech.teachers import agreement, distances
from nst_asr.speech.unspoken import unspoken
from nst_asr.store import StoreError
from nst_asr.task import Model


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teachers")
    for seed in range(3):
        recognisers.recogniser(folder / f"{seed}", seed)
    recognisers.recogniser(folder / "letters", 5, kind="char")
    recognisers.recogniser(folder / "foreign-letters", 7, ("abc",), kind="char")
    return folder


@pytest.fixture(scope="module")
def block(tmp_path_factory: pytest.TempPathFactory) -> Block:
    return Block(0, recognisers.rows(tmp_path_factory.mktemp("audio"), 8))


def labeler(place: Path, *others: str, first: str = "0", **plan: Any) -> SpeechLabeler:
    decoding = parse(Decode, {"teachers": [str(place / name) for name in others]} | plan)
    return Speech(recognisers.FEATURES, None).labeler([Model(place / first)], decoding)  # type: ignore[arg-type]


def test_every_column_of_one_teacher_is_that_of_its_frames(place: Path, block: Block) -> None:
    table = labeler(place)(block)
    assert dict(table.schema) == SCHEMA
    teacher = model.load(place / "0")
    for row in table.iter_rows(named=True):
        wave = read(block.rows.filter(id=row["id"])["path"][0], 4000)
        log_probs, lengths = teacher.log_probs([wave])
        (sure,) = decode.confidences(log_probs, lengths, [row["tokens"]])
        (path,) = decode.align(log_probs, lengths, [row["tokens"]])
        assert teacher.tokenizer.decode(row["tokens"]) == row["label"]
        assert row["token_tsallis_confidence"] == pytest.approx(sure.token_tsallis, abs=1e-4)
        assert row["token_confidence"] == pytest.approx(sure.tokens, abs=1e-4)
        assert row["logprob"] == pytest.approx(
            float(ctc.log_probability(log_probs, lengths, [row["tokens"]])), abs=1e-3
        )
        assert row["unspoken"] == pytest.approx(unspoken(wave, 4000, path, 0.04))
    assert (
        table.select("score", "lm_logprob", "margin", "lm_distance", "agreement", "alternatives").null_count().row(0)
        == (8,) * 6
    )


def test_the_fingerprint_of_one_teacher_is_what_it_was_before_there_were_others(place: Path) -> None:
    known = (place / "0" / "HASH").read_text().strip()
    expected = hashlib.blake2b(f'{known}\n{{"beam":1,"batch":120.0}}'.encode(), digest_size=12).hexdigest()
    assert labeler(place).fingerprint == expected


def test_the_margin_is_that_of_the_beam(place: Path, block: Block) -> None:
    table = labeler(place, beam=4)(block)
    assert (table["margin"] >= 0).all()
    assert table["margin"].null_count() == 0


def test_with_a_language_model_the_label_without_it_stands_beside(place: Path, block: Block, tmp_path: Path) -> None:
    arpa = SmallNgram(recognisers.WORDS, 2, seed=1).write(tmp_path / "lm.arpa")
    lm = {"path": str(arpa), "weight": 3.0, "bonus": 1.0, "nbest": 4}
    table, alone = labeler(place, beam=8, lm=lm)(block), labeler(place)(block)
    assert table["label_without_lm"].equals(alone["label"], check_names=False)
    assert (table["label"] != alone["label"]).any()
    counts = align_counts(table["label_without_lm"].to_list(), table["label"].to_list(), "character")
    expected = counts[:, :3].sum(1) / np.maximum(counts[:, 3], 1)
    assert table["lm_distance"].to_list() == pytest.approx(expected.tolist())
    assert table.select("score", "lm_logprob", "lm_distance").null_count().row(0) == (0, 0, 0)
    teacher = model.load(place / "0")
    frames = teacher.log_probs([read(block.rows["path"][0], 4000)])
    forward = float(ctc.log_probability(*frames, [table["tokens"][0].to_list()]))
    assert table["logprob"][0] == pytest.approx(forward, abs=1e-3)  # by the teacher alone


def test_teachers_of_a_plan_change_the_fingerprint_and_so_does_their_vote(place: Path) -> None:
    found = [
        labeler(place),
        labeler(place, "1"),
        labeler(place, "2"),
        labeler(place, "1", vote="majority"),
        labeler(place, "1", vote="none"),
        labeler(place, "1", "2"),
        labeler(place, "2", "1"),
    ]
    assert len({each.fingerprint for each in found}) == len(found)


def test_the_same_teacher_thrice_agrees_and_changes_nothing(place: Path, block: Block) -> None:
    alone = labeler(place)(block)
    for vote in ("mean", "majority", "none"):
        together = labeler(place, "0", "0", vote=vote)(block)
        assert together["agreement"].to_list() == [1.0] * 8
        assert together["alternatives"].to_list() == [[text] * 3 for text in alone["label"]]
        assert together["label"].equals(alone["label"])
        assert (together["logprob"] - alone["logprob"]).abs().max() < 1e-4  # type: ignore[operator]


def test_agreement_and_alternatives_are_those_of_the_teachers_own_labels(place: Path, block: Block) -> None:
    own = [labeler(place, first=name)(block)["label"].to_list() for name in ("0", "1", "2")]
    assert len({tuple(labels) for labels in own}) == 3
    for vote in ("mean", "majority", "none"):
        table = labeler(place, "1", "2", vote=vote)(block)
        assert table["alternatives"].to_list() == [list(texts) for texts in zip(*own, strict=True)]
        assert table["agreement"].to_list() == pytest.approx(agreement(distances(own)).tolist())


def test_none_takes_the_first_teachers_label_with_all_that_it_says(place: Path, block: Block) -> None:
    apart = ("agreement", "alternatives")
    assert labeler(place, "1", "2", vote="none")(block).drop(apart).equals(labeler(place)(block).drop(apart))


def test_the_mean_is_that_of_the_probabilities(place: Path, block: Block) -> None:
    table = labeler(place, "1", batch=0.1)(block)
    for row in table.iter_rows(named=True):
        wave = read(block.rows.filter(id=row["id"])["path"][0], 4000)
        frames = [model.load(place / name).log_probs([wave]) for name in ("0", "1")]
        mean = ((frames[0][0].exp() + frames[1][0].exp()) / 2).log()
        assert decode.greedy(mean, frames[0][1]) == [row["tokens"]]
        assert row["logprob"] == pytest.approx(
            float(ctc.log_probability(mean, frames[0][1], [row["tokens"]])), abs=1e-3
        )


def test_the_majority_outvotes_the_first_teacher_and_is_judged_by_it(place: Path, block: Block) -> None:
    own = {name: labeler(place, first=name)(block) for name in ("0", "1")}
    table = labeler(place, "1", "1", vote="majority")(block)
    teacher = model.load(place / "0")
    changed = 0
    for i, row in enumerate(table.iter_rows(named=True)):
        wanted = own["1"]["label"][i]
        if row["label"] != wanted:
            assert row["label"] == own["0"]["label"][i]  # the first cannot align the other's label
            continue
        changed += row["label"] != own["0"]["label"][i]
        frames = teacher.log_probs([read(block.rows["path"][i], 4000)])
        assert row["tokens"] == teacher.tokenizer.encode(wanted)
        assert row["logprob"] == pytest.approx(float(ctc.log_probability(*frames, [row["tokens"]])), abs=1e-3)
    assert changed


def test_teachers_with_other_units_vote_but_have_no_mean(place: Path, block: Block) -> None:
    table = labeler(place, "letters", vote="none")(block)
    assert table["alternatives"].list.len().to_list() == [2] * 8
    with pytest.raises(StoreError, match=r"need the same tokenizer, .* take label\.vote = majority"):
        labeler(place, "letters")(block)


def test_a_label_that_the_first_teacher_cannot_spell_leaves_its_own(place: Path, block: Block) -> None:
    table = labeler(place, "foreign-letters", "foreign-letters", vote="majority")(block)
    own = labeler(place)(block)
    odd = [set(texts[1]) <= set("abc ") and texts[1] != "" for texts in table["alternatives"]]
    assert any(odd)
    assert table.filter(pl.Series(odd))["label"].equals(own.filter(pl.Series(odd))["label"])


def test_a_missing_teacher_is_refused(place: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere: not a model folder"):
        labeler(place, "nowhere")


def test_scores_are_those_of_the_model_alone(place: Path, block: Block) -> None:
    task = Speech(recognisers.FEATURES, None)  # type: ignore[arg-type]
    plan = parse(Decode, {"teachers": [str(place / "1")], "vote": "majority"})
    assert task.heard(Model(place / "0"), block.rows, plan).equals(labeler(place)(block))


def foreign(place: Path, folder: Path, lines: list[str], **plan: Any) -> SpeechLabeler:
    (folder / "whisper.tsv").write_text("\n".join(lines) + "\n")
    return labeler(place, foreign=str(folder / "whisper.tsv"), **plan)


def test_foreign_labels_are_scored_by_the_teacher(place: Path, block: Block, tmp_path: Path) -> None:
    own = labeler(place)(block)
    lines = ["id\ttext", "u0\tlow", "u2\tlow  mid", f"u3\t{own['label'][3]}", "u5\tnihao", "u7\t" + "mid " * 50]
    given = foreign(place, tmp_path, lines)
    table = given(block)
    assert table["label"].to_list() == ["low", "", "low mid", own["label"][3], "", "nihao", "", " ".join(["mid"] * 50)]
    teacher = model.load(place / "0")
    frames = teacher.log_probs([read(block.rows["path"][2], 4000)])
    assert table["tokens"][2].to_list() == teacher.tokenizer.encode("low mid")
    assert table["logprob"][2] == pytest.approx(
        float(ctc.log_probability(*frames, [table["tokens"][2].to_list()])), abs=1e-3
    )
    same = ("label", "tokens", "logprob", "token_confidence", "token_tsallis_confidence", "unspoken")
    assert table.select(same).row(3) == own.select(same).row(3)
    assert table["agreement"][3] == 1.0
    assert table["alternatives"][0].to_list() == ["low", own["label"][0]]
    # neither can be trained on: no tokens, and no logprob, which the filter's rule `finite` rejects
    assert table["tokens"][5].to_list() == table["tokens"][7].to_list() == []
    assert table["logprob"][5] is table["logprob"][7] is None
    assert given.fingerprint.startswith("foreign: ")


def test_what_a_foreign_file_says_stands_in_the_table(place: Path, block: Block, tmp_path: Path) -> None:
    lines = [
        "id\ttext\tscore\tconfidence\tlogprob",
        "u0\tlow\t-4\t0.25\t-3",
        "u1\tmid\t-5\t0.5\t-6",
        "u2\tdrei\t-1\t1\t-1",
    ]
    table = foreign(place, tmp_path, lines)(block)
    said = table.select("score", "confidence", "logprob").head(4).rows()
    assert said == [(-4.0, 0.25, -3.0), (-5.0, 0.5, -6.0), (None,) * 3, (None,) * 3]
    assert len(table["token_confidence"][0]) == 1
    assert np.isfinite(table["entropy_confidence"].to_numpy()).all()


def test_another_foreign_file_is_another_fingerprint(place: Path, tmp_path: Path) -> None:
    first = foreign(place, tmp_path, ["id\ttext", "u0\tlow"]).fingerprint
    assert foreign(place, tmp_path, ["id\ttext", "u0\tlow"]).fingerprint == first
    assert foreign(place, tmp_path, ["id\ttext", "u0\tmid"]).fingerprint != first
    assert foreign(place, tmp_path, ["id\ttext", "u0\tlow"], first="1").fingerprint != first


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"foreign": "a.tsv", "teachers": ["b"]}, "leave out teachers, or foreign"),
        ({"foreign_dev": "a.tsv"}, "give both"),
        ({"vote": "median"}, "vote = 'median'"),
    ],
)
def test_plans_that_contradict_themselves_are_refused(plan: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse(Decode, plan)
