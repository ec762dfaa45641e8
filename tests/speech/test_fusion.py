"""Weights of language models chosen on N-best lists, against counting by hand and by brute force."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from nst_asr.speech import fusion
from nst_asr.speech.fusion import FusionPlan, Grid, Nbest, Parts, Point, best_point, candidates, merged

A: fusion.Label = (1,)
B: fusion.Label = (2,)
C: fusion.Label = (1, 2)


def counted(nbests: Sequence[Nbest], right: Sequence[fusion.Label]) -> list[dict[fusion.Label, int]]:
    """One error for each label but the right one, two for one of another length."""
    return [
        {label: (label != truth) + (len(label) != len(truth)) for label in nbest}
        for nbest, truth in zip(nbests, right, strict=True)
    ]


def drawn(seed: int, utterances: int = 12, labels: int = 6) -> tuple[list[Nbest], list[fusion.Label]]:
    """Random N-best lists and truths."""
    rng = np.random.default_rng(seed)
    nbests, right = [], []
    for _ in range(utterances):
        names = [tuple(rng.integers(1, 9, rng.integers(1, 6)).tolist()) for _ in range(labels)]
        nbests.append({name: Parts(*map(float, rng.normal(0, 3, 3)), length=len(name)) for name in names})
        right.append(names[0])
    return nbests, right


def test_rates_are_those_of_choosing_label_by_label() -> None:
    nbests, right = drawn(0)
    points = Grid((0.1, 0.7, 1.5), (0.0, 0.5), (-1.0, 0.0, 2.0)).points
    errors = counted(nbests, right)
    expected = []
    for weight, neural, bonus in points:
        wrong = 0
        for nbest, known in zip(nbests, errors, strict=True):
            best = max(
                sorted(nbest), key=lambda x, n=nbest: n[x][0] + weight * n[x][1] + neural * n[x][2] + bonus * n[x][3]
            )
            wrong += known[best]
        expected.append(wrong / 40)
    assert candidates(nbests, errors, 40).rates(points).tolist() == pytest.approx(expected)


def test_a_list_worked_by_hand() -> None:
    """The right label A is 2 nats behind B by sound and 4 ahead by the language model: from weight 0.5 on it wins."""
    nbest = {A: Parts(-5.0, -1.0, 0.0, 1), B: Parts(-3.0, -5.0, 0.0, 1)}
    table = candidates([nbest], counted([nbest], [A]), 1)
    assert table.rates([Point(w, 0.0, 0.0) for w in (0.0, 0.4, 0.6, 2.0)]).tolist() == [1, 1, 0, 0]
    # and C, one unit longer, beats both where a unit is worth more than 4 nats
    nbest |= {C: Parts(-6.0, -4.0, 0.0, 2)}
    table = candidates([nbest], counted([nbest], [C]), 2)
    assert table.rates([Point(1.0, 0.0, bonus) for bonus in (3.9, 4.1)]).tolist() == [1.0, 0.0]


def test_of_equal_points_the_smaller_weights_are_taken_then_the_bonus_nearest_to_nothing() -> None:
    points = [Point(2.0, 0.0, 0.0), Point(1.0, 0.0, 1.0), Point(1.0, 0.0, -0.5), Point(1.0, 0.5, 0.0)]
    assert points[best_point(np.zeros(4), points)] == Point(1.0, 0.0, -0.5)
    assert points[best_point(np.array([0.0, 1.0, 1.0, 1.0]), points)] == Point(2.0, 0.0, 0.0)


def test_a_label_found_twice_keeps_its_larger_acoustic_part() -> None:
    first, second = {A: Parts(-3.0, -1.0, 0.0, 1)}, {A: Parts(-2.0, -1.0, 0.0, 1), B: Parts(-9.0, -1.0, 0.0, 1)}
    assert merged(first, second) == merged(second, first) == second


def test_the_order_of_utterances_and_anchors_does_not_change_the_rates() -> None:
    nbests, right = drawn(1)
    points = Grid((0.1, 0.7), (0.0,), (-1.0, 0.0, 2.0)).points
    turned = [dict(reversed(nbest.items())) for nbest in reversed(nbests)]
    first = candidates(nbests, counted(nbests, right), 40).rates(points)
    second = candidates(turned, counted(turned, right[::-1]), 40).rates(points)
    assert first.tolist() == second.tolist()


class Beam:
    """A search that keeps the best two labels at the weights that it is given."""

    def __init__(self, nbests: list[Nbest], width: int = 2) -> None:
        self.nbests, self.width, self.asked = nbests, width, list[Point]()

    def __call__(self, points: Sequence[Point]) -> Iterator[list[Nbest]]:
        for point in points:
            self.asked.append(point)
            yield [self._kept(nbest, np.array([1.0, *point])) for nbest in self.nbests]

    def _kept(self, nbest: Nbest, weights: np.ndarray) -> Nbest:
        ranked = sorted(nbest, key=lambda label: -float(np.array(nbest[label]) @ weights))
        return {label: nbest[label] for label in ranked[: self.width]}


GRID = Grid(tuple(np.round(np.arange(0.1, 2.05, 0.1), 6).tolist()), (0.0,), (-1.0, 0.0, 1.0))


@pytest.mark.parametrize("seed", range(5))
def test_what_is_chosen_was_decoded_and_is_no_worse_than_any_other_decoding_that_was_made(seed: int) -> None:
    nbests, right = drawn(seed, utterances=20)
    beam = Beam(nbests)
    found = fusion.tune(beam, lambda lists: counted(lists, right), 60, GRID, [Point(0.5, 0.0, 0.0)], rounds=5)
    assert found.best.point in beam.asked
    whole = candidates(nbests, counted(nbests, right), 60).rates(GRID.points)
    assert found.best.decoded == pytest.approx(whole[GRID.points.index(found.best.point)])
    assert found.best.decoded == min(trial.decoded for trial in found.trials)


def test_a_search_that_hides_nothing_gives_the_best_point_of_brute_force_after_one_decoding() -> None:
    nbests, right = drawn(7, utterances=30)
    beam = Beam(nbests, width=99)
    found = fusion.tune(beam, lambda lists: counted(lists, right), 90, GRID, [Point(0.5, 0.0, 0.0)], rounds=5)
    brute = candidates(nbests, counted(nbests, right), 90).rates(GRID.points)
    assert found.best.point == GRID.points[best_point(brute, GRID.points)]
    assert found.best.decoded == found.best.rescored == brute.min()
    assert len(beam.asked) == 2
    assert np.array(found.surface()["rate"]).shape == (20, 1, 3)


def test_more_decodings_are_made_while_they_promise_something_better() -> None:
    """At small weights the beam hides the right label; the anchor's list lets a larger weight look best."""
    hidden = {A: Parts(-9.0, -1.0, 0.0, 1), B: Parts(-3.0, -6.0, 0.0, 1), C: Parts(-4.0, -5.0, 0.0, 2)}
    beam = Beam([hidden])
    found = fusion.tune(beam, lambda lists: counted(lists, [A]), 1, GRID, [Point(0.1, 0.0, 0.0)], rounds=9)
    assert len(found.trials) >= 1
    assert found.best.decoded <= found.trials[0].decoded


