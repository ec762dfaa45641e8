"""What the sixth review found in labeling: labels of other systems, shards, and what is refused too late."""

import json
import logging
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from nst_asr import cli
from nst_asr.config import ConfigError, parse
from nst_asr.corpus import Unlabeled
from nst_asr.foreign import Foreign, ForeignError, read_labels
from nst_asr.labels import SCHEMA, label
from nst_asr.parts import look, write_part
from nst_asr.plan import expand
from nst_asr.side_by_side import pieces
from nst_asr.speech.import_labels import import_labels
from nst_asr.speech.plan import SpeechPlan
from nst_asr.speech.start import refuse_other_units
from nst_asr.speech.tokenizer import Tokenizer, TokenizerError, TokenizerPlan, train
from nst_asr.store import StoreError
from nst_asr.vision.plan import VisionPlan


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": "u", "text": "x", "score": 1' + "0" * 400 + "}", r"line 1: score = 1000.*give a number"),
        ('{"id": "u", "text": "x", "score": 1' + "0" * 5000 + "}", r"line 1: not JSON"),
        ("[" * 100_000, r"line 1: not JSON"),
        (r'{"id": "u", "text": "\ud800"}', r"line 1: text = '\\ud800'.* half of a character"),
        (r'{"id": "\udc00", "text": "x"}', r"line 1: id = '\\udc00'.* half of a character"),
    ],
)
def test_odd_json_of_another_system_is_refused_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ForeignError, match=said):
        read_labels(write(tmp_path / "a.jsonl", line))


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """As much of a run folder as labels are imported into."""
    (tmp_path / "run").mkdir()
    write(tmp_path / "run/plan.yaml", "task: speech")
    (tmp_path / "run/tokenizer").mkdir()
    (tmp_path / "run/corpus").mkdir()
    train(["one two"], TokenizerPlan(kind="word")).save(tmp_path / "run/tokenizer")
    for name, ids in {"unlabeled": ["u1", "u2"], "dev": ["d1"]}.items():
        pl.DataFrame({"id": ids}).write_parquet(tmp_path / f"run/corpus/{name}.parquet")
    return tmp_path / "run"


