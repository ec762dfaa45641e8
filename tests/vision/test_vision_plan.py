"""Plans of runs on images: what cannot be meant is refused with key, value and the way out."""

from collections.abc import Mapping
from typing import Any

import pytest

from nst_asr import config
from nst_asr.config import ConfigError
from nst_asr.plan import expand
from nst_asr.vision.plan import VisionPlan

FIT = {"updates": 10, "batch": 16, "warmup": 0}


def plan(changes: Mapping[str, Any]) -> VisionPlan:
    content = {
        "task": "vision",
        "recipe": "test",
        "label": {},
        "teacher": {"model": {"name": "convnet5"}, "fit": FIT},
        "generation": {"student": {"model": {"name": "convnet6"}}},
        "generations": 2,
    }
    return config.parse(VisionPlan, expand(config.merge(content, changes)), "plan.yaml")


def test_each_generation_has_a_model_of_its_own() -> None:
    found = plan({"generations": [{}, {"student": {"model": {"name": "resnet9"}}}]})
    assert [generation.student.model.name for generation in found.generations] == ["convnet6", "resnet9"]


def test_a_student_smaller_than_its_teacher_is_refused_unless_told_otherwise() -> None:
    smaller = {"teacher": {"model": {"name": "resnet9"}}}
    with pytest.raises(ConfigError, match=r"generation 1: the student convnet6 has [\d,]+ parameters.*allow_smaller"):
        plan(smaller)
    assert plan(smaller | {"allow_smaller": True}).teacher.model.name == "resnet9"
    assert plan({"generation": {"student": {"model": {"name": "convnet5"}}}})  # equal is allowed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher": {"model": {"name": "convnet7"}}}, "did you mean convnet"),
        ({"generation": {"init": "teacher"}}, r"generation 1 starts from its teacher's weights .*must be that"),
        ({"teacher": {"noise": {"survival": 0.8}}}, "convnet5 has no branches to drop"),
        ({"teacher": {"first": "pseudo"}}, "such a model never sees a true label"),
        (
            {"teacher": {"first": "pseudo", "fine_tune": {"fit": FIT}}},
            "the first teacher has no teacher",
        ),
        ({"generation": {"student": {"first": "none", "fine_tune": {"fit": FIT}}}}, "say init: teacher"),
        ({"teacher": {"loss": {"pseudo": -1.0}}}, "a weight above 0, or pooled, or ratio"),
        ({"teacher": {"loss": {"pseudo": "rato"}}}, "pseudo"),
        ({"generation": {"label": {"temperature": 2.0}}}, "temperature = 2 has no effect on hard labels"),
        ({"generation": {"mix": {"ratio": 3.0, "pooled": True}}}, "ratio and pooled both say"),
        ({"teacher": {"noise": {"dropuot": 0.5}}}, "did you mean dropout"),
        ({"teacher": {"fit": {"updates": 10, "batch": 16, "warmup": 20}}}, "warmup = 20 is more than updates"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(changes)
