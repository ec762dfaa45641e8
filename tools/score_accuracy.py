"""Scores the classes that models gave to images: accuracy, classes, confusions, comparison.

python tools/score_accuracy.py REFERENCE HYPOTHESIS [HYPOTHESIS ...] [--classes FILE] [--json OUT]
python tools/score_accuracy.py --manifest TSV --model MODEL_FOLDER [--model ...] [HYPOTHESIS ...]

Tables have the columns id and label: a .tsv, a .parquet, or a folder of part-*.parquet such as a label table. Of the
reference a column group is used where it is known (images of one group go together in the bootstrap); of a hypothesis
soft_index and soft_prob, for top-5. Class names may hold spaces. Every hypothesis but
the first is compared to the first.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import polars as pl

from nst_asr.bootstrap import RESAMPLES
from nst_asr.config import ConfigError
from nst_asr.key import Key
from nst_asr.rows import ManifestError
from nst_asr.score import Score, ScoreError, compare, score
from nst_asr.store import StoreError, read_table, write_json

_BATCH = 64
_SHOWN = 20  # classes in the printed table: those of the lowest recall
_BEST = 5


class AccuracyError(ValueError):
    """A table that cannot be scored; the message names it and the way out."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 scored, 1 tables that cannot be used or do not fit."""
    parser = argparse.ArgumentParser(description="Top-1 and top-5 accuracy, classes, confusions, comparison.")
    parser.add_argument("tables", nargs="*", type=Path, metavar="TABLE", help="the reference first, unless --manifest")
    parser.add_argument("--manifest", type=Path, help="labeled images, the reference")
    parser.add_argument("--model", type=Path, action="append", default=[], metavar="MODEL_FOLDER", help="to run on it")
    parser.add_argument(
        "--classes", type=Path, metavar="FILE", help="class names in the order of soft_index, one a line"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all numbers there")
    parser.add_argument("--device", default="auto", help="of the models: cpu, cuda or auto (default)")
    options = parser.parse_args(arguments)
    if options.model and not options.manifest:
        parser.error("--model needs --manifest, the images to run it on")
    if len(options.tables) + len(options.model) + bool(options.manifest) < 2:
        parser.error("give a reference and a hypothesis")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        found = _scored(options)
    except (AccuracyError, ScoreError, StoreError, ManifestError, ConfigError, ValueError) as error:
        print(f"score_accuracy: {error}", file=sys.stderr)
        return 1
    print(text(found), end="")
    if options.json:
        write_json(options.json, found)
    return 0


def _scored(options: argparse.Namespace) -> dict[str, Any]:
    classes = _names(options.classes) if options.classes else None
    hypotheses = options.tables if options.manifest else options.tables[1:]
    if options.manifest:
        from nst_asr.vision.manifests import read_manifest  # tables alone need none of the vision packages

        reference = read_manifest(options.manifest, labeled=True)
    else:
        reference = table(options.tables[0])
    heard: dict[str, tuple[pl.DataFrame, Sequence[str] | None]] = {
        str(path): (table(path), classes) for path in hypotheses
    }
    heard |= {str(path): classified(path, reference, options.device) for path in options.model}
    return accuracies(reference, heard)


def table(path: Path) -> pl.DataFrame:
    """The rows of a .tsv, a .parquet or a folder of parts: at least id and label, both text. Raises AccuracyError."""
    if not path.exists():
        raise AccuracyError(f"{path}: no such table")
    parts = sorted(path.glob("part-*.parquet")) if path.is_dir() else [path]
    if not parts:
        raise AccuracyError(f"{path}: a folder without part-*.parquet; give the folder of a label table")
    try:
        found = pl.concat([_read(part) for part in parts])
    except pl.exceptions.PolarsError as error:
        raise AccuracyError(f"{path}: parts with different columns ({error}); label anew") from None
    for column in ("id", "label"):
        if column not in found.columns:
            raise AccuracyError(f"{path}: no column {column} (it has {', '.join(found.columns)}); name one so")
    return found.with_columns(pl.col("id", "label").cast(pl.String))


def classified(folder: Path, rows: pl.DataFrame, device: str) -> tuple[pl.DataFrame, Sequence[str]]:
    """The classes that a model gives to images, with its five best as a soft label; and the names of its classes."""
    from nst_asr.device import usable_device
    from nst_asr.progress import Progress
    from nst_asr.vision.geometry import centred
    from nst_asr.vision.images import read
    from nst_asr.vision.model import load

    model = load(folder, usable_device(device))
    best: list[np.ndarray] = []
    with Progress(folder.name, len(rows), "image") as progress:
        for start in range(0, len(rows), _BATCH):
            paths = rows["path"][start : start + _BATCH].to_list()
            images = centred([read(path) for path in paths], model.resolution, crop=model.crop)
            chances = model.probabilities(images).cpu().numpy()
            best.append(np.argsort(-chances, axis=1, kind="stable")[:, :_BEST])
            progress.advance(len(paths))
    places = np.concatenate(best)
    shares = 1 / np.arange(1, places.shape[1] + 1)  # only their order matters here
    soft = {"soft_index": places.tolist(), "soft_prob": [shares.tolist()] * len(places)}
    return pl.DataFrame({"id": rows["id"], "label": [model.classes[k] for k in places[:, 0]], **soft}), model.classes


def accuracies(reference: pl.DataFrame, heard: dict[str, tuple[pl.DataFrame, Sequence[str] | None]]) -> dict[str, Any]:
    """The numbers of each hypothesis (a table, and its class names if known), and how they compare to the first."""
    scores = {name: one_word_score(reference, rows) for name, (rows, _) in heard.items()}
    first = next(iter(scores))
    found: dict[str, Any] = {"hypotheses": {}, "comparisons": []}
    for name, (rows, classes) in heard.items():
        pairs = reference.select("id", "label").join(rows.select("id", heard="label"), on="id", maintain_order="left")
        found["hypotheses"][name] = {
            **_top1(scores[name]),
            **top5(reference, rows, classes),
            "classes": by_class(pairs).to_dicts(),
            "confusions": confusions(pairs).to_dicts(),
        }
    found["comparisons"] = [compared(first, name, scores) for name in list(scores)[1:]]
    return found


def one_word_score(reference: pl.DataFrame, rows: pl.DataFrame) -> Score:
    """Top-1 errors as word errors: each class name, spaces and all, is written as one word.

    Raises ScoreError where ids do not agree, are doubled, or have no label.
    """
    group = pl.col("group").cast(pl.String) if "group" in reference.columns else pl.lit(None, pl.String)
    word = pl.col("label").map_elements(lambda name: "=" + quote(name, safe=""), pl.String)
    truth = reference.select("id", group.alias("group"), word.alias("label"))
    return score(truth, rows.select("id", word.alias("label")))


def by_class(pairs: pl.DataFrame) -> pl.DataFrame:
    """class, images, guesses, right, recall, precision; a share is null where there is nothing to share.

    pairs: id, label, heard. Rows: every class of either side, by name.
    """
    right = pl.col("label") == pl.col("heard")
    seen = pairs.group_by(pl.col("label").alias("class")).agg(images=pl.len(), right=right.sum())
    guessed = pairs.group_by(pl.col("heard").alias("class")).agg(guesses=pl.len())
    counts = seen.join(guessed, on="class", how="full", coalesce=True).sort("class")
    counts = counts.with_columns(pl.col("images", "guesses", "right").fill_null(0).cast(pl.Int64))
    shares = {
        name: pl.when(pl.col(whole) > 0).then(pl.col("right") / pl.col(whole))
        for name, whole in (("recall", "images"), ("precision", "guesses"))
    }
    return counts.select("class", "images", "guesses", "right").with_columns(**shares)


def confusions(pairs: pl.DataFrame, most: int = 10) -> pl.DataFrame:
    """label, heard, times: the pairs that are most often mistaken, the most frequent first, then by name."""
    wrong = pairs.filter(pl.col("label") != pl.col("heard"))
    counted = wrong.group_by("label", "heard").agg(times=pl.len().cast(pl.Int64))
    return counted.sort(["times", "label", "heard"], descending=[True, False, False]).head(most)


def top5(reference: pl.DataFrame, rows: pl.DataFrame, classes: Sequence[str] | None) -> dict[str, Any]:
    """top5: the share of images whose class is among the five largest of the soft label; {} where there is none.

    Without `classes` the numbers of the soft labels are named by the rows' own labels, the class of the largest share;
    where a class of the reference is never that, top5 is null and the key top5_reason says so.
    """
    if "soft_index" not in rows.columns or rows["soft_index"].null_count() == len(rows):
        return {}
    soft = rows.drop_nulls(["soft_index", "soft_prob"])
    if len(soft) != len(rows):
        return {"top5": None, "top5_reason": f"{len(rows) - len(soft)} of {len(rows)} images have no soft label"}
    ranked = soft.select("id", "label", index="soft_index", share="soft_prob").explode("index", "share")
    ranked = ranked.sort("id", "share", descending=[False, True], maintain_order=True)
    places = _named(ranked) if classes is None else {name: place for place, name in enumerate(classes)}
    unknown = sorted(set(reference["label"]) - set(places))
    if unknown:
        reason = f"which number is {unknown[0]} is not known ({len(unknown)} such classes); give --classes"
        return {"top5": None, "top5_reason": reason}
    best = ranked.group_by("id").head(_BEST).select("id", "index")
    truth = reference.select("id", index=pl.col("label").replace_strict(places, return_dtype=pl.Int64))
    hits = truth.join(best.with_columns(pl.col("index").cast(pl.Int64)), on=["id", "index"], how="semi")
    return {"top5": len(hits) / len(reference)}


def compared(first: str, name: str, scores: dict[str, Score]) -> dict[str, Any]:
    """How much more accurate a hypothesis is than the first, paired by image: its 95 % interval and two-sided p."""
    found = compare(scores[first], scores[name], Key(0)["accuracy"])
    p = min(1.0, 2 * min(found.p_worse, 1 - found.p_worse))
    gain, low, high = (0.0 - value for value in (found.difference, found.high, found.low))  # no -0.0
    return {"than": first, "of": name, "gain": gain, "low": low, "high": high, "p": p}


def text(found: dict[str, Any]) -> str:
    """The numbers as text and Markdown tables."""
    parts = [_described(name, one) for name, one in found["hypotheses"].items()]
    for one in found["comparisons"]:
        parts.append(
            f"{one['of']} against {one['than']}: {100 * one['gain']:+.2f} points "
            f"[{100 * one['low']:+.2f}, {100 * one['high']:+.2f}], {_chance(one['p'])}\n"
        )
    return "\n".join(parts)


def _top1(found: Score) -> dict[str, Any]:
    low, high = found.interval
    over = {"speaker": "group", "utterance": "image"}[found.interval_over]
    shares = {"top1": 1 - found.rate, "low": 1 - high, "high": 1 - low}
    return {"images": found.words, "wrong": found.errors, **shares, "interval_over": over}


def _named(ranked: pl.DataFrame) -> dict[str, int]:
    """Class name -> its number, as the largest share of each soft label and the label beside it have it."""
    largest = ranked.group_by("id", maintain_order=True).first().select("label", "index").unique()
    doubled = largest.filter(pl.col("label").is_duplicated() | pl.col("index").is_duplicated())
    return dict(largest.filter(~pl.col("label").is_in(doubled["label"].implode())).iter_rows())


def _names(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AccuracyError(f"{path}: no list of classes that can be read ({error})") from None


def _read(path: Path) -> pl.DataFrame:
    if path.suffix == ".parquet":
        return read_table(path)
    if path.suffix != ".tsv":
        raise AccuracyError(f"{path}: no table; give a .tsv, a .parquet or a folder of part-*.parquet")
    try:
        return pl.read_csv(path, separator="\t", infer_schema=False, quote_char=None)
    except pl.exceptions.PolarsError as error:
        raise AccuracyError(f"{path}: no tab-separated table that can be read ({error})") from None


def _described(name: str, one: dict[str, Any]) -> str:
    worst = sorted(one["classes"], key=lambda row: (row["recall"] is None, row["recall"], row["class"]))[:_SHOWN]
    lines = [
        f"{name}: top-1 {one['top1']:.2%} [{one['low']:.2%}, {one['high']:.2%}], "
        f"{one['wrong']} of {one['images']} wrong",
        *([f"top-5 {one['top5']:.2%}"] if one.get("top5") is not None else []),
        *([f"top-5: {one['top5_reason']}"] if "top5_reason" in one else []),
        "",
        "| class | images | recall | precision |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {row['class']} | {row['images']} | {_share(row['recall'])} | {_share(row['precision'])} |"
            for row in worst
        ),
    ]
    if len(one["classes"]) > _SHOWN:
        lines.append(f"\nthe {_SHOWN} of {len(one['classes'])} classes with the lowest recall")
    if one["confusions"]:
        lines += ["", "| class | taken for | times |", "| --- | --- | ---: |"]
        lines += [f"| {row['label']} | {row['heard']} | {row['times']} |" for row in one["confusions"]]
    return "\n".join(lines) + "\n"


def _chance(p: float) -> str:
    least = 2 / RESAMPLES
    return f"p = {p:.3f}" if p >= least else f"p < {least:g}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


if __name__ == "__main__":
    sys.exit(main())
