"""Look and listen: what stands beside the labels, how much of it, and how differences are marked."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import soundfile
from markupsafe import Markup
from page_figures import Balanced, section_of
from simulated_run import TRUTH, make_run, write

from nst_asr import cli
from nst_asr.corpus import Truth
from nst_asr.report import page, report
from nst_asr.report.preview import Media, Preview, PreviewError, Previews
from nst_asr.report.sections import look as look_section
from nst_asr.report.sections.look import ticks

BYTES = 30_000  # of a picture and of a sound in these tests: 80,000 characters of a page


def heard(name: str, seconds: float | None = 2.0) -> Preview:
    """A preview whose bytes say whose it is."""
    content = name.encode().ljust(BYTES, b".")
    sound = Media("audio/ogg", content) if seconds else None
    return Preview(Media("image/webp", content), 100, 64, "a picture", sound, seconds, whole=name != "cut")


# of one of the labels that `many` makes, too: a truth that knows none of a pool's ids is refused
KNOWN = Truth(pl.concat([TRUTH.rows, pl.DataFrame({"id": ["u00"], "label": ["one"]})], how="diagonal"))


def all_of(run: Path, sizes: Mapping[str, float]) -> Iterator[Preview | str]:
    return map(heard, sizes)


def look(run: Path, previews: Previews | None = None, media_mb: float = 5.0) -> str:
    return section_of(report(run, KNOWN, previews, media_mb).read_text(), "look")


def plain(html: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", html)))


@pytest.fixture(autouse=True)
def _the_other_sections_take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "SECTIONS", (look_section,))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


def many(run: Path, count: int = 60) -> Path:
    """The run with other labels, so that every kind of every generation has as many as it can."""
    for number in (1, 2):
        folder = run / f"gen{number}"
        for path in (folder / "1-labels").iterdir():
            path.unlink()
        ids = [f"u{place:02d}" for place in range(count)]
        rows = {"id": ids, "size": [2.0] * count, "label": [f"one {number * place}" for place in range(count)]}
        pl.DataFrame(rows, schema_overrides={"size": pl.Float32}).write_parquet(folder / "1-labels/part-00000.parquet")
        scores = np.random.default_rng(number).normal(size=count)
        verdicts = {"verdict": ["kept", "score"] * (count // 2), "normalised_score": scores}
        pl.DataFrame(verdicts).write_parquet(folder / "2-verdicts.parquet")
        pl.DataFrame({"copies": [1, 0] * (count // 2), "weight": 1.0}).write_parquet(folder / "3-copies.parquet")
    return run


def test_every_sound_stands_once_in_the_last_generation_and_others_lead_there(run: Path) -> None:
    section = look(run, all_of)
    assert section.count("<audio") == section.count("<img") == 3
    again = re.findall(r'<a href="#([^"]*)">The same utterance stands below', section)
    assert len(again) == 3  # a, b and c in the first generation
    assert all(section.index(f'href="#{name}"') < section.index(f'id="{name}"') for name in again)
    for name in "abc":
        assert section.count(heard(name).picture.uri) == 1
        start = base64.b64encode(name.encode().ljust(BYTES, b".")).decode()[:12]
        assert f'<audio controls preload="none" src="data:audio/ogg;base64,{start}' in section


def test_within_a_generation_a_sound_stands_where_its_label_is_first(run: Path) -> None:
    part = run / "gen2/1-labels/part-00000.parquet"
    pl.read_parquet(part).with_columns(label=pl.Series(["one two", "three"])).write_parquet(part)
    section = look(run, all_of)
    changed = section[section.index("The most changed") :]
    assert "The same utterance stands above" in changed
    assert "<audio" not in changed


def test_where_the_page_is_full_every_kind_has_as_many_and_the_others_say_so(run: Path) -> None:
    asked: list[str] = []

    def recorded(run: Path, sizes: Mapping[str, float]) -> Iterator[Preview | str]:
        for name in sizes:
            asked.append(name)
            yield heard(name)

    section = look(many(run), recorded, 1.0)
    shown = re.findall(r'src="(data:[^"]*)', section)
    assert 0.8e6 < sum(map(len, shown)) <= 1e6
    assert len(asked) == section.count("<audio") + 1  # the one that did not fit was the last that was made
    assert "left out to keep this page small (nst-asr report --media-mb)" in section
    firsts = [part.partition("</article>")[0] for part in section.split("</h3>")[1:]]
    assert len(firsts) == 9  # kinds: four of the first generation, five of the second
    assert all("<audio" in first or "The same utterance stands" in first for first in firsts)
    assert section.count("<article") == sum(map(section.count, ("<audio", "The same utterance", "No sound")))


def test_a_smaller_budget_gives_a_smaller_page_and_the_same_figures(run: Path) -> None:
    large, small = look(many(run), all_of, 5.0), look(run, all_of, 0.3)
    assert len(small) < 0.35e6 < len(large)
    assert plain(large).count("normalised score") == plain(small).count("normalised score") > 30


def test_sounds_get_the_room_that_the_other_sections_leave(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = SimpleNamespace(NAME="verdict", TITLE="Large", context=lambda material: {})
    monkeypatch.setattr(page, "SECTIONS", (large, look_section))
    body = Markup("x" * 7_000_000)
    real = page.render
    monkeypatch.setattr(page, "render", lambda each, found: body if each is large else real(each, found))
    section = look(many(run), all_of)
    assert 0.4e6 < sum(map(len, re.findall(r'src="(data:[^"]*)', section))) <= 0.5e6
    assert (run / "report.html").stat().st_size < 8e6


def test_a_sound_that_is_gone_says_why_in_its_place_alone(run: Path) -> None:
    def without_b(run: Path, sizes: Mapping[str, float]) -> Iterator[Preview | str]:
        return (f"{name}.wav: no such <file>" if name == "b" else heard(name) for name in sizes)

    section = look(run, without_b)
    assert section.count("<audio") == 2
    assert section.count("No sound or picture: b.wav: no such &lt;file&gt;") == 2


def test_where_there_can_be_none_it_is_said_once(run: Path) -> None:
    def none(run: Path, sizes: Mapping[str, float]) -> Iterator[Preview | str]:
        raise PreviewError("pool.tsv: no such manifest")
        yield

    section = look(run, none)
    assert section.count("Without sound and pictures: pool.tsv: no such manifest.") == 1
    assert section.count("<article") == 6
    assert "<audio" not in section
    assert "No sound or picture" not in section
    assert "The same" not in section


def test_without_previews_or_without_room_none_are_asked_for(run: Path) -> None:
    def fails(run: Path, sizes: Mapping[str, float]) -> Iterator[Preview | str]:
        raise AssertionError

    for section in (look(run), look(run, fails, 0.0)):
        assert "Without sound and pictures: none were asked for" in section
        assert "one too" in section


def test_against_the_truth_what_is_missing_is_struck_out_and_what_is_added_underlined(run: Path) -> None:
    section = look(run)
    assert "Truth: one <del>two</del> <ins>too</ins>" in section
    assert "(errors: 1 of 2 words)" in plain(section)
    assert "Truth: the same (errors: 0 of 1 words)" in plain(section)


def test_what_changed_is_marked_with_what_became_of_it(run: Path) -> None:
    part = run / "gen2/1-labels/part-00000.parquet"
    pl.read_parquet(part).with_columns(label=pl.Series(["one", "three <b>"])).write_parquet(part)
    section = look(run)
    assert "The most changed since generation 1" in section
    assert "Since generation 1: one <del>too</del>" in section
    assert "Since generation 1: three <ins>&lt;b&gt;</ins>" in section
    assert "(words changed: 1; it was rejected by score)" in plain(section)
    assert "(words changed: 1; it was kept)" in plain(section)
    assert plain(section).count("The most changed") == 1  # of the first generation nothing was before


def test_pieces_that_the_teacher_was_unsure_of_are_marked(run: Path) -> None:
    write(
        run / "gen0/student/tokenizer.json", {"kind": "bpe", "names": ["", "\u2581on", "e", "\u2581too", "\u2581three"]}
    )
    path = run / "gen1/1-labels/part-00000.parquet"
    tokens, sure = pl.Series([[1, 2, 3], [4]], dtype=pl.List(pl.Int32)), [[0.95, 0.5, 0.25], [1.0]]
    table = pl.read_parquet(path).with_columns(
        tokens=tokens, token_confidence=pl.Series(sure, dtype=pl.List(pl.Float32))
    )
    table.write_parquet(path)
    section = look(run)
    marked = re.findall(r'<p class="said">(on<span.*?)</p>', section)
    assert marked == [
        'on<span class="piece" style="--doubt:0.5" title="confidence 0.50">e</span> '
        '<span class="piece" style="--doubt:0.75" title="confidence 0.25">too</span>'
    ]


def test_rejections_say_the_rule_and_kept_labels_how_often_they_are_used(run: Path) -> None:
    plan = {"recipe": "digits", "generations": [{"filter": {"score": 0.0}}] * 2}
    (run / "plan.yaml").write_text(json.dumps(plan))
    text = plain(look(run))
    assert "rejected by score: normalised_score -1.5, where score = 0 asks for more" in text
    assert "kept, copies: 2" in text


def test_the_section_is_well_formed_and_its_names_are_unique(run: Path) -> None:
    section = look(many(run), all_of)
    parser = Balanced()
    parser.feed(section + "</section>")
    assert parser.open == []
    names = re.findall(r'\bid="([^"]*)"', section)
    assert len(names) == len(set(names))


def test_a_sound_that_was_cut_says_so(run: Path) -> None:
    path = run / "gen1/1-labels/part-00001.parquet"
    for number in (1, 2):
        path = run / f"gen{number}/1-labels/part-00001.parquet"
        pl.read_parquet(path).with_columns(id=pl.lit("cut")).write_parquet(path)
    assert look(run, all_of).count("its beginning only") == 1


def test_images_have_no_axis_no_player_and_no_seconds(run: Path) -> None:
    about = json.loads((run / "run.json").read_text())
    terms = {"error": "top-1 error", "amount": "images", "unit": 1.0, "example": "image", "token": "label"}
    write(run / "run.json", about | {"terms": terms | {"group": "group", "groups_expected": False}})
    section = look(run, lambda run, sizes: (heard(name, None) for name in sizes))
    assert section.count("<img") == 3
    assert "<audio" not in section
    assert 'class="seconds"' not in section
    assert "Spectrograms" not in section
    assert "The same image stands below" in section
    assert not re.search(r"\bs</li>", section)


@pytest.mark.parametrize(
    ("seconds", "longest", "expected"),
    [
        (3.0, 3.0, [("0", 0.0), ("0.5", 16.7), ("1", 33.3), ("1.5", 50.0), ("2", 66.7), ("2.5", 83.3)]),
        (1.0, 3.0, [("0", 0.0), ("0.5", 50.0)]),
        (15.0, 15.0, [("0", 0), ("2", 13.3), ("4", 26.7), ("6", 40), ("8", 53.3), ("10", 66.7), ("12", 80)]),
        (0.05, 0.05, [("0", 0.0)]),
    ],
)
def test_axes_have_a_few_marks_at_round_seconds(
    seconds: float, longest: float, expected: list[tuple[str, float]]
) -> None:
    assert [(text, round(place, 1)) for text, place in ticks(seconds, longest)] == expected


def test_the_verb_takes_the_sound_of_the_runs_task_and_obeys_the_limit(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "abc":
        soundfile.write(run / f"{name}.wav", 0.1 * np.sin(np.arange(16000)), 16000)
    pl.DataFrame({"id": list("abc"), "path": [f"{name}.wav" for name in "abc"]}).write_csv(
        run / "pool.tsv", separator="\t"
    )
    write(run / "given.json", {"manifests": {"unlabeled": str(run / "pool.tsv")}})
    for path in run.glob("gen*/1-labels/*.parquet"):
        pl.read_parquet(path).with_columns(size=pl.lit(1.0, pl.Float32)).write_parquet(path)
    sounds = []
    for limit in ([], ["--media-mb", "0.006"], ["--media-mb", "0"]):
        assert cli.main(["report", str(run), *limit]) == 0
        sounds.append((run / "report.html").read_text().count("<audio"))
    assert sounds == [3, 1, 0]
    assert cli.main(["report", str(run), "--media-mb", "-1"]) == 1
    assert "--media-mb -1: give a number of megabytes, 0 for none" in capsys.readouterr().err
