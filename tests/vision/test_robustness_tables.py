"""mCE and mFR from tables of guesses: by hand, against the functions for models, what is refused."""

import itertools
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from nst_asr.scoring.texts import ScoringError
from nst_asr.vision.corruptions import CORRUPTIONS
from nst_asr.vision.perturbations import NOISES, PERTURBATIONS
from nst_asr.vision.robustness import (
    ALEXNET_ERRORS,
    ALEXNET_FLIPS,
    RobustnessError,
    flip_probability,
    mean_corruption_error,
    mean_flip_rate,
)
from nst_asr.vision.robustness_tables import corrupted, perturbed
from nst_asr.vision.robustness_text import markdown

REFERENCE = pl.DataFrame({"id": [f"i{place}" for place in range(10)], "label": ["cat", "dog"] * 5})


def guessed(names: list[str], wrong: int) -> pl.DataFrame:
    """Guesses in which severity s of every corruption has `wrong` + s wrong images of ten."""
    parts = []
    for name, severity in itertools.product(names, range(1, 6)):
        bad = pl.int_range(10, eager=True) < wrong + severity
        label = pl.select(pl.when(bad).then(pl.lit("owl")).otherwise(REFERENCE["label"])).to_series()
        parts.append(REFERENCE.with_columns(label=label, corruption=pl.lit(name), severity=pl.lit(severity)))
    return pl.concat(parts)


def frames(seed: int, names: list[str]) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    rows = [(name, f"s{k}", frame, "abc"[draw.integers(3)]) for name in names for k in range(4) for frame in range(6)]
    return pl.DataFrame(rows, schema=["perturbation", "id", "frame", "label"], orient="row")


def test_errors_and_mce_by_hand(tmp_path: Path) -> None:
    model, base = tmp_path / "model.parquet", tmp_path / "base.parquet"
    guessed(list(CORRUPTIONS), 0).write_parquet(model)
    guessed(list(CORRUPTIONS), 3).write_parquet(base)
    (found,) = corrupted([model], REFERENCE, str(base)).values()
    assert found["errors"]["fog"] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert found["top1"] == pytest.approx(0.7)
    # 1 + 2 + 3 + 4 + 5 wrong against 15 more
    assert found["ce"]["snow"] == pytest.approx(50) == found["mce"]


def test_alexnet_is_the_baseline_where_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "model.parquet"
    guessed(list(CORRUPTIONS), 2).write_parquet(path)
    (found,) = corrupted([path], REFERENCE, "alexnet").values()
    assert found["mce"] == mean_corruption_error(found["errors"], ALEXNET_ERRORS)
    assert "mce" not in corrupted([path], REFERENCE, None)[str(path)]


def test_a_folder_with_a_file_for_each_corruption_is_the_same_as_one_table(tmp_path: Path) -> None:
    table = guessed(["fog", "snow"], 1)
    table.write_parquet(tmp_path / "all.parquet")
    folder = tmp_path / "each"
    folder.mkdir()
    for (name,), part in table.partition_by("corruption", as_dict=True).items():
        part.drop("corruption").write_csv(folder / f"{name}.tsv", separator="\t")
    one, other = corrupted([tmp_path / "all.parquet", folder], REFERENCE, None).values()
    assert one == other
    assert "| fog, error | 40.0 | 40.0 |" in markdown({"corrupted": {"one": one, "other": other}})


def test_flips_are_those_of_the_frames_whatever_their_order(tmp_path: Path) -> None:
    table, path = frames(0, list(PERTURBATIONS)), tmp_path / "p.parquet"
    table.sample(fraction=1, shuffle=True, seed=1).write_parquet(path)
    (found,) = perturbed([path], "alexnet").values()
    for name in PERTURBATIONS:
        labels = table.filter(perturbation=name)["label"].to_numpy().reshape(4, 6)
        assert found["flips"][name] == flip_probability(labels, noise=name in NOISES)
    assert found["mfr"] == mean_flip_rate(found["flips"], ALEXNET_FLIPS)
    (alone,) = perturbed([path], str(path)).values()
    assert alone["mfr"] == pytest.approx(100)


def test_sets_that_are_not_whole_are_refused_by_name(tmp_path: Path) -> None:
    path, table = tmp_path / "m.parquet", guessed(["fog"], 0)

    def message(rows: pl.DataFrame, baseline: str | None = None) -> str:
        rows.write_parquet(path)
        with pytest.raises((RobustnessError, ScoringError)) as error:
            corrupted([path], REFERENCE, baseline)
        return str(error.value)

    assert "fog at severity 1 has 9 of the 10 images" in message(table[1:])
    assert "fog at severity 1 has 11 rows of 10 images" in message(pl.concat([table, table[:1]]))
    assert "fog lacks severity 3" in message(table.filter(pl.col("severity") != 3))
    assert "severity 6: severities are 1 to 5" in message(table.with_columns(severity=pl.col("severity") + 1))
    assert "z is no image of the reference" in message(table.with_columns(id=pl.lit("z")))
    assert "no column severity" in message(table.drop("severity"))
    assert "i0 has the severity 'x'" in message(table.with_columns(severity=pl.lit("x")))
    assert "the model's errors lack gaussian_noise" in message(table, "alexnet")
    assert "gone.parquet: no such table" in message(table, str(tmp_path / "gone.parquet"))


def test_sequences_that_are_not_whole_are_refused_by_name(tmp_path: Path) -> None:
    path, table = tmp_path / "p.parquet", frames(0, ["tilt"])
    table[1:].write_parquet(path)
    with pytest.raises(RobustnessError, match="tilt: s0 has 5 frames and others have 6"):
        perturbed([path], None)
    pl.concat([table, table[:1]]).write_parquet(path)
    with pytest.raises(RobustnessError, match="s0 has frame 0 twice"):
        perturbed([path], None)
