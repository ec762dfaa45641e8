"""Sets of one corpus: every class its share, any order of files the same, larger labeled sets contain smaller ones."""

from collections import Counter
from itertools import pairwise

import polars as pl
import pytest

from nst_asr.lines import ManifestError
from nst_asr.vision.corpora.held_out import amount, parse_hold_out, split

COUNTS = {"cat": 500, "dog": 300, "emu": 200}


def rows(counts: dict[str, int] = COUNTS) -> pl.DataFrame:
    return pl.DataFrame(
        [(f"{name}{i}", name) for name, n in counts.items() for i in range(n)], schema=["id", "label"], orient="row"
    )


def classes(part: pl.DataFrame) -> dict[str, int]:
    return dict(Counter(part["label"]))


def ids(part: pl.DataFrame) -> set[str]:
    return set(part["id"])


def test_every_class_gives_each_set_its_share() -> None:
    found = split(rows(), seed=0, dev=100, test=0.2, labeled=50)
    assert {name: len(part) for name, part in found.items()} == {
        **{"test": 200, "dev": 100, "labeled": 50},
        **{"unlabeled": 650},
    }
    for part in found.values():
        for name, count in classes(part).items():
            assert abs(count - COUNTS[name] * len(part) / 1000) <= 1


def test_balanced_classes_give_balanced_sets() -> None:
    found = split(rows(dict.fromkeys("abcdefghij", 60)), seed=3, dev=70, test=110, labeled=40)
    assert [set(classes(found[name]).values()) for name in ("dev", "test", "labeled")] == [{7}, {11}, {4}]


def test_every_row_is_in_one_set_and_sets_keep_the_order_of_rows() -> None:
    whole = rows()
    found = split(whole, seed=0, dev=100, test=200, labeled=50)
    assert pl.concat(found.values()).sort("id").equals(whole.sort("id"))
    for part in found.values():
        assert part.equals(whole.join(part, on="id", how="semi", maintain_order="left"))


def test_the_order_of_the_files_makes_no_difference_and_the_seed_does() -> None:
    first = split(rows(), seed=0, dev=100, test=200, labeled=50)
    second = split(rows().sample(fraction=1.0, shuffle=True, seed=1), seed=0, dev=100, test=200, labeled=50)
    assert {name: ids(part) for name, part in first.items()} == {name: ids(part) for name, part in second.items()}
    other = split(rows(), seed=1, dev=100, test=200, labeled=50)
    assert len(ids(first["test"]) & ids(other["test"])) < 80, "200 of 1,000 twice: 40 are expected in both"


def test_a_larger_labeled_set_contains_the_smaller_and_changes_no_held_out_set() -> None:
    sizes = [30, 31, 57, 100, 333, 600]
    found = [split(rows(), seed=0, dev=100, test=200, labeled=size) for size in sizes]
    for smaller, larger in pairwise(found):
        assert ids(smaller["labeled"]) < ids(larger["labeled"])
        assert smaller["dev"].equals(larger["dev"])
        assert smaller["test"].equals(larger["test"])
    assert [len(each["labeled"]) for each in found] == sizes
    everything = split(rows(), seed=0, dev=100, test=200)
    assert everything["test"].equals(found[0]["test"])
    assert "unlabeled" not in everything
    assert len(everything["labeled"]) == 700


def test_the_size_of_dev_does_not_change_test() -> None:
    assert split(rows(), seed=0, dev=5, test=200)["test"].equals(split(rows(), seed=0, dev=300, test=200)["test"])


def test_sets_that_are_not_asked_for_are_absent() -> None:
    assert list(split(rows(), seed=0)) == ["labeled"]
    assert list(split(rows(), seed=0, labeled=10)) == ["labeled", "unlabeled"]
    assert list(split(rows(), seed=0, test=10)) == ["test", "labeled"]


def test_of_images_of_the_same_pixels_one_is_drawn_and_held_out_copies_leave_training() -> None:
    whole = rows().with_columns(digest=pl.col("id"))
    copies = whole.with_columns(id="z" + pl.col("id"))
    doubled = pl.concat([whole, copies])
    plain = split(whole, seed=0, dev=100, test=200, labeled=50)
    found = split(doubled, seed=0, dev=100, test=200, labeled=50)
    for name in ("dev", "test", "labeled"):
        assert ids(found[name]) == ids(plain[name])
    assert not set(found["unlabeled"]["digest"]) & {*found["dev"]["digest"], *found["test"]["digest"]}
    assert len(found["unlabeled"]) == 2 * 700 - 50
    assert len(split(doubled, seed=0, dev=100, test=200)["labeled"]) == 2 * 700


def test_a_held_out_class_without_a_labeled_image_is_named() -> None:
    few = rows({"cat": 500, "dog": 500, "yak": 2})
    with pytest.raises(ManifestError, match=r"no labeled image is of class yak, of which (dev|test) has some \(1 such"):
        split(few, seed=0, dev=300, test=300, labeled=10)
    assert "yak" not in classes(split(few, seed=0, dev=30, test=30, labeled=10)["labeled"])


def test_more_than_there_is_cannot_be_had() -> None:
    with pytest.raises(ManifestError, match="test 500, dev 400, labeled 100: there are 1000 images"):
        split(rows(), seed=0, dev=400, test=0.5, labeled=100)
    with pytest.raises(ManifestError, match=r"dev=1\.5: a share lies between 0 and 1"):
        split(rows(), seed=0, dev=1.5)
    with pytest.raises(ManifestError, match=r"dev=-1: expected a number"):
        split(rows(), seed=0, dev=-1)


def test_amounts_are_numbers_or_shares() -> None:
    assert amount("5000") == 5000
    assert isinstance(amount("1"), int)
    assert amount(".25") == 0.25
    assert parse_hold_out(["dev=1000", "test=0.1"]) == {"dev": 1000, "test": 0.1}
    for text in ("0", "-1", "1.0", "1.5", "0.0", "ten", "", "1e3"):
        with pytest.raises(ManifestError, match=r"expected a number of images such as 5000, or a share"):
            amount(text)
    for texts in (["dev=1", "dev=2"], ["train=5"], ["dev"]):
        with pytest.raises(ManifestError, match="expected"):
            parse_hold_out(texts)
