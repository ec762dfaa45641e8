"""Faults that the sixth review found in calibration, target errors and the ledger; each once went as told here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from nst_asr import cli, config
from nst_asr.align import align_counts
from nst_asr.examine import estimates, examine
from nst_asr.filter import FilterPlan, OutOfReach, Target, filter
from nst_asr.gauge import fit
from nst_asr.isotonic import rising_blocks
from nst_asr.labels import SCHEMA
from nst_asr.ledger_text import _failure
from nst_asr.measures import words
from tests.simulated_labels import simulate
from tests.simulated_run import make_run


def blind(count: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Labels whose only measure of sureness is drawn without a look at whether they are right."""
    heard, truth = simulate(count, 1)
    absent = ("margin", "lm_distance", "agreement", "unspoken", "token_confidence", "token_tsallis_confidence")
    chance = pl.Series(-5 * np.random.default_rng(0).random(count) - 0.1, dtype=pl.Float32)
    columns: dict[str, Any] = {name: pl.lit(None, SCHEMA[name]) for name in absent}
    return heard.with_columns(confidence=pl.lit(0.5, pl.Float32), logprob=chance, **columns), truth


def test_measures_that_say_nothing_give_a_cutoff_in_terms_of_the_calibration_that_judges_the_pool() -> None:
    heard, truth = blind(300)  # the calibration is one number; those fitted without a fold are others
    gauge = fit(heard, truth).gauge
    assert heard.pipe(gauge.expected_error).drop_nulls().n_unique() == 1
    loose = filter(heard, gauge, FilterPlan(target_error=Target(rate=0.265)))
    assert loose.kept.sum() == 299  # all but the empty label; a cut-off of another fit kept none
    with pytest.raises(OutOfReach, match=r"The lowest is 0\.2059, for the surest 99\.9%"):
        filter(heard, gauge, FilterPlan(target_error=Target(rate=0.2)))


def test_a_confidence_that_is_no_number_does_not_end_the_examination() -> None:
    heard, truth = simulate(400, 3)
    strange = pl.when(pl.int_range(pl.len()) % 7 == 0).then(float("nan")).otherwise("confidence").cast(pl.Float32)
    found = examine(fit(heard.with_columns(confidence=strange), truth))
    json.dumps(found.to_json(), allow_nan=False)
    assert found.before is not None
    assert found.before.rows < 400 - 400 // 7


def test_the_estimated_error_of_all_labels_is_unbiased_though_dev_is_small() -> None:
    pool, truth = simulate(5000, 999, speakers=1000)
    counts = align_counts(truth["label"].to_list(), pool["label"].to_list())
    known = pl.DataFrame({"errors": counts[:, :3].sum(1), "words": counts[:, 3]})
    found = []
    for seed in range(20):
        gauge = fit(*simulate(100, seed)).gauge
        if gauge.calibrated:
            last = estimates(pool.hstack(known), gauge.judged(pool))[-1]
            found.append(last.expected / last.true - 1)
    assert len(found) > 15
    assert abs(np.mean(found)) < 0.05  # it was -0.08: beyond its last centre the curve was level


def test_a_curve_goes_on_to_the_outermost_rows_with_the_slope_it_has_and_no_further_than_half_of_the_way() -> None:
    x = np.arange(6.0)
    blocks = rising_blocks(x, np.array([0.0, 1, 0, 1, 0, 1]), np.ones(6), fewest=3)
    rate = (1 + 0.05) / 3.1, (2 + 0.05) / 3.1  # at 1 and 4
    slope = (rate[1] - rate[0]) / 3
    assert blocks.curve(highest=1.0)(np.array([-9.0, 0, 1, 4, 5, 9])) == pytest.approx(
        [rate[0] - slope, rate[0] - slope, *rate, rate[1] + slope, rate[1] + slope]
    )
    steep = rising_blocks(x, np.array([0.0, 0, 0, 1, 1, 1]), np.ones(6), fewest=3).curve(highest=1.0)
    assert steep(np.array([0.0, 5])) == pytest.approx([0.05 / 3.1 / 2, (1 + 3.05 / 3.1) / 2])


def test_no_cutoff_stands_on_fewer_than_twenty_labels_of_dev() -> None:
    heard, truth = simulate(10, 4)
    with pytest.raises(OutOfReach, match=r"too few dev labels have the measure normalised_score.*larger dev set"):
        filter(heard, fit(heard, truth).gauge, FilterPlan(target_error=Target(rate=0.5)))


@pytest.mark.parametrize(
    ("value", "message"),
    [(5, r"target_error\.rate = 5: .*less than or equal to 1"), ("5%", r"give an error rate such as 0\.05")],
)
def test_a_target_in_percent_is_refused(value: object, message: str) -> None:
    with pytest.raises(config.ConfigError, match=message):
        config.parse(FilterPlan, {"target_error": value})


def test_words_are_counted_as_blanks_and_one_more_in_any_alphabet() -> None:
    labels = ["", None, "eins", "eins zwei", "größe straße ä", " ", "一 二"]
    assert pl.DataFrame({"label": labels}).select(words()).to_series().to_list() == [0, 0, 1, 2, 3, 2, 2]
    assert pl.DataFrame({"label": []}, schema={"label": pl.String}).select(words()).is_empty()


def test_why_does_not_call_the_cutoff_of_a_measure_a_target_and_tells_close_numbers_apart() -> None:
    failed = {"key": "target_error", "measure": "calibrated", "value": -0.25, "cutoff": -0.125, "asks_for": "more"}
    assert _failure(failed) == "calibrated -0.25, where the cut-off -0.125 for target_error asks for more"
    close = {"key": "confidence", "measure": "confidence", "value": 0.89999, "cutoff": 0.9, "asks_for": "more"}
    assert _failure(close) == "confidence 0.89999, where confidence = 0.9 asks for more"
    none = {"key": "agreement", "measure": "agreement", "value": None, "cutoff": 0.5, "asks_for": "more"}
    assert _failure(none) == "it has no agreement, where agreement = 0.5 asks for more"


def test_the_help_names_every_verb_and_so_does_the_module(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    printed = capsys.readouterr().out
    verbs = [line.split()[0] for line in printed.partition("VERB\n")[2].splitlines() if line[4:5].isalpha()]
    assert {"lm", "label", "import-labels", "filter", "why", "diff"} < set(verbs)
    for verb in verbs:
        assert verb in str(cli.__doc__)


@pytest.mark.parametrize(
    ("damaged", "verb"),
    [
        ("1-labels/part-00001.parquet", ["results"]),
        ("2-verdicts.parquet", ["report"]),
        ("1-labels/part-00001.parquet", ["filter", "--dry-run"]),
    ],
)
def test_a_damaged_table_is_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damaged: str, verb: list[str]
) -> None:
    run = make_run(tmp_path / "run")
    gauge = {"mu": 0.0, "beta": 0.0, "sigma": 1.0, "rows": 3, "left_out": 0}
    for number in (1, 2):
        (run / f"gen{number}/0-gauge.json").write_text(json.dumps(gauge))
        (run / f"gen{number}" / damaged).write_bytes(b"no table")
    assert cli.main([verb[0], str(run), *verb[1:]]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "damaged" in said
