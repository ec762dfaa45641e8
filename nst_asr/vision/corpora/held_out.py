"""One corpus of labeled images as labeled set, pool, dev and test, drawn so that files in any order give the same."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import polars as pl

from nst_asr.key import Key
from nst_asr.lines import ManifestError

Amount = int | float  # a number of images, or a share of all, in (0, 1)


def split(
    rows: pl.DataFrame, *, seed: int, dev: Amount = 0, test: Amount = 0, labeled: Amount | None = None
) -> dict[str, pl.DataFrame]:
    """The sets `test`, `dev`, `labeled` and `unlabeled` of labeled rows, each in their order; empty ones are absent.

    labeled: so many; the rest is `unlabeled`, which keeps its labels here: drop them, they are the truth. None: all
    that is left, and no pool.

    Every class gives each set its share, to the nearest image or two. The draw of an image follows from the seed, its
    class and its id, so the order of the rows makes no difference; a larger labeled set contains the smaller one of
    the same seed; neither it nor the size of dev changes test, and it does not change dev. Groups are not looked at.

    Where rows have a digest: of images of the same pixels one (of the smallest id) is drawn. The others follow it where
    it is held out, by being left out; else they go to the pool, or to the labeled set where there is no pool.

    Raises ManifestError for more than there is, and for a class of dev or test of which no image is labeled.
    """
    drawn, copies = _originals(rows)
    order = _order(drawn, Key(seed)["split"])
    wanted = {"test": test, "dev": dev} | ({} if labeled is None else {"labeled": labeled})
    counts = {name: _count(name, amount, len(order)) for name, amount in wanted.items()}
    _refuse_too_many(counts, len(order))
    rest = "labeled" if labeled is None else "unlabeled"
    sizes = [*counts.values(), len(order) - sum(counts.values())]
    names = np.repeat(np.array([*counts, rest], dtype=object), sizes)
    sets = order.select("id", set=pl.Series(names, dtype=pl.String))
    placed = rows.join(_with_copies(sets, copies, rest), on="id", how="left", maintain_order="left")
    found = {
        name: placed.filter(pl.col("set") == name).drop("set")
        for name in ("test", "dev", "labeled", "unlabeled")
        if counts.get(name) or name == rest
    }
    _refuse_unknown_classes(found)
    return {name: part for name, part in found.items() if len(part)}


def amount(text: str) -> Amount:
    """A number of images (5000) or a share of them (0.1). Raises ManifestError for what is neither."""
    if re.fullmatch(r"[1-9]\d*", text):
        return int(text)
    if re.fullmatch(r"0?\.\d*[1-9]\d*", text):
        return float(text)
    raise ManifestError(f"{text!r}: expected a number of images such as 5000, or a share of them such as 0.1")


def parse_hold_out(texts: list[str]) -> Mapping[str, Amount]:
    """The sets that NAME=AMOUNT asks for, of the names dev and test. Raises ManifestError."""
    found: dict[str, Amount] = {}
    for text in texts:
        name, _, much = text.partition("=")
        if name not in ("dev", "test") or name in found:
            raise ManifestError(f"--hold-out {text}: expected dev=AMOUNT or test=AMOUNT, each once")
        found[name] = amount(much)
    return found


def _originals(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that are drawn, and id and `original` of those that have the pixels of one of them."""
    if "digest" not in rows.columns:
        return rows, pl.DataFrame(schema={"id": pl.String, "original": pl.String})
    marked = rows.with_columns(original=pl.col("id").min().over("digest"))
    is_original = pl.col("id") == pl.col("original")
    return marked.filter(is_original).drop("original"), marked.filter(~is_original).select("id", "original")


def _order(rows: pl.DataFrame, key: Key) -> pl.DataFrame:
    """id and label in the order in which sets are filled: any stretch of it has every class in its proportion.

    Within a class images are in the order of their draws; that at place r of n stands at (r + 1/2) / n of the whole, so
    that sets are prefixes of one order, whatever their sizes.
    """
    ids = rows.select("id", "label").sort("id")
    drawn = ids.with_columns(draw=pl.Series(key.uniforms(ids["label"] + "\t" + ids["id"]), dtype=pl.Float64))
    first = dict(zip(labels := sorted(set(ids["label"])), key["class"].uniforms(labels), strict=True))
    ranked = drawn.sort("label", "draw", "id").with_columns(
        place=(pl.int_range(pl.len()) + 0.5).over("label") / pl.len().over("label"),
        tie=pl.col("label").replace_strict(first, return_dtype=pl.Float64),
    )
    return ranked.sort("place", "tie", "label").select("id", "label")


def _with_copies(sets: pl.DataFrame, copies: pl.DataFrame, rest: str) -> pl.DataFrame:
    """id and set of all rows: copies of what is held out have none, the others are put with the rest."""
    held = pl.col("set").is_in(["dev", "test"])
    followed = copies.join(sets, left_on="original", right_on="id", how="left").select(
        "id", set=pl.when(held).then(None).otherwise(pl.lit(rest))
    )
    return pl.concat([sets, followed.cast({"set": pl.String})])


def _count(name: str, asked: Amount, total: int) -> int:
    if isinstance(asked, float) and not 0 <= asked < 1:
        raise ManifestError(f"{name}={asked:g}: a share lies between 0 and 1, a number of images is whole")
    if asked < 0:
        raise ManifestError(f"{name}={asked}: expected a number of images")
    return round(asked * total) if isinstance(asked, float) else asked


def _refuse_too_many(counts: Mapping[str, int], total: int) -> None:
    if sum(counts.values()) < total:
        return
    asked = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    raise ManifestError(f"{asked}: there are {total} images of different pixels, and some must be left; ask for less")


def _refuse_unknown_classes(sets: Mapping[str, pl.DataFrame]) -> None:
    known = sets["labeled"]["label"] if "labeled" in sets else pl.Series([], dtype=pl.String)
    for name in ("dev", "test"):
        strange = sorted(set(sets[name]["label"]) - set(known)) if name in sets else []
        if strange:
            raise ManifestError(
                f"no labeled image is of class {strange[0]}, of which {name} has some ({len(strange)} such classes): "
                "label more, hold out less, or leave out classes of so few images"
            )
