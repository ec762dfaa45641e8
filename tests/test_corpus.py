"""The sets a run learns from, and the guard between them."""

import polars as pl
import pytest

from nst_asr.corpus import Corpus, CorpusError, Labeled, Unlabeled, guard


def rows(ids: list[str], groups: list[str | None] | None = None, label: str | None = "x") -> pl.DataFrame:
    table = pl.DataFrame(
        {"id": ids, "size": [1.0] * len(ids), "group": groups or [None] * len(ids)},
        schema={"id": pl.String, "size": pl.Float32, "group": pl.String},
    )
    return table if label is None else table.with_columns(label=pl.lit(label))


def example(pool_groups: list[str | None], dev_groups: list[str | None]) -> Corpus:
    return Corpus(
        Labeled(rows(["a"], ["s1"])),
        Unlabeled(rows(["b", "c"], pool_groups, label=None)),
        Labeled(rows(["d", "e"], dev_groups), "dev"),
    )


def test_an_unlabeled_table_cannot_carry_labels() -> None:
    with pytest.raises(CorpusError, match="must not have a `label` column"):
        Unlabeled(rows(["a"]))


def test_no_examples_is_an_error() -> None:
    with pytest.raises(CorpusError, match="labeled: no examples"):
        Labeled(rows([]))


def test_duplicate_ids_are_named() -> None:
    with pytest.raises(CorpusError, match="the id b occurs more than once"):
        Labeled(rows(["a", "b", "b"]))


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), float("inf"), None])
def test_an_impossible_size_is_named(size: float | None) -> None:
    table = rows(["a"]).with_columns(size=pl.lit(size, pl.Float32))
    with pytest.raises(CorpusError, match="a has size"):
        Labeled(table)


def test_an_id_in_two_sets_is_refused_whatever_is_allowed() -> None:
    corpus = Corpus(Labeled(rows(["a"])), Unlabeled(rows(["b"], label=None)), Labeled(rows(["a"]), "dev"))
    with pytest.raises(CorpusError, match="the id a is both in labeled and in dev"):
        guard(corpus, allow_overlap=True)


def test_speakers_of_the_pool_in_dev_are_refused_unless_allowed() -> None:
    corpus = example(["s2", "s3"], ["s3", "s4"])
    with pytest.raises(CorpusError, match=r"1 speakers of unlabeled also occur in dev: s3\n.*--allow-overlap"):
        guard(corpus)
    assert len(guard(corpus, allow_overlap=True)) == 1


def test_speakers_of_the_labeled_part_in_test_are_refused() -> None:
    corpus = example(["s2", "s3"], ["s4", "s4"])
    with pytest.raises(CorpusError, match="labeled also occur in test"):
        guard(corpus, Labeled(rows(["t"], ["s1"]), "test"))


def test_disjoint_sets_pass_without_a_word() -> None:
    assert guard(example(["s2", "s3"], ["s4", "s6"]), Labeled(rows(["t"], ["s5"]), "test")) == []


def test_the_fingerprint_sees_labels_and_order_but_not_where_the_input_lies() -> None:
    table = rows(["a", "b"])
    same = Labeled(table.with_columns(path=pl.lit("elsewhere"))).fingerprint
    assert Labeled(table).fingerprint == same
    assert Labeled(table[::-1]).fingerprint != same
    assert Labeled(table.with_columns(label=pl.lit("y"))).fingerprint != same
