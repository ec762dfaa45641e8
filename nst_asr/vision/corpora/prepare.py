"""A corpus of images becomes manifests of our own: every image decoded once, sets held out; images stay where they are.

Memory holds names and places of all images (about a quarter of a kilobyte each), never the images.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile

import polars as pl

from nst_asr.lines import ManifestError
from nst_asr.rows import refuse_torn, write_rows
from nst_asr.store import write_json, written_aside
from nst_asr.unusable import refuse_if_too_many
from nst_asr.vision import images
from nst_asr.vision.corpora.cifar import cifar10
from nst_asr.vision.corpora.digits import digits
from nst_asr.vision.corpora.folder import folder
from nst_asr.vision.corpora.held_out import split
from nst_asr.vision.corpora.picture import Reading
from nst_asr.vision.corpora.prepare_plan import PreparePlan, refuse_contradictions
from nst_asr.vision.corpora.shards import shards
from nst_asr.vision.corpora.summary import SetSize, Summary
from nst_asr.vision.manifests import table

_READERS = {"folder": folder, "shards": shards, "cifar10": cifar10, "digits": digits}
_EXAMPLES = 3
_ORDER = ("test", "dev", "unlabeled", "labeled")  # in which sets are written, the manifest itself last

Bad = tuple[tuple[str, str], ...]


def prepare(plan: PreparePlan) -> Summary:
    """The summary of a corpus whose manifests were written, with NAME.summary.json and NAME.bad.tsv beside them.

    Raises ManifestError for a plan that contradicts itself, for what a reader refuses, for two images of one id and for
    sets that cannot be held out; UnusableError where more than the share `max_bad_share` of the images must be left
    out: then only NAME.bad.tsv is written.
    """
    refuse_contradictions(plan)
    _refuse_unwritable(plan.out)
    rows, bad = _checked(plan)
    _write_bad(plan, bad)
    refuse_if_too_many(bad, len(rows) + len(bad), plan.max_bad_share, noun="images")
    if rows.is_empty():
        raise ManifestError(f"{plan.source}: no image in it can be used; all are listed in {plan.beside('.bad.tsv')}")
    sets, copies = _sets(plan, rows)
    summary = _summary(plan, rows, sets, bad, copies)
    write_json(plan.beside(".summary.json"), summary.to_json())
    _write(plan, sets)
    return summary


def _refuse_unwritable(out: Path) -> None:
    """Raise ManifestError now where the folder of the manifest cannot be written to after hours of decoding."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise ManifestError(
            f"--out {out}: nothing can be written to its folder ({error.strerror}); choose another place"
        ) from None


def _checked(plan: PreparePlan) -> tuple[pl.DataFrame, Bad]:
    """The rows of images that can be used, with `digest` and `held`, and the others."""
    wanted = plan.labeled or plan.truth is not None
    rows, lacking = table(plan.source, _read(plan, labeled=wanted), labeled=plan.labeled)
    _refuse_doubled(rows)
    if plan.out.suffix == ".tsv":
        refuse_torn(rows)
    elif plan.truth_path() is not None:
        refuse_torn(rows.select("id"))
    checked = images.check(rows, threads=plan.threads)
    return checked.rows, (*lacking, *checked.bad)


def _read(plan: PreparePlan, *, labeled: bool) -> Reading:
    return chain.from_iterable(_READERS[plan.kind](source, labeled=labeled) for source in plan.sources)


def _refuse_doubled(rows: pl.DataFrame) -> None:
    doubled = rows.filter(pl.col("id").is_duplicated())
    if len(doubled):
        name = doubled["id"][0]
        first, second, *_ = doubled.filter(pl.col("id") == name)["path"]
        raise ManifestError(
            f"{name} names two images: {first} and {second}; rename one, or give the folder above both as the source"
        )


def _sets(plan: PreparePlan, rows: pl.DataFrame) -> tuple[dict[str, pl.DataFrame], int]:
    """The rows of each set, and the number of images that were left out as their pixels are held out."""
    held = rows.filter(pl.col("held") != "").drop("held")
    rest = rows.filter(pl.col("held") == "").drop("held")
    if len(held) and plan.test:
        raise ManifestError(
            f"--hold-out test={plan.test}: {plan.source} has a test set of its own, of {len(held)} images; it is used"
        )
    training = rest.join(held, on="digest", how="anti", maintain_order="left") if len(held) else rest
    if not plan.labeled:
        sets = {"unlabeled": training}
    else:
        sets = split(training, seed=plan.seed, dev=plan.dev, test=plan.test, labeled=plan.labeled_number)
    found = sets | ({"test": held} if len(held) else {})
    return found, len(rows) - sum(map(len, found.values()))


def _summary(plan: PreparePlan, rows: pl.DataFrame, sets: dict[str, pl.DataFrame], bad: Bad, copies: int) -> Summary:
    counts = rows["label"].value_counts(sort=True) if plan.labeled else None
    sizes = {
        name: SetSize(
            str(plan.named(name)),
            len(sets[name]),
            sets[name]["label"].n_unique() if name != "unlabeled" else None,
        )
        for name in reversed(_ORDER)
        if name in sets
    }
    truth = _truth(sets.get("unlabeled")) if plan.truth_path() else None
    return Summary(
        sets=sizes,
        classes=dict(sorted(counts.iter_rows(), key=lambda pair: (-pair[1], pair[0]))) if counts is not None else {},
        truth=None if truth is None else len(truth),
        copies=copies,
        bad=len(bad),
        reasons=bad[:_EXAMPLES],
        warnings=_warnings(rows),
    )


def _warnings(rows: pl.DataFrame) -> tuple[str, ...]:
    """What to know of images of the same pixels but different classes."""
    if "label" not in rows.columns:
        return ()
    both = rows.filter(pl.col("label").drop_nulls().n_unique().over("digest") > 1)
    if both.is_empty():
        return ()
    same = both.filter(pl.col("digest") == both["digest"][0])
    names = " and ".join(f"{name} ({label})" for name, label in same.select("id", "label").head(2).iter_rows())
    return (f"{len(both)} images have the pixels of images of another class: {names}",)


def _truth(pool: pl.DataFrame | None) -> pl.DataFrame | None:
    """id and label of the images of a pool whose class is known."""
    if pool is None or "label" not in pool.columns:
        return None
    return pool.select("id", "label").drop_nulls()


def _write(plan: PreparePlan, sets: dict[str, pl.DataFrame]) -> None:
    path, truth = plan.truth_path(), _truth(sets.get("unlabeled"))
    if path is not None and truth is not None:
        write_rows(path, truth)
    for name in (name for name in _ORDER if name in sets):
        write_rows(plan.named(name), sets[name].drop("label", strict=False) if name == "unlabeled" else sets[name])


def _write_bad(plan: PreparePlan, bad: Bad) -> None:
    with written_aside(plan.beside(".bad.tsv")) as part, Path(part).open("w", encoding="utf-8", newline="\n") as file:
        file.write("id\treason\n")
        for name, reason in bad:
            file.write(f"{_one_line(name)}\t{_one_line(reason)}\n")


def _one_line(text: str) -> str:
    return " ".join(text.split())
