"""What the seventh review found in the report and in results.json."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure
from report.page_figures import section_of
from results.test_diagnosis import changed, comparison, found, good, score
from simulated_run import make_run

from nst_asr import cli, results
from nst_asr.report import report
from nst_asr.report.drawing import plot, plots_in
from nst_asr.results.conclusions import advice, verdict
from nst_asr.results.diagnosis import diagnose
from nst_asr.store import StoreError


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", "", re.sub(r"<svg.*?</svg>", "", page, flags=re.S)).split())


def test_hours_are_added_up_in_the_order_of_rows(tmp_path: Path) -> None:
    """Polars sums from several ends: hours of a large pool ended a last digit apart from report to report."""
    run = make_run(tmp_path / "run", errors=(40, 20), oracle=None)
    rows, parts = 20_000, 5
    sizes = np.random.default_rng(0).uniform(0.3, 20.0, rows).astype(np.float32)
    kept = np.arange(rows) % 3 > 0
    for part, begin in enumerate(range(0, rows, rows // parts)):
        places = range(begin, begin + rows // parts)
        table = pl.DataFrame({"id": [f"u{place}" for place in places], "size": sizes[places], "label": "one"})
        table.write_parquet(run / f"gen1/1-labels/part-{part:05d}.parquet")
    verdicts = pl.Series("verdict", np.where(kept, "kept", "score"), dtype=pl.Enum(["kept", "empty", "score"]))
    pl.DataFrame([verdicts]).write_parquet(run / "gen1/2-verdicts.parquet")
    pl.DataFrame({"copies": 2 * kept, "weight": 1.0}).write_parquet(run / "gen1/3-copies.parquet")
    told = results.collect(run)["generations"][1]
    hours = sizes.astype(np.float64) / 3600
    assert told["hours"] == float(hours.sum())
    assert told["kept_hours"] == float(hours[kept].sum())
    assert told["copied_hours"] == float((hours * 2 * kept).sum())
    assert (told["labels"], told["kept_rows"], told["copies"]) == (rows, int(kept.sum()), 2 * int(kept.sum()))


def test_an_old_run_is_not_said_to_have_been_searched_for_alarms_and_noise(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", errors=(40, 20))
    (run / "gen1/noise.json").unlink()
    page = report(run).read_text()
    why = text_of(section_of(page, "diagnosis"))
    assert "so not looked at: " in why
    assert "alarms on the labels; the noise of teacher and student" in why
    assert "Looked for, as far as the run tells, were" in why
    assert "No alarm was raised" not in page


@pytest.mark.parametrize("name", ["labels get worse", "nothing to be learnt from the pool", "collapsed teacher"])
def test_a_run_that_surely_gained_has_no_cause_for_not_having_gained(name: str) -> None:
    told = good()
    if name == "labels get worse":
        changed("generations.2.label_error", {"before": {"rate": 0.4}, "after": {"rate": 0.1}})(told)
    elif name == "collapsed teacher":
        changed("generations.0.dev", score(950))(told)
    else:
        changed("oracle", {"dev": score(290), "test": score(290)})(told)
    assert found(told, name)["severity"] == "warning"
    changed("relative_reduction.comparison", comparison(0.0))(told)
    assert found(told, name)["severity"] == "cause"


def judged(**changes: Any) -> dict[str, Any]:
    """Results of a run that went well, changed, with what is concluded from them."""
    told = good() | {"recovery_rate": None}
    for path, value in changes.items():
        changed(path.replace("__", "."), value)(told)
    told["diagnosis"] = diagnose(told)
    return told | {"verdict": verdict(told), "advice": advice(told)}


def test_a_gain_of_models_that_are_of_no_use_is_not_called_a_success() -> None:
    """The student of a collapsed teacher, at 83 % WER, had a verdict `It worked`, and was to go on."""
    silent = {f"generations__{place}__dev": score(errors, errors) for place, errors in enumerate((960, 900, 830))}
    told = judged(**silent)
    assert told["verdict"]["outcome"] == "doubtful"
    assert told["verdict"]["sentence"].startswith("Better, but not to be relied on (collapsed teacher): the last")
    assert told["advice"]["do"] == "mend"
    assert told["advice"]["text"].startswith("Mend the cause first (collapsed teacher), though generation 2 is surely")


def test_a_gain_that_leaves_most_words_wrong_is_told_with_a_reservation() -> None:
    told = judged(generations__2__test=score(501))
    assert told["verdict"]["sentence"].startswith("It helped, but errors are still many: the last student makes")
    assert judged(generations__2__test=score(500))["verdict"]["sentence"].startswith("It worked: ")


def test_a_language_model_that_leaks_takes_the_trust_from_a_gain() -> None:
    overlap = {"lm": "a", "name": "dev", "utterances": 9, "too_short": 0, "shared": 9, "share": 1.0, "limit": 0.01}
    assert judged(text_overlap=[overlap])["verdict"]["outcome"] == "doubtful"


@pytest.mark.parametrize(("difference", "start"), [(-0.05, "Go on"), (0.002, "Stop:"), (0.05, "Stop, and use")])
def test_the_advice_gives_the_difference_with_the_sign_that_it_has_elsewhere(difference: float, start: str) -> None:
    told = judged(generations__2__comparison=comparison(difference))["advice"]
    low, high = difference - 0.01, difference + 0.01
    interval = f"({100 * difference:+.2f} points, 95 % interval {100 * low:+.2f} to {100 * high:+.2f}, on dev)"
    assert told["text"].startswith(start)
    assert told["text"].endswith(interval + ".")
    assert told["gain"] == pytest.approx(-difference)


def test_the_plot_of_a_teacher_alone_has_one_generation(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", errors=(40,), oracle=None)
    report(run)
    drawn = ElementTree.parse(run / "plots/rates.svg").getroot()
    texts = [each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[: texts.index("generation")] == ["0"]


def test_a_run_that_is_under_way_says_how_much_of_its_plan_is_there(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", errors=(40, 20))
    (run / "plan.yaml").write_text("recipe: digits\nseed: 0\ngenerations:\n- {}\n- {}\n- {}\n")
    page = report(run).read_text()
    assert results.collect(run)["planned_generations"] == 3
    assert "Students in the plan: 3; scored: 1." in text_of(section_of(page, "verdict"))
    (run / "plan.yaml").write_text("recipe: digits\nseed: 0\ngenerations:\n- {}\n")
    assert "Students in the plan" not in text_of(section_of(report(run).read_text(), "verdict"))


def test_what_is_written_in_a_plot_is_left_as_it_is() -> None:
    """Colours and names of parts were replaced in its words too."""
    words = '\x08id="a" #101010 url(#b) xlink:href var(--ink) xmlns="c"'

    def draw(figure: Figure) -> None:
        figure.add_subplot().set_title(words)

    drawn = plot("words", "<words>", draw)
    words = words.replace("\x08", "\ufffd")  # which XML has no way to write
    assert f">{words}</text>" in drawn
    ((name, alone),) = plots_in(f"<p>{drawn}</p>")
    assert name == "words"
    root = ElementTree.fromstring(alone.partition("\n")[2])
    assert words in [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "#101010" in alone.replace(words, "")


def test_percentages_and_points_stay_on_the_line_of_their_number(tmp_path: Path) -> None:
    page = report(make_run(tmp_path / "run")).read_text()
    sentence = re.search(r'<data data-key="verdict.sentence"[^>]*>(.*?)</data>', page)
    assert sentence is not None
    assert "\u00a0%" in sentence.group(1)
    assert "\u00a0points" in sentence.group(1)
    assert not re.search(r"\d (%|points)", sentence.group(1))


def test_the_advice_of_an_alarm_shows_its_commands_as_code(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", errors=(40, 20))
    alarm = {"name": "rate", "value": 0.2, "limit": 0.1, "raised": True, "facts": "few", "advice": "see `why` <x>"}
    (run / "gen1/3-alarms.json").write_text(json.dumps({"alarms": [alarm]}))
    section = section_of(report(run).read_text(), "alarms")
    assert "What to do: see <code>why</code> &lt;x&gt;." in section


@pytest.mark.parametrize("content", ["[]", '{"generations": 3}', '{"generations": [3]}'])
def test_a_results_json_that_is_none_is_named(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run", errors=(40, 20))
    (run / "results.json").write_text(content)
    with pytest.raises(StoreError, match=r"results\.json: not what nst-asr writes there; move it away"):
        results.collect(run)
    assert cli.main(["report", str(run)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_page_says_which_run_it_is_of(tmp_path: Path) -> None:
    page = report(make_run(tmp_path / "digits <0>", errors=(40,), oracle=None)).read_text()
    assert "run folder <code>digits &lt;0&gt;</code>" in page