def test_what_lies_at_the_end_of_an_axis_is_told() -> None:
    grid = Grid((0.5, 1.0), (0.0,), (-1.0, 0.0, 1.0))
    assert grid.at_the_edge(Point(1.0, 0.0, -1.0)) == ["weight", "bonus"]
    assert grid.at_the_edge(Point(0.5, 0.0, 0.0)) == []


def test_the_axes_of_a_plan_are_steps_or_the_number_that_is_given() -> None:
    plan = FusionPlan(highest_weight=0.3, anchors=(0.2,), lowest_bonus=-0.5, highest_bonus=0.5, bonus_step=0.5)
    assert fusion.weights_of(plan, None) == (0.1, 0.2, 0.3)
    assert fusion.weights_of(plan, 0.7) == (0.7,)
    assert fusion.bonuses_of(plan, None) == (-0.5, 0.0, 0.5)
    assert len(list(itertools.product(*[fusion.weights_of(plan, None)] * 2))) == 9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lowest_bonus": 4.0}, "lowest_bonus = 4 is above"),
        ({"anchors": (0.0, 1.0)}, "give weights above 0"),
        ({"anchors": (3.0,)}, "up to highest_weight = 2"),
    ],
)
def test_limits_that_hold_nothing_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FusionPlan.model_validate(change)
