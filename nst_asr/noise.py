"""The student's noise beside its predecessor's, component by component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Component:
    """One kind of noise: its strength in the teacher's training and in the student's; larger is noisier."""

    component: str
    teacher: float
    student: float

    @property
    def less(self) -> bool:
        """Whether the student has less of it than its teacher had."""
        return self.student < self.teacher

    def to_json(self) -> dict[str, Any]:
        """The fields and the judgement."""
        return asdict(self) | {"less": self.less}


def beside(teacher: Mapping[str, float], student: Mapping[str, float]) -> list[Component]:
    """Every component that either has; one that is absent has strength 0."""
    names = [*teacher, *(name for name in student if name not in teacher)]
    return [Component(name, teacher.get(name, 0.0), student.get(name, 0.0)) for name in names]


def describe(components: list[Component]) -> str:
    """One line a component, with a warning where the student has less noise than its teacher."""
    lines = [
        f"  {c.component}: {c.teacher:g} -> {c.student:g}" + ("   WARNING: less than its teacher had" if c.less else "")
        for c in components
    ]
    return "\n".join(lines) if lines else "  none"
