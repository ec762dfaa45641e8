"""Errors on corrupted images, and flips on perturbed ones, from tables of guesses: no model and no image is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nst_asr.scoring.tables import read_labels
from nst_asr.vision.corruptions import SEVERITIES
from nst_asr.vision.perturbations import NOISES
from nst_asr.vision.robustness import (
    ALEXNET_ERRORS,
    ALEXNET_FLIPS,
    RobustnessError,
    corruption_errors,
    flip_probability,
    flip_rates,
    mean_corruption_error,
    mean_flip_rate,
)

ALEXNET = "alexnet"
_ENDINGS = (".tsv", ".parquet")


def corrupted(paths: Sequence[Path], reference: pl.DataFrame, baseline: str | None) -> dict[str, Any]:
    """Of each table of guesses on corrupted images, by its path: errors, top1, and ce and mce beside a baseline.

    reference: id and label; ids are those of the clean images. baseline: another such table, "alexnet" for its
    published errors on ImageNet-C, or None: no ce and mce. Raises ScoringError, RobustnessError.
    """
    _refuse_unusable(reference)
    found: dict[str, Any] = {}
    base = _baseline(baseline, lambda path: _errors(path, reference), ALEXNET_ERRORS)
    for path in paths:
        errors = _errors(path, reference)
        top1 = 1 - float(np.mean(list(errors.values())))
        with _of(path):
            found[str(path)] = relative({"errors": errors, "top1": top1}, base and {"errors": base})
    return found


def perturbed(paths: Sequence[Path], baseline: str | None) -> dict[str, Any]:
    """Of each table of guesses on sequences, by its path: flips, flip, and fr and mfr beside a baseline.

    baseline: another such table, "alexnet" for its flips on ImageNet-P, or None: no fr and mfr. Raises ScoringError,
    RobustnessError.
    """
    found: dict[str, Any] = {}
    base = _baseline(baseline, _flips, ALEXNET_FLIPS)
    for path in paths:
        flips = _flips(path)
        with _of(path):
            flip = float(np.mean(list(flips.values())))
            found[str(path)] = relative({"flips": flips, "flip": flip}, base and {"flips": base})
    return found


def relative(scored: dict[str, Any], base: Mapping[str, Any] | None) -> dict[str, Any]:
    """The numbers of a model, and beside a baseline's ce and mce (of `errors`) or fr and mfr (of `flips`).

    Raises RobustnessError as `robustness.corruption_errors` and `flip_rates`.
    """
    if base is not None and "errors" in scored:
        errors = scored["errors"], base["errors"]
        return scored | {"ce": corruption_errors(*errors), "mce": mean_corruption_error(*errors)}
    if base is not None and "flips" in scored:
        flips = scored["flips"], base["flips"]
        return scored | {"fr": flip_rates(*flips), "mfr": mean_flip_rate(*flips)}
    return scored


def _baseline(given: str | None, read: Callable[[Path], dict[str, Any]], alexnet: Mapping[str, Any]) -> Any:
    """What the baseline's table says, or AlexNet's published numbers; None where there is no baseline."""
    if given is None:
        return None
    return alexnet if given == ALEXNET else read(Path(given))


@contextmanager
def _of(what: Path | str) -> Iterator[None]:
    """Name what an error is of."""
    try:
        yield
    except RobustnessError as error:
        raise RobustnessError(f"{what}: {error}") from None


def _refuse_unusable(reference: pl.DataFrame) -> None:
    doubled = reference.filter(pl.col("id").is_duplicated())
    if len(doubled):
        raise RobustnessError(f"the reference has {doubled['id'][0]} more than once; keep one of them")
    blank = reference.filter(pl.col("label").is_null())
    if len(blank):
        raise RobustnessError(f"the reference {blank['id'][0]} has no label; fill it in")


def _errors(path: Path, reference: pl.DataFrame) -> dict[str, list[float]]:
    return errors_of(guesses(path, "corruption", "severity"), reference, path)


def _flips(path: Path) -> dict[str, float]:
    return flips_of(guesses(path, "perturbation", "frame"), path)


def guesses(path: Path, kind: str, step: str) -> pl.DataFrame:
    """id, label, `kind` (the name of a corruption or perturbation) and `step` (severity or frame, i64) of a table.

    A table with these columns, or a folder with a file for each kind, NAME.tsv or NAME.parquet, that has the others.
    Raises ScoringError for what cannot be read, RobustnessError for a step that is no number or no rows at all.
    """
    files = sorted(file for file in path.glob("*") if file.suffix in _ENDINGS) if path.is_dir() else []
    if files and not any(path.glob("part-*.parquet")):
        parts = [_only(file, (step,)).with_columns(pl.lit(file.stem).alias(kind)) for file in files]
        found = pl.concat(part.select("id", "label", kind, step) for part in parts)
    else:
        found = _only(path, (kind, step))
    if found.is_empty():
        raise RobustnessError(f"{path}: no guesses; give a row for each image")
    number = found[step].cast(pl.Int64, strict=False)
    if number.null_count():
        odd = found.filter(number.is_null())
        raise RobustnessError(f"{path}: {odd['id'][0]} has the {step} {odd[step][0]!r}; give a whole number")
    return found.with_columns(number)


def _only(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    found = read_labels(path)
    for column in columns:
        if column not in found.columns:
            have = ", ".join(found.columns)
            raise RobustnessError(
                f"{path}: no column {column} (it has {have}); add it, or give a folder with one file for each kind"
            )
    gaps = found.filter(pl.any_horizontal(pl.col("id", "label", *columns).is_null()))
    if len(gaps):
        raise RobustnessError(f"{path}: {gaps['id'][0] or 'a row'} lacks an entry ({len(gaps)} such rows); fill it in")
    return found.select("id", "label", *(pl.col(name).cast(pl.String) for name in columns))


def errors_of(table: pl.DataFrame, reference: pl.DataFrame, path: Path) -> dict[str, list[float]]:
    """Corruption -> top-1 error at severities 1 to 5.

    table: id, label, corruption, severity; reference: id, label. Raises RobustnessError where the images of a
    corruption at a severity are not those of the reference, each once, or a severity is missing or none of the five.
    """
    pairs = table.join(reference.select("id", true="label"), on="id", how="left")
    strange = pairs.filter(pl.col("true").is_null())
    if len(strange):
        raise RobustnessError(f"{path}: {strange['id'][0]} is no image of the reference ({len(strange)} such rows)")
    cells = pairs.group_by("corruption", "severity").agg(
        images=pl.len(), ids=pl.col("id").n_unique(), error=(pl.col("label") != pl.col("true")).mean()
    )
    for row in cells.sort("corruption", "severity").iter_rows(named=True):
        where = f"{path}: {row['corruption']} at severity {row['severity']}"
        if row["severity"] not in SEVERITIES:
            raise RobustnessError(f"{where}: severities are {SEVERITIES[0]} to {SEVERITIES[-1]}")
        if row["images"] != row["ids"]:
            raise RobustnessError(f"{where} has {row['images']} rows of {row['ids']} images; keep one of each")
        if row["ids"] != len(reference):
            raise RobustnessError(f"{where} has {row['ids']} of the {len(reference)} images; guess them all")
    found: dict[str, list[float]] = {}
    for of_kind in cells.sort("corruption", "severity").partition_by("corruption"):
        name = of_kind["corruption"][0]
        if len(of_kind) != len(SEVERITIES):
            lacking = sorted(set(SEVERITIES) - set(of_kind["severity"]))
            raise RobustnessError(f"{path}: {name} lacks severity {lacking[0]}; guess its images too")
        found[name] = of_kind["error"].to_list()
    return found


def flips_of(table: pl.DataFrame, path: Path) -> dict[str, float]:
    """Perturbation -> the share of frames whose guess differs from the one before (`robustness.flip_probability`).

    table: id (of a sequence), label, perturbation, frame. Raises RobustnessError where a frame is there twice, or the
    sequences of a perturbation have different numbers of frames.
    """
    code = table["label"].rank("dense").cast(pl.Int64)
    found = {}
    for part in table.with_columns(code).sort("perturbation", "id", "frame").partition_by("perturbation"):
        name = part["perturbation"][0]
        twice = part.filter(pl.struct("id", "frame").is_duplicated())
        if len(twice):
            raise RobustnessError(f"{path}: {name}: {twice['id'][0]} has frame {twice['frame'][0]} twice; keep one")
        lengths = part.group_by("id", maintain_order=True).len()
        if lengths["len"].n_unique() > 1:
            least = lengths.sort("len")
            raise RobustnessError(
                f"{path}: {name}: {least['id'][0]} has {least['len'][0]} frames and others have {least['len'][-1]}; "
                "give all frames of every sequence"
            )
        frames = part["label"].to_numpy().reshape(len(lengths), -1)
        with _of(f"{path}: {name}"):
            found[name] = flip_probability(frames, noise=name in NOISES)
    return found
