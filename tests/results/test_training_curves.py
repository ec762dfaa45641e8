"""The curves of trainings in results.json."""

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from torch.utils.tensorboard import SummaryWriter

from nst_asr.results.training import POINTS, thinned, training, trend

CORPUS = {"labeled": {"hours": 1.0}, "unlabeled": {"hours": 9.0}}
GENERATIONS = [{"copied_hours": 0.0}, {"copied_hours": 3.0}]
FIT = {"updates": 40, "batch": 10.0, "clip": 1.0}
PLAN = {
    "teacher": {"fit": FIT},
    "generations": [{"mix": {"pseudo_share": 0.7}, "student": {"fit": {**FIT, "updates": 60}}, "init": "scratch"}],
}


def points(values: list[float]) -> pl.DataFrame:
    return pl.DataFrame({"update": [10 * place for place in range(1, len(values) + 1)], "value": values})


def write_curves(folder: Path, **scalars: list[float]) -> None:
    """Values of every tenth update."""
    with SummaryWriter(folder / "tensorboard") as events:
        for name, values in scalars.items():
            for place, value in enumerate(values, 1):
                events.add_scalar(name, value, 10 * place)


def make(run: Path, plan: object = PLAN) -> Path:
    run.mkdir(parents=True, exist_ok=True)
    (run / "plan.yaml").write_text(yaml.safe_dump(plan))
    return run


def test_a_short_curve_keeps_its_updates_and_its_range() -> None:
    found = thinned(points([4.0, 2.0, 3.0, 1.0]), smooth=False)
    assert found["update"] == [10, 20, 30, 40]
    assert found["value"] == found["low"] == found["high"] == [4.0, 2.0, 3.0, 1.0]
    assert (found["first"], found["last"], found["mean"], found["points"]) == (4.0, 1.0, 2.5, 4)
    assert (found["lowest"], found["lowest_at"], found["highest"], found["highest_at"]) == (1.0, 40, 4.0, 10)


def test_a_long_curve_is_thinned_to_means_and_no_spike_is_lost() -> None:
    values = np.arange(1000.0)
    values[777] = 5000.0
    found = thinned(points(values.tolist()), smooth=False)
    assert {len(found[name]) for name in ("update", "value", "low", "high")} == {POINTS}
    assert found["update"][-1] == 10_000
    assert found["value"][:2] == [2.0, 7.0]  # of 0 to 4, and of 5 to 9
    assert (found["low"][1], found["high"][1]) == (5.0, 9.0)
    assert max(found["high"]) == 5000.0
    assert found["highest_at"] == 7780


