"""The verb score-wer: numbers by hand and by jiwer, ids that do not agree, parts, comparison, estimate, files out."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import polars as pl
import pytest

from nst_asr.cli import main
from nst_asr.key import Key
from nst_asr.score import compare, read_score, score
from nst_asr.scoring.groups import UNKNOWN
from tests.scoring.scored import only, refused, scored, write

ROOT = Path(__file__).parents[2]


def texts(seed: int, wrong: float, number: int = 120) -> list[str]:
    """Sentences of five letters; `wrong` of the words of those of seed 0 changed, left out or doubled."""
    said = np.random.default_rng(0)
    draw = np.random.default_rng(seed)
    lines = []
    for _ in range(number):
        words = [str(word) for word in said.choice(list("abcde"), said.integers(1, 9))]
        heard = [[[], ["x"], [word, word]][draw.integers(3)] if draw.random() < wrong else [word] for word in words]
        lines.append(" ".join(word for some in heard for word in some))
    return lines


def trn(path: Path, lines: list[str]) -> str:
    return write(path, "".join(f"{line} (s{place % 8}-u{place})\n" for place, line in enumerate(lines)))


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """References and two systems of 30 and 15 % errors."""
    return [trn(tmp_path / f"{name}.trn", texts(seed, wrong)) for name, seed, wrong in _SYSTEMS]


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed, on one line."""
    return " ".join(capsys.readouterr().out.split())


_SYSTEMS = (("ref", 0, 0.0), ("first", 1, 0.3), ("second", 2, 0.15))


def test_the_table_and_the_json_have_the_fractions_worked_by_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # one substitution and one insertion, one deletion, none: 3 errors in 3 + 2 + 1 words
    reference = write(tmp_path / "ref", "u1 a b c\nu2 d e\nu3 f\n")
    heard = write(tmp_path / "hyp", "u3 f\nu1 a x c y\nu2 d\n")
    found = scored(tmp_path, reference, heard)
    numbers = only(found)["score"]
    assert [numbers[name] for name in ("errors", "words", "rate", "correct")] == [3, 6, 0.5, 4]
    assert [numbers[name] for name in ("substitutions", "deletions", "insertions")] == [1, 1, 1]
    assert numbers["sentence_rate"] == 2 / 3
    assert numbers["characters"] == {"errors": 5, "characters": 9, "rate": 5 / 9}
    assert only(found)["confusions"] == {
        "substitutions": [{"reference": "b", "hypothesis": "x", "count": 1}],
        "deletions": [{"word": "e", "count": 1}],
        "insertions": [{"word": "y", "count": 1}],
        "kinds": {"substitutions": 1, "deletions": 1, "insertions": 1},
    }
    printed = capsys.readouterr().out
    assert re.search(r"hyp +50\.00 +\[.*\] +66\.67 +16\.67 +16\.67 +16\.67 +55\.56 +66\.67\n", printed)
    assert "of 6 words, 9 characters, 3 sentences; interval: bootstrap over utterances" in printed
    assert max(map(len, printed.splitlines())) <= 100


def test_the_rates_are_those_of_jiwer(files: list[str], tmp_path: Path) -> None:
    found = scored(tmp_path, *files)
    said = texts(0, 0.0)
    for name, (_, seed, wrong) in zip(files[1:], _SYSTEMS[1:], strict=True):
        numbers = found["hypotheses"][name]["score"]
        assert numbers["rate"] == pytest.approx(jiwer.wer(said, texts(seed, wrong)), abs=1e-12)
        assert numbers["characters"]["rate"] == pytest.approx(jiwer.cer(said, texts(seed, wrong)), abs=1e-12)


def test_numbers_that_stand_in_any_format_are_the_same(tmp_path: Path, files: list[str]) -> None:
    lines = [line.rsplit(" (", 1) for line in Path(files[0]).read_text().splitlines()]
    heard = [line.rsplit(" (", 1) for line in Path(files[1]).read_text().splitlines()]
    both = zip(lines, heard, strict=True)
    manifest = [{"audio_filepath": a[1], "text": a[0], "pred_text": b[0]} for a, b in both]
    write(tmp_path / "m.json", "".join(json.dumps(row) + "\n" for row in manifest))
    first = scored(tmp_path, *files[:2])
    second = scored(tmp_path, str(tmp_path / "m.json"))
    wanted = ("errors", "words", "rate", "substitutions", "sentence_errors")
    assert [only(first)["score"][name] for name in wanted] == [only(second)["score"][name] for name in wanted]


