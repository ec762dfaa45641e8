"""Stage 0: the manifests of labeled set, pool, dev and test, in one folder.

python recipes/imagenet/data.py OUT [--train SOURCE] [--val SOURCE] [--pool SOURCE] [--dev AMOUNT] [--seed S] ...

A SOURCE is a folder of class folders (of the pool: any folder), or WebDataset shards: a folder of them, a .tar, a
pattern, a brace list. dev is held out of train, from each class its share. Without --val so is test, without --pool the
pool, whose truth is then known. Without --train scikit-learn's digits are written to OUT/digits as class folders.

Images that cannot be decoded, and training images of the very pixels of one that is held out, are left out.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # recipes are run from the source tree, not installed

from nst_asr.key import Key
from nst_asr.rows import ManifestError, write_rows
from nst_asr.store import StoreError, write_json, written_aside
from nst_asr.unusable import UnusableError, refuse_if_too_many
from nst_asr.vision import images
from nst_asr.vision.corpora.digits import write_digits
from nst_asr.vision.corpora.folder import folder
from nst_asr.vision.corpora.held_out import Amount, amount, split
from nst_asr.vision.corpora.shards import shards
from nst_asr.vision.corpora.tars import members
from nst_asr.vision.manifests import table
from recipes.made_of import MADE_OF, refuse_other

_DEV, _DEV_SHARE = 10_000, 0.02  # whichever is less
_TEST, _LABELED = 0.2, 0.1  # of train, where it must give these too
_FEW = 1000  # images of a pool that is labeled though nobody learns from it


@dataclass(frozen=True)
class Sources:
    """What the sets are made of."""

    train: str
    val: str | None
    pool: str | None
    dev: Amount | None
    test: Amount
    labeled: Amount
    seed: int


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 everything written, 1 data that cannot be used."""
    parser = argparse.ArgumentParser(description="Manifests of ImageNet, or of images laid out like it.")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the manifests")
    parser.add_argument("--train", metavar="SOURCE", help="labeled images (default: scikit-learn's digits)")
    parser.add_argument("--val", metavar="SOURCE", help="what becomes test (default: a part of train)")
    parser.add_argument("--pool", metavar="SOURCE", help="images without labels (default: a part of train)")
    parser.add_argument("--dev", metavar="AMOUNT", help="of train (default: 10000 or 0.02, whichever is less)")
    parser.add_argument("--test", default=str(_TEST), metavar="AMOUNT", help="of train, without --val (0.2)")
    parser.add_argument("--labeled", default=str(_LABELED), metavar="AMOUNT", help="of train, without --pool (0.1)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of the sets (default: 0)")
    parser.add_argument("--threads", type=int, default=4, help="that decode (4)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        make(_sources(options), options.out, options.threads)
    except (ManifestError, UnusableError, StoreError, OSError) as error:
        print(f"data.py: {error}", file=sys.stderr)
        return 1
    return 0


def make(sources: Sources, out: Path, threads: int = 4) -> None:
    """Write the manifests, unless they are there. Raises StoreError where those in `out` were made of other things."""
    content = asdict(sources)
    if (out / MADE_OF).exists():
        refuse_other(out, content)
        print(f"{out}: the manifests are there")
        return
    sets = draw(sources, threads)
    for name, rows in sets.items():
        write_rows(out / (f"{name}.tsv" if name == "unlabeled.truth" else f"{name}.parquet"), rows)
    counts = {name: len(rows) for name, rows in sets.items()}
    write_json(out / MADE_OF, content | {"images": counts})
    print("\n".join(f"{name}: {count} images" for name, count in counts.items()))


def draw(sources: Sources, threads: int = 4) -> dict[str, pl.DataFrame]:
    """Every set by the name of its manifest. Raises ManifestError and UnusableError.

    `few` is the beginning of the pool. Rows are in a drawn order, but those of a pool in shards in that of the shards:
    a streamed order of training goes by blocks of rows, and class folders come class by class.
    """
    train, key = read(sources.train, "train", threads), Key(sources.seed)["order"]
    test = read(sources.val, "val", threads) if sources.val else None
    pool = read(sources.pool, "pool", threads, labeled=False) if sources.pool else None
    rest = train if test is None else _without(train, test)
    dev = min(_DEV, max(1, round(_DEV_SHARE * len(rest)))) if sources.dev is None else sources.dev
    parts = split(
        rest,
        seed=sources.seed,
        dev=dev,
        test=0 if test is not None else sources.test,
        labeled=None if pool is not None else sources.labeled,
    )
    held = {"dev": parts["dev"], "test": parts["test"] if test is None else test}
    found = held | {"labeled": shuffled(parts["labeled"], key)}
    if pool is None:
        part = shuffled(parts["unlabeled"], key)
        found |= {"unlabeled": part.drop("label"), "unlabeled.truth": part.select("id", "label")}
    else:
        fit = _without(pool, *held.values())
        found["unlabeled"] = fit if is_sharded(sources.pool or "") else shuffled(fit, key)
    return found | {"few": found["unlabeled"].head(_FEW)}


def read(source: str, prefix: str, threads: int = 4, *, labeled: bool = True) -> pl.DataFrame:
    """The images of a source that can be decoded, with the column `digest`; `prefix/` stands before their ids.

    Without it train and pool might have ids in common. Raises ManifestError, and UnusableError for too many bad ones.
    """
    reader = shards if is_sharded(source) else folder
    rows, lacking = table(source, reader(Path(source), labeled=labeled), labeled=labeled)
    checked = images.check(rows, threads=threads)
    bad = [*lacking, *checked.bad]
    refuse_if_too_many(bad, len(rows) + len(lacking), noun=f"images of {source}")
    if bad:
        print(f"{source}: {len(bad)} images cannot be used, such as {bad[0][0]}: {bad[0][1]}")
    return checked.rows.drop("held").with_columns(id=pl.concat_str(pl.lit(f"{prefix}/"), "id"))


def is_sharded(source: str) -> bool:
    """Whether a source is WebDataset shards rather than a folder of images."""
    path = Path(source)
    return next(path.glob("*.tar"), None) is not None if path.is_dir() else ".tar" in source


def shuffled(rows: pl.DataFrame, key: Key) -> pl.DataFrame:
    """The rows in an order that follows from the key and their ids."""
    return rows[np.argsort(key.uniforms(rows["id"].to_list()), kind="stable")]


def write_folders(out: Path) -> Path:
    """The digits as a folder CLASS/NUMBER.png in `out`, made where it is not there."""
    place = out / "digits"
    if not place.exists():
        with written_aside(place) as part:
            for each in members(write_digits(out / "digits.tar")):
                (part / each.name).parent.mkdir(parents=True, exist_ok=True)
                (part / each.name).write_bytes(each.content())
    return place


def _sources(options: argparse.Namespace) -> Sources:
    train = options.train or str(write_folders(options.out))
    return Sources(
        train=train,
        val=options.val,
        pool=options.pool,
        dev=None if options.dev is None else amount(options.dev),
        test=amount(options.test),
        labeled=amount(options.labeled),
        seed=options.seed,
    )


def _without(rows: pl.DataFrame, *held: pl.DataFrame) -> pl.DataFrame:
    """The rows that have the pixels of no image that is held out. Raises ManifestError where there is none."""
    seen = pl.concat([each.select("digest") for each in held])
    found = rows.join(seen, on="digest", how="anti", maintain_order="left")
    if found.is_empty():
        raise ManifestError(f"{rows['path'][0]} and all others beside it are also in dev or test; give other images")
    if len(found) < len(rows):
        print(f"{len(rows) - len(found)} training images are left out: dev or test has their very pixels")
    return found


if __name__ == "__main__":
    sys.exit(main())
