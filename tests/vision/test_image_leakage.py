"""The same pixels in training and held-out sets, and classes of one set only, are found and named."""

from pathlib import Path

import polars as pl
import pytest

from nst_asr.corpus import Corpus, CorpusError, Labeled, Unlabeled, guard
from nst_asr.vision.images import check
from nst_asr.vision.leakage import class_differences, shared_images
from tests.vision import pictures


def sets(folder: Path) -> dict[str, pl.DataFrame]:
    """Labeled, unlabeled, dev and test rows, with digests, of images that all differ."""
    found = {}
    for place, name in enumerate(("labeled", "unlabeled", "dev", "test")):
        rows = check(pictures.rows(folder / name, 2, first=2 * place)).rows
        found[name] = rows.with_columns("id", group=pl.lit("one group each: " + name))
    return found


def corpus(found: dict[str, pl.DataFrame]) -> tuple[Corpus, Labeled]:
    unlabeled = Unlabeled(found["unlabeled"].drop("label"))
    return Corpus(Labeled(found["labeled"]), unlabeled, Labeled(found["dev"], "dev")), Labeled(found["test"], "test")


def with_copy(rows: pl.DataFrame, copied: pl.DataFrame, path: Path) -> pl.DataFrame:
    """The rows with the second one's image replaced by a copy of the first of others, in another format."""
    second = rows["id"][1]
    pictures.write(path, pictures.image("blue", int(copied["id"][0].removeprefix("blue-"))))
    changed = rows.with_columns(path=pl.when(pl.col("id") == second).then(pl.lit(str(path))).otherwise("path"))
    return check(changed).rows


def test_sets_without_a_common_image_leak_nothing(tmp_path: Path) -> None:
    whole, test = corpus(sets(tmp_path))
    assert shared_images(whole, test) == []
    assert shared_images(whole, None) == []
    assert guard(whole, test, also=shared_images(whole, test)) == []


@pytest.mark.parametrize("seen", ["labeled", "unlabeled"])
@pytest.mark.parametrize("held", ["dev", "test"])
def test_a_held_out_image_under_another_name_is_refused_unless_allowed(tmp_path: Path, seen: str, held: str) -> None:
    found = sets(tmp_path)
    copied, own = found[held]["id"][0], found[seen]["id"][1]
    found[seen] = with_copy(found[seen], found[held], tmp_path / "other name.bmp")
    whole, test = corpus(found)
    (line,) = shared_images(whole, test)
    assert line.startswith(f"1 images of {seen} have the very pixels of images of {held}: {own} ({tmp_path}/other name")
    assert f" those of {copied} (" in line
    with pytest.raises(CorpusError, match=r"(?s)1 images of .*--allow-overlap"):
        guard(whole, test, also=[line])
    assert line in guard(whole, test, also=[line], allow_overlap=True)


def test_each_training_image_counts_once_however_often_it_is_held_out(tmp_path: Path) -> None:
    found = sets(tmp_path)
    digest = found["dev"]["digest"][0]
    found["dev"] = found["dev"].with_columns(digest=pl.lit(digest))
    found["labeled"] = found["labeled"].with_columns(digest=pl.lit(digest))
    (line,) = shared_images(*corpus(found))
    assert line.startswith("6 images of labeled")


def test_rows_that_were_not_checked_cannot_be_compared(tmp_path: Path) -> None:
    found = sets(tmp_path)
    found["unlabeled"] = found["unlabeled"].drop("digest")
    with pytest.raises(CorpusError, match="unlabeled: no column digest"):
        shared_images(*corpus(found))


def labeled(name: str, *labels: str) -> Labeled:
    rows = [(f"{name}{place}", 1.0, None, "x", label) for place, label in enumerate(labels)]
    return Labeled(pl.DataFrame(rows, schema=pictures.SCHEMA, orient="row"), name)


def test_a_class_that_the_labeled_set_lacks_is_named() -> None:
    held = [labeled("dev", "cat", "dog"), labeled("test", "Cat", "dog", "wolf", "wolf")]
    with pytest.raises(CorpusError, match=r"2 classes of test are not in labeled: Cat, wolf \(3 of 4 images\)"):
        class_differences(labeled("labeled", "cat", "dog"), held)


def test_a_class_that_a_held_out_set_lacks_is_a_warning() -> None:
    known = labeled("labeled", *(f"c{place}" for place in range(8)))
    warnings = class_differences(known, [labeled("dev", "c1", "c0"), known])
    assert warnings == ["6 of 8 classes have no image in dev: c2, c3, c4, c5, c6, ..."]
