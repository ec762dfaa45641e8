"""Work done ahead of its use: in order, so far and no further."""

from collections.abc import Iterator

import pytest

from nst_asr.speech.corpora.look_ahead import look_ahead


def test_results_come_in_the_order_of_the_pieces() -> None:
    assert list(look_ahead(lambda number: number * number, range(1000))) == [number**2 for number in range(1000)]
    assert list(look_ahead(str, [])) == []


def test_only_so_many_pieces_are_taken_ahead() -> None:
    taken = []

    def pieces() -> Iterator[int]:
        for number in range(1_000_000):
            taken.append(number)
            yield number

    results = look_ahead(lambda number: number, pieces(), threads=2)
    assert [next(results) for _ in range(100)] == list(range(100))
    assert len(taken) < 1000
    results.close()  # type: ignore[attr-defined]


def test_an_error_comes_out_at_its_place() -> None:
    results = look_ahead(lambda number: 1 // (500 - number), range(1000))
    assert next(results) == 0
    with pytest.raises(ZeroDivisionError):
        list(results)


def test_an_error_of_the_stream_comes_out() -> None:
    def pieces() -> Iterator[int]:
        yield 1
        raise ValueError("line 2")

    with pytest.raises(ValueError, match="line 2"):
        list(look_ahead(str, pieces()))
