"""Keyed randomness."""

import numpy as np

from nst_asr.key import Key


def test_the_same_key_gives_the_same_draw() -> None:
    assert Key(3)["a", 1].generator().random() == Key(3)["a"][1].generator().random()


def test_keys_that_differ_anywhere_give_other_draws() -> None:
    keys = [Key(0), Key(1), Key(0)["a"], Key(0)["b"], Key(0)["a", 1], Key(0)["a", "1"], Key(0)["a"]["b"], Key(0)["ab"]]
    assert len({key.number() for key in keys}) == len(keys)


def test_an_ids_uniform_depends_on_key_and_id_alone() -> None:
    ids = [f"utterance-{i}" for i in range(1000)]
    forward, backward = Key(0)["x"].uniforms(ids), Key(0)["x"].uniforms(ids[::-1])
    np.testing.assert_array_equal(forward, backward[::-1])
    assert Key(0)["x"].uniforms(["utterance-7"])[0] == forward[7]


def test_uniforms_are_uniform() -> None:
    draws = Key(0).uniforms(str(i) for i in range(20_000))
    assert draws.min() >= 0
    assert draws.max() < 1
    counts, _ = np.histogram(draws, bins=10, range=(0, 1))
    assert np.abs(counts - 2000).max() < 200  # 4.7 standard deviations