def test_sclites_costs_are_asked_for_by_name(tmp_path: Path) -> None:
    # unit: 3 substitutions (3 < 4); sclite: 2 deletions and 2 insertions around the match (12 = 12, 9 < 12 with 1 sub)
    reference, heard = write(tmp_path / "r", "u a b c\n"), write(tmp_path / "h", "u b c d\n")
    unit, sclite = (only(scored(tmp_path, reference, heard, "--costs", costs)) for costs in ("unit", "sclite"))
    assert unit["score"]["errors"] == 2
    assert [sclite["score"][name] for name in ("substitutions", "deletions", "insertions")] == [0, 1, 1]
    longer = write(tmp_path / "r", "u a b c d\n"), write(tmp_path / "h", "u d x y z\n")
    assert only(scored(tmp_path, *longer))["score"]["substitutions"] == 4
    found = scored(tmp_path, *longer, "--costs", "sclite")
    assert (found["costs"], only(found)["score"]["substitutions"]) == ("sclite", 4)


def test_missing_ids_are_refused_scored_as_empty_or_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write(tmp_path / "r", "u1 a b\nu2 c\nu3 d\n"), write(tmp_path / "h", "u1 a b\n")
    said = refused(capsys, *files)
    assert "no hypothesis for 2 of 3 references: u2, u3; --missing empty" in said
    empty = scored(tmp_path, *files, "--missing", "empty")
    assert (only(empty)["score"]["deletions"], only(empty)["score"]["words"]) == (2, 4)
    assert only(empty)["missing"] == 2
    assert "2 references without a hypothesis, scored as empty: u2, u3" in shown(capsys)
    skipped = scored(tmp_path, *files, "--missing", "skip")
    assert (only(skipped)["score"]["words"], skipped["reference"]["left_out"]) == (2, 2)
    assert "left out of the scoring: u2, u3" in shown(capsys)


def test_what_one_system_lacks_is_left_out_for_all(tmp_path: Path) -> None:
    reference = write(tmp_path / "r", "u1 a\nu2 b\nu3 c\n")
    first, second = write(tmp_path / "a", "u1 a\nu2 b\n"), write(tmp_path / "b", "u2 b\nu3 c\n")
    found = scored(tmp_path, reference, first, second, "--missing", "skip")
    assert {one["score"]["sentences"] for one in found["hypotheses"].values()} == {1}


def test_extra_ids_are_refused_or_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write(tmp_path / "r", "u1 a\n"), write(tmp_path / "h", "u1 a\nu9 b\n")
    assert "1 id without a reference in" in refused(capsys, *files)
    found = scored(tmp_path, *files, "--extra", "skip")
    assert (only(found)["extra"], only(found)["score"]["errors"]) == (1, 0)
    other = write(tmp_path / "o", "x a\n")
    assert "none of its ids is in" in refused(capsys, files[0], other, "--missing", "empty", "--extra", "skip")


def test_ids_that_occur_twice_are_refused_unless_their_texts_are_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = write(tmp_path / "r", "u1 a\nu2 b\nu1 a\n")
    heard = write(tmp_path / "h", "u1 a\nu2 b\nu2 c\n")
    assert "u2 has 2 different texts (lines 2, 3)" in refused(capsys, reference, heard)
    found = scored(tmp_path, reference, write(tmp_path / "h", "u1 a\nu2 b\n"))
    assert found["reference"]["notes"] == ["1 repeated utterance dropped, such as u1"]


def test_empty_texts_are_counted_and_said(tmp_path: Path) -> None:
    found = scored(tmp_path, write(tmp_path / "r", "u1\nu2 a b\n"), write(tmp_path / "h", "u1 x\nu2\n"))
    assert (found["reference"]["empty"], only(found)["empty"]) == (1, 1)
    assert only(found)["score"]["errors"] == 3
    assert only(found)["notes"] == ["1 text of 2 empty"]


def test_another_unicode_form_or_case_is_warned_of(tmp_path: Path) -> None:
    composed, parted = write(tmp_path / "r", "u1 é a\n"), write(tmp_path / "h", "u1 e\u0301 a\n")
    found = only(scored(tmp_path, composed, parted))
    assert found["score"]["errors"] == 1
    assert "--normalise nfc" in found["warnings"][0]
    mended = only(scored(tmp_path, composed, parted, "--normalise", "nfc"))
    assert (mended["score"]["errors"], mended["warnings"]) == (0, [])
    loud = only(scored(tmp_path, write(tmp_path / "r", "u1 A B\n"), write(tmp_path / "h", "u1 a b\n")))
    assert "--normalise ignore-case" in loud["warnings"][0]


