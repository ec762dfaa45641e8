"""Indexed and streamed laps: every entry once, in a keyed order that can be entered anywhere."""

from itertools import pairwise

import numpy as np
import pytest

from nst_asr.key import Key
from nst_asr.order import Indexed, Order, Streamed

SIZES = np.random.default_rng(0).integers(500, 20_000, 1003)
TOTAL = int(SIZES.sum())
ORDERS = {
    "indexed": Indexed(SIZES, Key(1)),
    "streamed": Streamed(SIZES, Key(1), np.arange(0, 1003, 50), together=4),
    "one group": Streamed(SIZES, Key(1), np.arange(0, 1003, 50), together=100),
    "one entry a block": Streamed(SIZES, Key(1), np.arange(1003), together=1),
}


@pytest.fixture(params=ORDERS)
def order(request: pytest.FixtureRequest) -> Order:
    return ORDERS[request.param]


@pytest.mark.parametrize("lap", [0, 1, 17])
def test_a_lap_holds_every_entry_once(order: Order, lap: int) -> None:
    assert sorted(order.between(lap, 0, TOTAL)) == list(range(len(SIZES)))


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_a_lap_is_the_same_however_it_is_cut(order: Order, cut: int) -> None:
    edges = np.linspace(0, TOTAL, cut + 1).astype(int)
    parts = [order.between(3, int(low), int(high)) for low, high in pairwise(edges)]
    assert np.concatenate(parts).tolist() == order.between(3, 0, TOTAL).tolist()


def test_laps_and_keys_differ(order: Order) -> None:
    first = order.between(0, 0, TOTAL).tolist()
    assert first != order.between(1, 0, TOTAL).tolist()
    assert first != type(order)(**vars_of(order, Key(2))).between(0, 0, TOTAL).tolist()  # type: ignore[call-arg]


def test_a_streamed_lap_reads_a_few_blocks_at_a_time_and_none_twice() -> None:
    blocks = ORDERS["streamed"].between(0, 0, TOTAL) // 50
    for block in range(20):
        places = np.flatnonzero(blocks == block)
        assert places.max() - places.min() < 200


def test_entering_a_streamed_lap_makes_one_group_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million entries: going on in the middle costs the sums of the blocks and one group."""
    order = Streamed(np.full(1_000_000, 10), Key(0), np.arange(0, 1_000_000, 1000), together=8)
    made: list[int] = []
    make = order._make_group
    monkeypatch.setattr(order, "_group", lambda lap, group: made.append(group) or make(lap, group))  # type: ignore[func-returns-value]
    entries = order.between(5, 7_654_320, 7_654_330)
    assert len(entries) == 1
    assert made == [7_654_320 // 80_000]


def vars_of(order: Order, key: Key) -> dict[str, object]:
    names = ("sizes",) if isinstance(order, Indexed) else ("sizes", "starts", "together")
    return {name: getattr(order, name) for name in names} | {"key": key}
