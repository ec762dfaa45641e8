"""Plan files: the short form written out, and what is refused."""

import pytest
import toy

from nst_asr.config import ConfigError
from nst_asr.plan import expand


def test_a_number_of_generations_is_so_many_of_the_same() -> None:
    generations = toy.plan(generations=3).generations
    assert len(generations) == 3
    assert generations[0] == generations[2]


def test_each_generation_changes_what_it_says_and_inherits_the_rest() -> None:
    plan = toy.plan(generations=[{"filter": {"score": 1.0}}, {"student": {"fit": {"updates": 9}}}, None])
    assert [generation.filter.score for generation in plan.generations] == [1.0, None, None]
    assert [generation.student.fit.updates for generation in plan.generations] == [5, 9, 5]
    assert {generation.student.fit.batch for generation in plan.generations} == {12.0}


def test_a_student_inherits_the_teachers_training() -> None:
    plan = toy.plan(teacher={"fit": {"clip": 7.0}})
    assert plan.generations[0].student.fit.clip == 7.0


def test_expanding_twice_changes_nothing() -> None:
    once = expand({"teacher": {"a": 1}, "label": {}, "generation": {"student": {"b": 2}}, "generations": 2})
    assert expand(once) == once


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"generation": {"mix": {"pseudo_share": -0.1}}}, r"generations\.0\.mix\.pseudo_share = -0\.1"),
        ({"generation": {"mix": {"pseudo_share": 1.0}}}, r"pseudo_share = 1\.0"),
        ({"generation": {"mix": {"pseudoshare": 0.5}}}, "did you mean pseudo_share"),
        ({"teacher": {"fit": {"updates": 0}}}, r"teacher\.fit\.updates = 0"),
        ({"teacher": {"fit": {"updates": "many"}}}, r"teacher\.fit\.updates = 'many'"),
        ({"generations": "three"}, "generations = 'three'"),
        ({"generations": True}, "generations = True"),
        ({"succeed": "worst"}, "succeed = 'worst'"),
        ({"sed": 1}, "unknown key sed; did you mean seed"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        toy.plan(**changes)