def test_parts_are_scored_by_speaker_duration_and_columns_of_side_files(tmp_path: Path) -> None:
    reference = write(tmp_path / "r", "s1-a x y\ns1-b z\ns2-a x y z\n")
    heard = write(tmp_path / "h", "s1-a x q\ns1-b z\ns2-a x\n")
    side = write(tmp_path / "side.csv", "id,room,mood\ns1-a,small,\ns1-b,big,good\ns2-a,big,good\nother,x,y\n")
    durations = write(tmp_path / "utt2dur", "s1-a 1.5\ns1-b 3\ns2-a 4.5\n")
    ways = ["--by", "speaker", "--by", "duration", "--by", "room", "--by", "mood", "--bands", "2,4"]
    files = ["--side", side, "--side", durations, "--from-id", "speaker=^[^-]+"]
    found = scored(tmp_path, reference, heard, *ways, *files)
    by = only(found)["by"]
    counts = {
        name: {row["group"]: (row["utterances"], row["words"], row["errors"]) for row in rows}
        for name, rows in by.items()
    }
    assert counts == {
        "speaker": {"s1": (2, 3, 1), "s2": (1, 3, 2)},
        "duration": {"under 2 s": (1, 2, 1), "2 to 4 s": (1, 1, 0), "4 s and over": (1, 3, 2)},
        "room": {"big": (2, 4, 2), "small": (1, 2, 1)},
        "mood": {"good": (2, 4, 2), UNKNOWN: (1, 2, 1)},
    }
    assert by["speaker"][1]["rate"] == pytest.approx(2 / 3)
    assert by["speaker"][1]["low"] <= by["speaker"][1]["rate"] <= by["speaker"][1]["high"]
    assert (found["reference"]["speakers"], found["reference"]["hours"]) == (2, pytest.approx(9 / 3600))


def test_numbers_of_many_kinds_are_cut_into_fifths(files: list[str], tmp_path: Path) -> None:
    rows = "".join(f"s{place % 8}-u{place}\t{place / 2}\n" for place in range(120))
    side = write(tmp_path / "side.tsv", "id\tsnr\n" + rows)
    groups = only(scored(tmp_path, *files[:2], "--side", side, "--by", "snr"))["by"]["snr"]
    assert [row["utterances"] for row in groups] == [24] * 5
    assert [row["group"] for row in groups][::4] == ["under 11.9", "47.6 and over"]