def test_where_normalisation_refuses_every_text_the_import_says_so(
    begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = write(tmp_path / "a.jsonl", json.dumps({"id": "u1", "text": "one\0two"}))
    assert cli.main(["import-labels", str(begun), str(labels)]) == 1
    assert "no text is left" in capsys.readouterr().err


def test_files_that_do_not_fit_together_are_refused_before_anything_is_written(begun: Path, tmp_path: Path) -> None:
    pool = write(tmp_path / "pool.tsv", "id\ttext\tscore", "u1\tone\t-1")
    dev = write(tmp_path / "dev.tsv", "id\ttext", "d1\tone")
    with pytest.raises(ForeignError, match="give both files the same columns"):
        import_labels(begun, {"unlabeled": pool, "dev": dev})
    assert not (begun / "foreign").exists()


def test_a_label_of_no_set_of_the_run_is_not_written(begun: Path, tmp_path: Path) -> None:
    lines = [json.dumps({"id": name, "text": "one"}) for name in ("u1", "tab\tin it", "d1")]
    written = import_labels(begun, {"unlabeled": write(tmp_path / "a.jsonl", *lines)})
    assert read_labels(written["unlabeled"])["id"].to_list() == ["u1", "d1"]


def test_settings_of_an_import_can_be_pasted_into_a_shell(
    begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = begun.rename(tmp_path / "my run")
    assert cli.main(["import-labels", str(folder), str(write(tmp_path / "a.tsv", "id\ttext", "u1\tone"))]) == 0
    assert f"'generation.label.foreign={folder}/foreign/unlabeled.tsv'" in capsys.readouterr().out


def test_an_absent_label_is_told_from_one_of_no_text(tmp_path: Path) -> None:
    found = Foreign.at([write(tmp_path / "a.tsv", "id\ttext", "u1\tone", "u2\t")])
    assert found.of(pl.Series("id", ["u1", "u2", "u3"]))["text"].to_list() == ["one", "", None]


def test_characters_of_single_words_have_no_unit_for_the_blank_between_two() -> None:
    units = train(["one", "two"], TokenizerPlan(kind="char"))
    assert units.encode("two") == units.encode(" two ")
    with pytest.raises(TokenizerError, match=r"does not know the characters ' ' in 'one two'"):
        units.encode("one two")
    assert units.unknown("one two") == " "


def speech_plan(**generation: Any) -> SpeechPlan:
    content = {
        "recipe": "r",
        "tokenizer": {"kind": "char"},
        "label": {},
        "teacher": {"fit": {"updates": 200, "batch": 8}},
        "generation": generation,
        "generations": 1,
    }
    return parse(SpeechPlan, expand(content))


def test_sampling_from_one_teacher_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(ConfigError, match=r"generation 1: .* no alternatives to draw from"):
        speech_plan(mix={"labels": "sampled"})
    speech_plan(mix={"labels": "sampled"}, label={"teachers": ["elsewhere"]})
    speech_plan(mix={"labels": "sampled"}, label={"foreign": "a.tsv"})


def test_sampling_of_classes_is_refused_before_anything_is_trained() -> None:
    net = {"fit": {"updates": 200, "batch": 8}, "model": {"name": "convnet5"}}
    content = {"recipe": "r", "task": "vision", "teacher": net, "generations": 1, "label": {}}
    with pytest.raises(ConfigError, match=r"generation 1: .* no alternatives to draw from"):
        parse(VisionPlan, expand(content | {"generation": {"mix": {"labels": "sampled"}}}))


def test_teachers_of_other_units_have_no_mean_and_that_is_said_at_the_start(tmp_path: Path) -> None:
    mine, other = train(["one two"], TokenizerPlan(kind="char")), train(["three"], TokenizerPlan(kind="char"))
    for name, units in {"same": mine, "other": other}.items():
        (tmp_path / name).mkdir()
        units.save(tmp_path / name)
    refuse_other_units(speech_plan(label={"teachers": [str(tmp_path / "same")]}), mine)
    refuse_other_units(speech_plan(label={"teachers": [str(tmp_path / "other")], "vote": "majority"}), mine)
    mean = speech_plan(label={"teachers": [str(tmp_path / "other")]})
    with pytest.raises(StoreError, match=r"generation 1: .*other has other units .* label\.vote = majority"):
        refuse_other_units(mean, Tokenizer.load(tmp_path / "same"))


class Quiet:
    fingerprint = "quiet"

    def __call__(self, block: Any) -> pl.DataFrame:
        rows: pl.DataFrame = block.rows.select("id", "size").match_to_schema(SCHEMA, missing_columns="insert")
        return rows


POOL = Unlabeled(
    pl.DataFrame({"id": list("abcdef"), "size": [1.0] * 6, "group": ["g"] * 6}, schema_overrides={"size": pl.Float32})
)


def test_a_part_that_another_process_has_mended_is_not_moved_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label(Quiet(), POOL, tmp_path, block=2)
    bad = tmp_path / "part-00001.parquet"
    whole = bad.read_bytes()
    bad.write_bytes(whole[:-1])
    seen: list[Path] = []

    def look_while_it_is_mended(path: Path, *, thorough: bool) -> Any:
        found = look(path, thorough=thorough)
        if found.fault and not seen:
            seen.append(path)
            os.replace(bad, tmp_path / f"{bad.name}.damaged")
            bad.write_bytes(whole)
        return found

    monkeypatch.setattr("nst_asr.labels.look", look_while_it_is_mended)
    label(Quiet(), POOL, tmp_path, block=2, verify=True)
    assert seen
    assert [path.name for path in tmp_path.glob("*.damaged*")] == [f"{bad.name}.damaged"]


def test_who_asks_whether_parts_are_whole_gets_an_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="nst_asr")
    label(Quiet(), POOL, tmp_path, block=2)
    assert "whole" not in caplog.text
    label(Quiet(), POOL, tmp_path, block=2, verify=True)
    assert "label unlabeled: all 3 parts that are there are whole" in caplog.text


def test_damage_to_the_name_of_the_digest_is_noticed_too(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    write_part(path, pl.DataFrame({"a": [1, 2]}), {"labeler": "x"})
    content = path.read_bytes()
    place = content.rfind(b"digest")
    path.write_bytes(content[:place] + b"dagest" + content[place + 6 :])
    assert look(path, thorough=True).fault


def test_a_folder_that_an_older_version_began_is_not_called_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "plan.yaml", "task: speech")
    assert cli.main(["label", str(tmp_path)]) == 1
    assert "no given.json" in capsys.readouterr().err


def test_a_table_that_an_older_version_began_and_this_one_ended_is_read_as_one(tmp_path: Path) -> None:
    parts = label(Quiet(), POOL, tmp_path, block=2).paths()
    old = pl.read_parquet(parts[0]).drop("token_tsallis_confidence", "alternatives", "agreement")
    old.write_parquet(parts[0])  # nor does it have a digest
    (whole,) = pieces(parts, ["id", "agreement"])
    assert whole["id"].to_list() == list("abcdef")
    (whole,) = pieces(parts[::-1], ["id", "agreement"])
    assert len(whole) == 6
