"""What labeling costs, with numbers worked by hand."""

import json
import logging
from pathlib import Path

import pytest

from nst_asr import progress as progressing
from nst_asr.cost import Noted, Pace, describe_rate, duration, noted_rate, seconds_left
from nst_asr.progress import Progress
from nst_asr.terms import Terms

IMAGES = Terms(amount="images", unit=1.0, example="image")


def test_an_hour_at_ten_times_real_time_takes_six_minutes_and_three_on_two_workers() -> None:
    assert seconds_left(3600, 10) == 360
    assert seconds_left(3600, 10, 2) == 180
    assert [duration(s) for s in (45.4, 360, 9000)] == ["45 s", "6 min", "2.5 h"]


def test_the_forecast_uses_the_rate_noted_earlier_until_there_is_one_of_its_own() -> None:
    pace = Pace(noted=Noted(40.0, "gen1/0-heard"))
    # 20 h at 40 x real time are half an hour of work
    said = "20.00 hours in 8 blocks to label; at 40 x real time (measured in gen1/0-heard) 30 min of work"
    assert pace.forecast(72_000, 8, 1) == said
    assert pace.forecast(72_000, 8, 4) == f"{said}, 8 min on 4 workers"  # 7.5
    assert pace.forecast(72_000, 1, 4) == said.replace("8 blocks", "1 block")  # nothing to share
    pace.add(3600, 360)  # a block of an hour in 6 minutes
    assert pace.rate == 10
    assert "at 10 x real time (of the first blocks) 2.0 h of work" in pace.forecast(72_000, 8, 1)


def test_without_any_rate_the_forecast_says_when_there_will_be_one() -> None:
    told = "1.50 hours in 3 blocks to label; how long it takes is told after the first block"
    assert Pace().forecast(5400, 3, 2) == told


def test_a_block_that_others_made_says_nothing_on_the_rate() -> None:
    pace = Pace()
    pace.add(100.0, 0.0)
    assert pace.rate is None
    assert pace.to_json() == {}
    pace.add(100.0, 4.0)
    assert pace.to_json() == {"labeled": 100.0, "rate": 25.0}


def test_images_are_counted_in_a_second() -> None:
    assert describe_rate(123.4, IMAGES) == "123 images a second"
    assert describe_rate(38.2, Terms()) == "38 x real time"
    assert describe_rate(0.52, Terms()) == "0.52 x real time"
    assert Pace(terms=IMAGES).forecast(600.0, 2, 1).startswith("600 images in 2 blocks to label")


def test_the_rate_of_the_same_generation_comes_before_a_later_one(tmp_path: Path) -> None:
    path = tmp_path / "steps.jsonl"
    assert noted_rate(path, "gen1/1-labels") is None
    lines = [{"step": "gen1/0-heard", "rate": 30.0}, {"step": "gen0/student"}, {"step": "gen2/1-labels", "rate": 20.0}]
    path.write_text("\n".join(map(json.dumps, lines)) + '\n{"step": "gen3/1-la')
    assert noted_rate(path, "gen1/1-labels") == Noted(30.0, "gen1/0-heard")
    assert noted_rate(path, "gen3/0-heard") == Noted(20.0, "gen2/1-labels")


def test_progress_tells_time_left_by_size_and_the_pace(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="nst_asr")
    clock = [0.0]
    monkeypatch.setattr(progressing.time, "monotonic", lambda: clock[0])
    # 6 of 10 blocks are there; the four left hold 100, 100, 100 and 300 seconds of audio
    with Progress("label", 10, "block", start=6, size=600.0, tell_pace="{:.0f} x".format) as progress:
        for seconds, size in ((40.0, 100.0), (40.0, 100.0), (40.0, 100.0), (120.0, 300.0)):
            clock[0] += seconds
            progress.advance(size=size)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "label: 7 of 10 blocks, 0.03 a second, 200 s left, 2 x"  # 500 s of audio at 100 in 40 s
    assert lines[2] == "label: 9 of 10 blocks, 0.03 a second, 120 s left, 2 x"
    assert lines[3] == "label: 4 blocks in 240.0 s, 2 x"
