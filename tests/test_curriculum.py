"""Small examples first."""

import numpy as np
import polars as pl
import pytest

from nst_asr.corpus import Labeled
from nst_asr.curriculum import Curriculum, Lesson
from nst_asr.key import Key
from nst_asr.mix import Batches, Mix, MixError, mix


def example() -> Mix:
    sizes = np.linspace(1, 10, 40).tolist()
    columns = {"id": [f"a{i}" for i in range(40)], "size": sizes, "group": ["g"] * 40, "label": ["x"] * 40}
    return mix(Labeled(pl.DataFrame(columns, schema_overrides={"size": pl.Float32})))


def sizes(batches: Curriculum, step: int) -> list[float]:
    return [float(draw.source.rows["size"][draw.row]) for draw in batches[step]]


def test_the_first_updates_hold_small_examples_alone_and_the_others_all() -> None:
    batches = Curriculum(example(), 20, Key(0), [Lesson(updates=10, size=2.0), Lesson(updates=20, size=4.0)])
    assert all(max(sizes(batches, step)) <= 2.0 for step in range(10))
    assert all(2.0 < max(sizes(batches, step)) <= 4.0 for step in range(10, 30))
    assert max(max(sizes(batches, step)) for step in range(30, 30 + batches.epoch)) == 10.0


def test_without_a_curriculum_the_batches_are_those_of_the_mixture() -> None:
    batches, plain = Curriculum(example(), 20, Key(3)), Batches(example(), 20, Key(3))
    assert [[d.id for d in batches[step]] for step in range(9)] == [[d.id for d in plain[step]] for step in range(9)]


def test_the_whole_mixture_begins_where_the_curriculum_ends() -> None:
    batches, plain = (
        Curriculum(example(), 20, Key(3), [Lesson(updates=5, size=4.0)]),
        Batches(example(), 20, Key(3)),
    )
    assert [d.id for d in batches[5]] == [d.id for d in plain[0]]


def test_a_size_that_no_example_has_is_refused() -> None:
    with pytest.raises(MixError, match=r"no labeled row is of size 0.5 or less, to begin with \(the smallest: 1\)"):
        Curriculum(example(), 20, Key(0), [Lesson(updates=3, size=0.5)])