@pytest.mark.parametrize("count", [1, 2, 199, 200, 201, 399, 1003])
def test_every_point_counts_once_whatever_their_number(count: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    found = thinned(points(values.tolist()), smooth=False)
    sizes = np.diff([0, *np.array(found["update"]) // 10])
    assert len(sizes) == min(count, POINTS)
    assert sizes.sum() == count
    assert np.average(found["value"], weights=sizes) == pytest.approx(values.mean(), abs=1e-5)
    assert (min(found["low"]), max(found["high"])) == pytest.approx((values.min(), values.max()), rel=1e-5)


def test_smoothing_leaves_a_straight_line_and_quietens_noise() -> None:
    line = thinned(points([float(n) for n in range(100)]))
    assert line["value"][10:90] == pytest.approx(list(range(10, 90)))
    noise = np.random.default_rng(0).normal(size=1000)
    assert np.std(thinned(points(noise.tolist()))["value"]) < np.std(noise) / 4


def test_the_trend_is_that_of_the_last_tenth_against_the_tenth_before() -> None:
    falling = trend(np.linspace(100.0, 0.1, 1000))
    assert falling is not None
    assert falling["state"] == "falling"
    assert falling["last"] == pytest.approx(np.linspace(100.0, 0.1, 1000)[-100:].mean())
    assert falling["change"] == pytest.approx(falling["last"] / falling["before"] - 1)
    noise = np.random.default_rng(0).normal(3, 1, 1000)
    assert (trend(noise) or {})["state"] == "level"
    assert (trend(np.linspace(1, 2, 1000)) or {})["state"] == "rising"
    assert trend(np.ones(29)) is None
    assert (trend(np.zeros(30)) or {})["change"] == 0.0


def test_each_training_has_its_curves_and_what_was_planned(tmp_path: Path) -> None:
    run = make(tmp_path / "run")
    write_curves(run / "gen0/student", loss=[3.0, 2.0], gradient_norm=[2.0, 0.5], pseudo_share=[0.0, 0.0])
    write_curves(run / "gen1/4-student", loss=[1.0], pseudo_share=[0.69], size_per_second=[50.0])
    write_curves(run / "oracle/student", loss=[0.5])
    found = training(run, GENERATIONS, CORPUS)
    assert list(found) == ["gen0", "gen1", "oracle"]
    assert [each["title"] for each in found.values()] == ["teacher", "generation 1", "oracle"]
    assert [each["planned_pseudo_share"] for each in found.values()] == [0.0, 0.7, 0.7]
    assert [each["planned_updates"] for each in found.values()] == [40, 60, 60]
    assert (found["gen0"]["updates"], found["gen0"]["clipped"]) == (20, 0.5)
    assert found["gen1"]["clipped"] is None  # no norm was written
    assert found["gen1"]["curves"]["size_per_second"]["value"] == [50.0]
    json.dumps(found, allow_nan=False)


def test_the_share_of_a_pooled_mixture_follows_from_the_hours(tmp_path: Path) -> None:
    run = make(tmp_path / "run", {"generations": [{"mix": {"pooled": True}, "student": {"fit": FIT}}]})
    write_curves(run / "gen1/4-student", loss=[1.0])
    write_curves(run / "oracle/student", loss=[1.0])
    found = training(run, GENERATIONS, CORPUS)
    assert (found["gen1"]["planned_pseudo_share"], found["oracle"]["planned_pseudo_share"]) == (0.75, 0.9)


@pytest.mark.parametrize(("first", "share"), [("joint", 0.7), ("pseudo", 1.0), ("none", None)])
def test_the_first_training_may_draw_from_one_source_and_the_second_has_labels_alone(
    tmp_path: Path, first: str, share: float | None
) -> None:
    student = {"fit": FIT, "first": first, "fine_tune": {"fit": {"updates": 5}}}
    run = make(tmp_path / "run", {"generations": [{"mix": {"pseudo_share": 0.7}, "student": student}]})
    write_curves(run / "gen1/4-student", loss=[1.0])
    write_curves(run / "gen1/4-student/fine-tune", loss=[1.0])
    found = training(run, GENERATIONS, CORPUS)
    assert found["gen1"]["planned_pseudo_share"] == share
    second = found["gen1/fine-tune"]
    assert (second["title"], second["planned_updates"]) == ("generation 1, fine-tune", 5)
    assert second["planned_pseudo_share"] == 0.0


def test_the_updates_of_a_warm_oracle_are_not_told(tmp_path: Path) -> None:
    run = make(tmp_path / "run", {"generations": [{"student": {"fit": FIT}, "init": "teacher"}]})
    write_curves(run / "oracle/student", loss=[1.0])
    assert training(run, GENERATIONS, CORPUS)["oracle"]["planned_updates"] is None


def test_a_training_that_is_not_over_or_has_failed_is_there_too(tmp_path: Path) -> None:
    run = make(tmp_path / "run")
    write_curves(run / "gen0/student", loss=[1.0])
    write_curves(run / "gen1/4-student.part", loss=[1.0, 5.0, 25.0])
    found = training(run, GENERATIONS[:1], CORPUS)
    assert [(key, each["finished"]) for key, each in found.items()] == [("gen0", True), ("gen1", False)]
    assert found["gen1"]["updates"] == 30


def test_older_versions_wrote_the_sizes_of_sources_and_the_share_follows(tmp_path: Path) -> None:
    run = make(tmp_path / "run")
    write_curves(run / "gen0/student", seconds_labeled=[10.0, 10.0])
    write_curves(run / "gen1/4-student", seconds_labeled=[3.0, 4.0], seconds_pseudo=[9.0, 4.0])
    found = training(run, GENERATIONS, CORPUS)
    assert found["gen0"]["curves"]["pseudo_share"]["low"] == [0.0, 0.0]
    assert found["gen1"]["curves"]["pseudo_share"]["low"] == [0.75, 0.5]
    assert "size_per_second" not in found["gen1"]["curves"]


def test_a_run_that_wrote_no_curves_has_no_trainings(tmp_path: Path) -> None:
    assert training(make(tmp_path / "run"), GENERATIONS, CORPUS) == {}


def test_losses_that_are_not_finite_do_not_reach_the_file(tmp_path: Path) -> None:
    run = make(tmp_path / "run")
    write_curves(run / "gen0/student", loss=[1.0, math.nan], gradient_norm=[math.inf, math.inf])
    found = training(run, GENERATIONS, CORPUS)["gen0"]
    assert found["curves"]["loss"]["points"] == 1
    assert "gradient_norm" not in found["curves"]
    json.dumps(found, allow_nan=False)
