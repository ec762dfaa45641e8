"""What results.json has of a filter, a gauge, tokens and contents, against numbers that are worked by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from simulated_run import make_run

from nst_asr import results
from nst_asr.gauge import Gauge
from nst_asr.results.bins import histograms, points, short, thinned
from nst_asr.results.contents import contents
from nst_asr.results.cutoffs import marks
from nst_asr.results.filtering import filtering
from nst_asr.results.gauging import gauging
from nst_asr.results.leaks import leaks
from nst_asr.results.sets import column_of
from nst_asr.results.token_shares import token_shares
from nst_asr.risk import RiskCurve


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", errors=(40, 20))


def plan_with(run: Path, **filtered: Any) -> None:
    (run / "plan.yaml").write_text(json.dumps({"recipe": "digits", "generations": [{"filter": filtered}]}))


# histograms and curves


def test_a_histogram_counts_every_finite_value_and_what_lies_far_out_in_the_last_bin() -> None:
    values = {"kept": np.array([*np.linspace(0, 1, 999), 1e6]), "rejected": np.array([np.nan, 0.5, -np.inf])}
    found = histograms(values, bins=10)
    assert found is not None
    assert (sum(found["kept"]), sum(found["rejected"])) == (1000, 1)
    assert found["missing"] == {"kept": 0, "rejected": 2}
    assert len(found["edges"]) == 11
    assert found["edges"][-1] < 1.01
    assert found["median"]["rejected"] == 0.5


def test_there_is_no_histogram_of_nothing_and_one_of_equal_values() -> None:
    assert histograms({"kept": np.array([np.nan]), "rejected": np.array([])}) is None
    level = histograms({"kept": np.ones(5), "rejected": np.array([])})
    assert level is not None
    assert sum(level["kept"]) == 5
    assert level["median"] == {"kept": 1.0, "rejected": None}


def test_a_thinned_curve_has_its_ends_and_at_most_200_points() -> None:
    across, up = thinned(list(range(1000)), [x * x for x in range(1000)])
    assert len(across) == len(up) == 200
    assert (across[0], across[-1]) == (0, 999)
    assert thinned([], []) == [[], []]


def test_numbers_that_json_does_not_have_are_refused_and_nothing_has_no_sign() -> None:
    with pytest.raises(ValueError, match="nan"):
        short(float("nan"))
    assert [points(rate) for rate in (-1e-9, 0.0123, -0.5)] == ["+0.00", "+1.23", "-50.00"]


# the filter


def test_the_filter_has_its_waterfall_its_hardest_rule_and_its_scores(run: Path) -> None:
    plan_with(run, score=0.0)
    found = filtering(run, 1)
    assert found is not None
    assert found["kept_share"] == pytest.approx(2 / 3)
    assert found["hardest"] == {"place": 0, "rule": "score", "share": pytest.approx(1 / 3)}
    assert found["cutoffs"] == [{"key": "score", "measure": "normalised_score", "value": 0.0, "asks_for": "more"}]
    (scores,) = found["scores"]
    assert (sum(scores["kept"]), sum(scores["rejected"])) == (2, 1)
    assert scores["median"] == {"kept": 1.0, "rejected": -1.5}


def test_the_cut_off_of_the_best_share_is_the_least_that_was_kept(run: Path) -> None:
    plan_with(run, top={"share": 0.5})
    found = filtering(run, 1)
    assert found is not None
    assert found["cutoffs"] == [{"key": "top", "measure": "normalised_score", "value": 0.5, "asks_for": "more"}]


def test_a_filter_that_rejects_nothing_has_no_hardest_rule(run: Path) -> None:
    content = json.loads((run / "gen1/2-waterfall.json").read_text())
    content["waterfall"][0] |= {"rows": 0, "left_rows": 3}
    (run / "gen1/2-waterfall.json").write_text(json.dumps(content))
    found = filtering(run, 1)
    assert found is not None
    assert found["hardest"] is None
    assert found["kept_share"] == 1.0


def test_a_mark_is_the_loosest_point_of_the_curve_that_the_cut_off_allows() -> None:
    curve = RiskCurve((0.9, 0.5, 0.1, None), (1.0, 2.0, 4.0, 5.0), (0, 1, 4, 6), (10, 20, 40, 50))
    gauge = Gauge(0.0, 0.0, 1.0, rows=9, curves={"confidence": curve})
    cutoffs = [{"key": "confidence", "measure": "confidence", "value": v, "asks_for": "more"} for v in (0.5, 0.4, 0.95)]
    found = marks(cutoffs, gauge)
    assert [(mark["coverage"], mark["rate"]) for mark in found[:2]] == [(0.4, 0.05)] * 2
    assert (found[2]["coverage"], found[2]["rate"]) == (0.0, None)
    assert marks([cutoffs[0] | {"asks_for": "less"}, cutoffs[0] | {"measure": "margin"}], gauge) == []


def test_a_gauge_of_an_older_version_and_one_that_learnt_nothing_say_so(run: Path) -> None:
    folder = run / "gen1"
    assert gauging(folder, []) is None
    content = {"mu": 0.0, "beta": 0.0, "sigma": 1.0, "rows": 9, "left_out": 0}
    (folder / "0-gauge.json").write_text(json.dumps(content))
    old = gauging(folder, [])
    (folder / "0-gauge.json").write_text(json.dumps(content | {"rows": 0}))
    none = gauging(folder, [])
    assert old is not None
    assert none is not None
    assert "a version that" in old["reason"]
    assert "dev taught nothing" in none["reason"]
    assert old["curves"] is none["curves"] is None


# tokens


def test_token_shares_are_those_of_the_labeled_set_the_kept_labels_and_the_copies(run: Path) -> None:
    counts = {
        "token": ["a", "b", "c", "rare", "new", "<blank>"],
        "labeled": [500.0, 300.0, 199.0, 1.0, 0.0, 0.0],
        "kept": [100.0, 90.0, 0.0, 0.0, 10.0, 0.0],
        "copies": [100.0, 60.0, 0.0, 0.0, 40.0, 0.0],
    }
    pl.DataFrame(counts).write_parquet(run / "gen1/3-tokens.parquet")
    found = token_shares(run, 1)
    assert found["of"] == "unit"
    assert found["totals"] == {"labeled": 1000, "kept": 200, "copies": 200}
    assert found["kinds"] == {"labeled": 4, "kept": 3, "copies": 3}
    assert found["judged"] == 3  # of `rare` 0.2 occurrences would be expected
    assert [(row["token"], row["ratio"], row["ratio_after"]) for row in found["over"]] == [("b", 1.5, 1.0)]
    assert [row["token"] for row in found["under"]] == ["c"]
    assert found["lost"] == {"kinds": 1, "tokens": ["c"]}
    assert found["new"] == {"kinds": 1, "share": 0.05, "tokens": ["new"]}
    assert [row["token"] for row in found["frequent"]] == ["a", "b", "c", "rare"]


def test_an_older_folder_counts_words_and_copies_count_twice(run: Path) -> None:
    (run / "corpus").mkdir()
    labeled = {"id": ["l"], "size": [2.0], "label": ["three three four one"]}
    pl.DataFrame(labeled).write_parquet(run / "corpus/labeled.parquet")
    found = token_shares(run, 1)
    assert found["of"] == "word"
    assert found["totals"] == {"labeled": 4, "kept": 2, "copies": 3}
    shares = {row["token"]: (row["labeled"], row["kept"], row["copies"]) for row in found["frequent"]}
    assert shares == {
        "three": (0.5, 0.5, pytest.approx(1 / 3, rel=1e-5)),
        "four": (0.25, 0.5, pytest.approx(2 / 3, rel=1e-5)),
        "one": (0.25, 0.0, 0.0),
    }


# contents


def known_sets(run: Path, groups: list[str | None]) -> None:
    (run / "corpus").mkdir()
    labeled = {"id": ["l", "m"], "size": [1800.0, 3600.0], "group": ["s", "s"], "label": ["one", "two two"]}
    types = {"size": pl.Float32}
    pl.DataFrame(labeled, schema_overrides=types).write_parquet(run / "corpus/labeled.parquet")
    pool = pl.DataFrame({"id": ["a", "b", "c"], "group": groups}, schema_overrides={"group": pl.String})
    pool.write_parquet(run / "corpus/unlabeled.parquet")


def test_kept_labels_stand_beside_all_and_the_labeled_set(run: Path) -> None:
    known_sets(run, ["s", "s", "t"])
    found = contents(run, 1)
    assert found["rate"]["unit"] == "word"
    assert found["rate"]["mean"]["all"] == pytest.approx(4 / 12600, rel=1e-5)
    assert found["rate"]["mean"]["kept"] == pytest.approx(2 / 10800, rel=1e-5)
    assert found["rate"]["mean"]["labeled"] == pytest.approx(3 / 5400, rel=1e-5)
    assert found["size"]["median"] == {"all": 3600.0, "kept": 5400.0, "labeled": 2700.0}
    assert [sum(found["size"][side]) for side in ("all", "kept", "labeled")] == [3, 2, 2]


def test_groups_are_those_of_which_least_and_most_is_kept(run: Path) -> None:
    known_sets(run, ["s", "s", "t"])
    plan = json.loads(json.dumps({"recipe": "digits", "alarms": {"fewest": 1}, "generations": [{}]}))
    (run / "plan.yaml").write_text(json.dumps(plan))
    found = contents(run, 1)["group"]
    assert (found["known"], found["judged"], found["none_kept"]) == (2, 1, 0)
    # s: one of two labels kept, 1 of 3 kept hours where it has 1.5 of 3.5; of t alone less than one row is expected
    assert found["least"] == [
        {"group": "s", "rows": 2, "kept_rows": 1, "ratio": short((1 / 3) / (1.5 / 3.5)), "kept_share": 0.5}
    ]
    assert found["most"] == []


def test_where_groups_are_not_known_there_is_a_reason(run: Path, tmp_path: Path) -> None:
    assert "does not say what the groups" in contents(run, 1)["group"]["reason"]
    known_sets(run, ["s", "s", None])
    assert contents(run, 1)["group"]["reason"] == "no two groups of the pool are known"


# the sets


def test_an_older_folder_is_helped_by_the_manifest_that_it_names(run: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "pool.tsv"
    (run / "given.json").write_text(json.dumps({"manifests": {"unlabeled": str(manifest)}, "allow_overlap": True}))
    found, why = column_of(run, "unlabeled", "group")
    assert found is None
    assert "pool.tsv alone" in str(why)
    manifest.write_text('id\tpath\tspeaker\tseconds\na\tx.wav\tA "quoted"\t1.5\nb\ty.wav\t\t1\n')
    found, why = column_of(run, "unlabeled", "group")
    assert why is None
    assert found is not None
    assert found.rows() == [("a", 'A "quoted"'), ("b", None)]
    manifest.write_text("id\tpath\na\tx.wav\n")
    assert column_of(run, "unlabeled", "group") == (None, "pool.tsv has no ids with groups")


# verdict, advice, leaks


@pytest.mark.parametrize(
    ("errors", "outcome", "start"),
    [
        ((40, 20), "worked", "It worked: the last student makes 49 % fewer errors than the first teacher (WER 41.00 %"),
        ((20, 40), "failed", "It did not work: the last student is significantly worse than the first teacher (WER"),
        ((30, 30), "undecided", "Undecided: the difference between the last student and the first teacher may be"),
        ((30,), "nothing", "No student has been scored yet"),
    ],
)
def test_the_verdict_follows_the_paired_comparison(
    tmp_path: Path, errors: tuple[int, ...], outcome: str, start: str
) -> None:
    found = results.collect(make_run(tmp_path / "run", errors=errors))["verdict"]
    assert found["outcome"] == outcome
    assert found["sentence"].startswith(start)


@pytest.mark.parametrize(
    ("errors", "do", "use"), [((40, 20), "go on", 1), ((40, 20, 20), "stop", 2), ((40, 20, 45), "stop", 1)]
)
def test_the_advice_is_to_stop_where_the_gain_may_be_chance(
    tmp_path: Path, errors: tuple[int, ...], do: str, use: int
) -> None:
    found = results.collect(make_run(tmp_path / "run", errors=errors))["advice"]
    assert (found["do"], found["use"]) == (do, use)
    assert found["gain"] == pytest.approx((errors[-2] - errors[-1]) / 100)
    assert found["low"] <= found["gain"] <= found["high"]
    assert found["text"].lower().startswith(do)


def test_a_teacher_alone_gets_no_advice(tmp_path: Path) -> None:
    assert results.collect(make_run(tmp_path / "run", errors=(40,)))["advice"] is None


def test_warnings_of_the_log_are_told_once_without_time_and_alarms(run: Path) -> None:
    (run / "run.log").write_text(
        "2026-11-21 15:13:06 WARNING: 3 speakers of labeled also occur in dev: a, b, c\n"
        "2026-11-21 15:13:07 all is well\nWARNING: dev is too small\n"
        "2026-11-22 15:13:06 WARNING: 3 speakers of labeled also occur in dev: a, b, c\n"
        "2026-11-22 15:13:06 WARNING: generation 1: alarm group_share: x\n"
    )
    (run / "given.json").write_text(json.dumps({"manifests": {}, "allow_overlap": True}))
    assert leaks(run) == {
        "overlap_allowed": True,
        "warnings": ["3 speakers of labeled also occur in dev: a, b, c", "dev is too small"],
    }
