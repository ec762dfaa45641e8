"""Stage 0: the manifests of labeled set, pool, dev and test, in one folder.

python recipes/cifar10/data.py SOURCE OUT [--seed S] [--test-data SOURCE]

SOURCE: the folder of CIFAR-10's binary version, a folder of class folders, or a .tar of one, whose images stay in it.
Of 50,000 images these are drawn: dev 2,000; test 5,000 where the 10,000 test images are not given; of the rest
labeled sets of 1,000 in 2,000 in 5,000 in 10,000 in 20,000 in all. The pool is what the 5,000 leave. Of fewer images
every set is smaller in proportion and keeps its name: labeled-5000 is then a tenth of all.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # recipes are run from the source tree, not installed

from nst_asr.key import Key
from nst_asr.rows import ManifestError, write_rows
from nst_asr.store import StoreError, write_json
from nst_asr.unusable import UnusableError, refuse_if_too_many
from nst_asr.vision import images
from nst_asr.vision.corpora.cifar import cifar10
from nst_asr.vision.corpora.folder import folder
from nst_asr.vision.corpora.held_out import split
from nst_asr.vision.manifests import read_manifest, table
from recipes.made_of import MADE_OF, refuse_other

LABELED = ("1000", "2000", "5000", "10000", "20000", "all")
MAIN = "5000"  # what is labeled beside the pool
POOLS = {"all": 1, "1of4": 4, "1of16": 16}  # name -> the pool, or one of so many of its images
NO_POOL = "none"
_WHOLE, _DEV, _TEST = 50_000, 2_000, 5_000

Sets = dict[str, pl.DataFrame]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 everything written, 1 data that cannot be used."""
    parser = argparse.ArgumentParser(description="Manifests of CIFAR-10 for the recipe.")
    parser.add_argument("source", type=Path, metavar="SOURCE", help="binary version, class folders, or a .tar of these")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the manifests")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of the sets (default: 0)")
    parser.add_argument("--test-data", type=Path, metavar="SOURCE", help="as SOURCE, or a manifest (.tsv, .parquet)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        make(options.source, options.out, options.seed, options.test_data)
    except (ManifestError, UnusableError, StoreError, OSError) as error:
        print(f"data.py: {error}", file=sys.stderr)
        return 1
    return 0


def make(source: Path, out: Path, seed: int, test_data: Path | None) -> None:
    """Write the manifests, unless they are there. Raises StoreError where those in `out` were made of other things."""
    content = {"source": str(source), "seed": seed, "test_data": str(test_data) if test_data else None}
    if (out / MADE_OF).exists():
        refuse_other(out, content)
        print(f"{out}: the manifests are there")
        return
    train, test = read(source, test_data)
    sets = draw(train, test, seed)
    for name, rows in sets.items():
        write_rows(out / f"{name}.tsv", rows)
    counts = {name: len(rows) for name, rows in sets.items()}
    write_json(out / MADE_OF, content | {"official_test": test is not None, "images": counts})
    print("\n".join(f"{name}: {count} images" for name, count in counts.items()))
    if test is None:
        print(_NO_TEST.format(test=len(sets["test"]), all=len(train)))


_NO_TEST = """
********************************************************************************************************
WARNING: the 10,000 test images of CIFAR-10 are not given (--test-data, or test_batch.bin beside the rest):
{test} of the {all} training images are held out as test. Accuracies are then not those of the papers.
********************************************************************************************************"""


def read(source: Path, test_data: Path | None) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Training and test images, every one decoded once; test is None where there is none.

    Rows have the column `digest`. Training images that have the very pixels of a test image are left out. Raises
    ManifestError and UnusableError.
    """
    rows = _checked(source, _rows(source))
    given = pl.col("held") == "test"
    train, beside = rows.filter(~given).drop("held"), rows.filter(given).drop("held")
    test = _test(test_data) if test_data else (beside if len(beside) else None)
    if test is None:
        return train, None
    rest = train.join(test.select("digest"), on="digest", how="anti", maintain_order="left")
    if rest.is_empty():
        raise ManifestError(f"{source}: no image is left to train on: all are in {test_data or 'its test set'} as well")
    return rest, test


def draw(train: pl.DataFrame, test: pl.DataFrame | None, seed: int) -> Sets:
    """Every set by the name of its manifest; a set is drawn by class, so that each has all classes in equal parts.

    Dev and test are the same whatever is labeled, and a larger labeled set holds the smaller ones (`held_out.split`).
    Parts of the pool are drawn without a look at the classes, a smaller one within a larger.
    """
    scale = min(1.0, len(train) / _WHOLE)
    held_out = {"seed": seed, "dev": _number(_DEV, scale), "test": _number(0 if test is not None else _TEST, scale)}
    found: Sets = {}
    for name in LABELED:
        number = None if name == "all" else _number(int(name), scale)
        parts = split(train, labeled=number, **held_out)
        found[f"labeled-{name}"] = parts["labeled"]
        if name == MAIN:
            found |= {"dev": parts["dev"], "test": test if test is not None else parts["test"]}
            found |= _pools(parts["unlabeled"], seed)
    first = found[f"labeled-{LABELED[0]}"].head(1)
    # a run's command names a pool, also where there are no generations to look at it: one labeled image stands there
    found[f"unlabeled-{NO_POOL}"] = first.with_columns(id=pl.lit("no-pool")).drop("label")
    return found


def _pools(pool: pl.DataFrame, seed: int) -> Sets:
    order = np.argsort(Key(seed)["part of the pool"].uniforms(pool["id"]), kind="stable")
    bare = pool.drop("label")
    found = {f"unlabeled-{name}": bare[np.sort(order[: max(1, len(pool) // part)])] for name, part in POOLS.items()}
    return found | {"unlabeled.truth": pool.select("id", "label")}


def _number(of_whole: int, scale: float) -> int:
    return round(of_whole * scale)


def _rows(source: Path) -> tuple[pl.DataFrame, list[tuple[str, str]]]:
    if source.suffix in (".tsv", ".parquet"):
        return read_manifest(source, labeled=True).with_columns(held=pl.lit("")), []
    binary = source.is_dir() and any(source.glob("*_batch*.bin"))
    return table(source, (cifar10 if binary else folder)(source, labeled=True), labeled=True)


def _checked(source: Path, found: tuple[pl.DataFrame, list[tuple[str, str]]]) -> pl.DataFrame:
    rows, lacking = found
    checked = images.check(rows, threads=1)
    refuse_if_too_many([*lacking, *checked.bad], len(rows) + len(lacking), noun=f"images of {source}")
    return checked.rows


def _test(source: Path) -> pl.DataFrame:
    """The test images of a source: those that it holds out itself, or else all."""
    rows = _checked(source, _rows(source))
    held = rows.filter(pl.col("held") == "test")
    # ids of two sources may be the same; both are then in one run
    named = (held if len(held) else rows).with_columns(id=pl.concat_str(pl.lit("test/"), "id"))
    return named.drop("held")


if __name__ == "__main__":
    sys.exit(main())