def test_numbers_that_are_not_finite_are_unknown(tmp_path: Path) -> None:
    reference = write(tmp_path / "r", "u1 a\nu2 b\n")
    side = write(tmp_path / "s.csv", "id,seconds,snr\nu1,nan,nan\nu2,inf,1.5\n")
    found = scored(tmp_path, reference, write(tmp_path / "h", "u1 a\nu2 b\n"), "--side", side, "--by", "snr")
    assert found["reference"]["hours"] is None
    assert [row["group"] for row in only(found)["by"]["snr"]] == ["1.5", "nan"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--by", "room"], "--by room: not known of the references"),
        (["--by", "duration"], "--by duration: not known"),
        (["--blocks", "chapter"], "--blocks chapter: not known"),
        (["--bands", "2,5"], "--bands means nothing without --by duration"),
        (["--alignments", "5"], "--alignments means nothing without --align"),
        (["--baseline", "x"], "--baseline means nothing without --oracle"),
        (["--confidence", "x"], "--confidence means nothing without --estimate"),
        (["--align", "worst", "--alignments", "0"], "--alignments 0: give a number of at least 1"),
        (["--confusions", "-1"], "--confusions -1"),
        (["--from-id", "speaker"], "--from-id speaker: give NAME=REGEX"),
        (["--from-id", "speaker=("], "--from-id speaker=(: give NAME=REGEX"),
        (["--from-id", "speaker=^q"], "matches no id, such as s0-u0"),
        (["--utterances", "x.txt"], "--utterances x.txt: give a name that ends in"),
        (["--normalise", "lowercase"], "--normalise lowercase: neither"),
        (["--hypothesis-column", "text"], "sclite trn has no columns"),
        (["--side", "nowhere.csv"], "nowhere.csv: no such file"),
    ],
)
def test_options_that_cannot_be_followed_are_refused(
    arguments: list[str], message: str, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(capsys, *files[:2], *arguments)


def test_bands_that_do_not_ascend_are_refused(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "give ascending numbers" in refused(capsys, *files[:2], "--by", "duration", "--bands", "5,2")


def test_a_side_file_of_other_ids_or_with_two_values_is_refused(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    side = write(tmp_path / "side.csv", "id,room\nx,1\n")
    assert "none of its ids (x, ...)" in refused(capsys, *files[:2], "--side", side, "--by", "room")
    side = write(tmp_path / "side.csv", "id,room\ns0-u0,1\ns0-u0,2\n")
    assert "s0-u0 has more than one value" in refused(capsys, *files[:2], "--side", side, "--by", "room")
    assert "none of the columns" in refused(capsys, *files[:2], "--side", side, "--by", "house")


def test_options_are_not_abbreviated(files: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["score-wer", *files, "--norm", "nfc"])
    assert caught.value.code == 2


def test_hypotheses_may_stand_behind_options(files: list[str], tmp_path: Path) -> None:
    found = scored(tmp_path, files[0], "--by", "speaker", files[1], "--confusions", "0", files[2])
    assert list(found["hypotheses"]) == files[1:]
    assert only(scored(tmp_path, files[0], files[1], "--confusions", "0"))["confusions"] is None


def frames(files: list[str]) -> list[pl.DataFrame]:
    """The texts of the files as tables of id, group and label."""
    tables = []
    for name in files:
        rows = [re.fullmatch(r"(.*) \((s\d)-(u\d+)\)", line) for line in Path(name).read_text().splitlines()]
        found = [(f"{row[2]}-{row[3]}", row[2], row[1]) for row in rows if row]
        tables.append(pl.DataFrame(found, schema=["id", "group", "label"], orient="row"))
    return tables


def test_interval_and_comparison_are_those_of_the_package(files: list[str], tmp_path: Path) -> None:
    found = scored(tmp_path, *files)
    reference, *heard = frames(files)
    first, second = (score(reference, table.select("id", "label")) for table in heard)
    assert found["hypotheses"][files[1]]["score"]["interval_over"] == "speaker"
    assert (found["hypotheses"][files[1]]["score"]["low"], found["hypotheses"][files[1]]["score"]["high"]) == (
        first.interval
    )
    (comparison,) = found["comparisons"]
    assert (comparison["than"], comparison["of"]) == (files[1], files[2])
    expected = compare(first, second, Key(0)["score-wer"]["compare"]).to_json() | {"over": "speaker"}
    assert comparison["bootstrap"] == expected
    assert comparison["bootstrap"]["significantly_better"]
    assert (comparison["matched_pairs"]["better"], comparison["matched_pairs"]["significant"]) == ("second", True)


def test_the_bootstrap_draws_the_blocks_that_are_asked_for(files: list[str], tmp_path: Path) -> None:
    alone = only(scored(tmp_path, *files[:2], "--blocks", "utterance"))["score"]
    assert alone["interval_over"] == "utterance"
    column = ["--from-id", "chapter=u([0-9])", "--blocks", "chapter"]
    chapters = scored(tmp_path, *files, *column)
    assert chapters["hypotheses"][files[1]]["score"]["interval_over"] == "chapter"
    assert chapters["comparisons"][0]["bootstrap"]["over"] == "chapter"
    assert chapters["hypotheses"][files[1]]["score"]["low"] != alone["low"]


def test_the_recovery_rate_is_how_far_a_system_goes_from_baseline_to_oracle(files: list[str], tmp_path: Path) -> None:
    best = trn(tmp_path / "best.trn", texts(3, 0.02))
    found = scored(tmp_path, files[0], files[2], "--baseline", files[1], "--oracle", best)["hypotheses"]
    rates = [found[name]["score"]["rate"] for name in (files[1], files[2], best)]
    recovery = found[files[2]]["recovery"]
    assert recovery["rate"] == pytest.approx((rates[0] - rates[1]) / (rates[0] - rates[2]))
    assert recovery["low"] < recovery["rate"] < recovery["high"]
    assert found[files[1]]["recovery"] is None


def confident(path: Path, lines: list[str], said: list[str]) -> str:
    """JSON lines that are the surer the fewer errors they have."""
    sure = [1 - min(jiwer.wer(truth, line), 1) / 2 for truth, line in zip(said, lines, strict=True)]
    rows = zip(lines, sure, strict=True)
    entries = [{"id": f"s{k % 8}-u{k}", "text": line, "trust": each} for k, (line, each) in enumerate(rows)]
    return write(path, "".join(json.dumps(entry) + "\n" for entry in entries))


def test_the_error_rate_of_texts_without_references_is_estimated(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = texts(0, 0.0)
    dev = confident(tmp_path / "dev.jsonl", texts(1, 0.3), said)
    pool = confident(tmp_path / "pool.jsonl", texts(4, 0.3), said)
    ways = ["--estimate", pool, "--confidence", "trust"]
    estimate: dict[str, Any] = scored(tmp_path, files[0], dev, *ways)["estimate"]
    truth = jiwer.wer(said, texts(4, 0.3))
    assert estimate["rate"] == pytest.approx(truth, abs=0.03)
    assert estimate["low"] < truth < estimate["high"]
    assert (estimate["of"], estimate["over"]) == (dev, "speaker")
    assert "expected WER" in shown(capsys)
    assert "no confidence, without which" in refused(capsys, files[0], dev, "--estimate", pool)


def test_the_errors_of_each_utterance_are_written(files: list[str], tmp_path: Path) -> None:
    for suffix in (".tsv", ".parquet", ".jsonl"):
        path = tmp_path / f"each{suffix}"
        found = scored(tmp_path, *files, "--utterances", str(path))
        read = {".tsv": lambda file: pl.read_csv(file, separator="\t"), ".jsonl": pl.read_ndjson}
        table = read.get(suffix, pl.read_parquet)(path)
        assert table.columns[:3] == ["hypothesis", "id", "speaker"]
        for name in files[1:]:
            rows = table.filter(pl.col("hypothesis") == name)
            numbers = found["hypotheses"][name]["score"]
            assert rows["substitutions"].sum() == numbers["substitutions"]
            assert rows["words"].sum() == numbers["words"]
            assert len(rows) == 120
    assert table.filter(pl.col("hypothesis") == files[1])["reference"].to_list() == texts(0, 0.0)


def test_alignments_are_shown_the_worst_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = write(tmp_path / "r", "u1 the cat sat\nu2 a b\nu3 漢字 x\n")
    heard = write(tmp_path / "h", "u1 the cat on sat\nu2 x y\nu3 漢 x\n")
    assert main(["score-wer", reference, heard, "--align", "worst", "--alignments", "3"]) == 0
    printed = capsys.readouterr().out.split("the 3 worst\n")[1]
    assert printed == (
        "\nu2  2 errors in 2 words, 100.0%\nREF:  a b\nHYP:  x y\n      S S\n"
        "\nu3  1 error in 2 words, 50.0%\nREF:  漢字 x\nHYP:  漢   x\n      S\n"
        "\nu1  1 error in 3 words, 33.3%\nREF:  the cat ** sat\nHYP:  the cat on sat\n              I\n\n"
    )
    assert main(["score-wer", reference, heard, "--align", "all"]) == 0
    assert capsys.readouterr().out.split("all 3 utterances\n")[1].startswith("\nu1  1 error in 3")


def test_long_alignments_are_cut_at_the_width(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = " ".join(["word"] * 100)
    files = write(tmp_path / "r", f"u1 {words}\n"), write(tmp_path / "h", f"u1 {words} x\n")
    assert main(["score-wer", *files, "--align", "all"]) == 0
    printed = capsys.readouterr().out.split("all 1 utterance\n")[1]
    assert max(map(len, printed.splitlines())) <= 100
    assert printed.count("word") == 201


def test_the_script_gives_what_the_verb_gives(files: list[str], tmp_path: Path) -> None:
    from tools import score_wer

    found = scored(tmp_path, *files[:2])
    assert score_wer.main([*files[:2], "--json", str(tmp_path / "script.json")]) == 0
    assert json.loads((tmp_path / "script.json").read_text()) == found


def test_scoring_takes_nothing_of_the_tasks_but_the_normalisation_of_transcripts() -> None:
    lines = [line.strip() for path in (ROOT / "nst_asr/scoring").glob("*.py") for line in path.read_text().splitlines()]
    taken = {line.split()[1] for line in lines if line.startswith(("import nst_asr", "from nst_asr"))}
    assert {name for name in taken if name.startswith(("nst_asr.speech", "nst_asr.vision"))} == {
        "nst_asr.speech.transcripts"
    }


def test_scoring_imports_no_torch(files: list[str]) -> None:
    program = "import sys; from nst_asr.cli import main; main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    arguments = ["score-wer", *files, "--align", "worst", "--normalise", "ignore-case"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "WER" in done.stdout


def test_a_score_written_by_a_run_reads_the_same(files: list[str], tmp_path: Path) -> None:
    reference, heard, _ = frames(files)
    score(reference, heard.select("id", "label")).write(tmp_path / "score.json")
    numbers = only(scored(tmp_path, *files[:2]))["score"]
    kept = read_score(tmp_path / "score.json").summary()
    assert {name: numbers[name] for name in kept} == kept
