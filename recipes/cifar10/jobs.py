"""The runs of the study's stages 1 to 5, as data; those of stage 6 are in ablations.py.

All are changes to one plan: `conf` is its content with what is shared written out (`nst_asr.plan.expand`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recipes.cifar10.data import LABELED, MAIN, NO_POOL

SMALL = ("convnet5", "convnet6", "resnet6", "resnet9")
DEEP = ("resnet20", "resnet26", "resnet32", "resnet38")
CHAINS = {3: SMALL, 5: DEEP}  # stage -> nets
LABELS = ("soft", "hard")
OPS, MAGNITUDES = (1, 2), (5, 10, 20)

SILENT: dict[str, Any] = {
    **{"rand_augment": None, "cutout": 0, "flip": 0.0, "crop": "none"},
    **{"dropout": 0.0, "survival": 1.0},
}
HARD = ("generation.label.soft=0", "generation.label.temperature=1.0")

Conf = Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """One run of nst-asr in a folder of its own."""

    name: str
    settings: tuple[str, ...]  # key=value: what it changes in the plan
    labeled: str = MAIN  # which labeled set
    pool: str = NO_POOL  # which pool
    teacher: str | None = None  # the job whose generation 0 this one begins with, where their plans for it are equal
    variant: tuple[str, ...] = ()  # a program of this folder in the place of nst-asr, and its options
    oracle: bool = False  # also trains on the pool's true labels
    test: bool = True  # is scored on test too


def augment(conf: Conf) -> list[Job]:
    """Stage 1: RandAugment N x M on the labeled part, smallest and largest net. Chosen by dev: test is not touched."""
    found = []
    for net in (SMALL[0], SMALL[-1]):
        plans: dict[str, Any] = {"none": None}
        plans |= {f"{ops}x{much}": {"ops": ops, "magnitude": float(much)} for ops in OPS for much in MAGNITUDES}
        for name, plan in plans.items():
            noise = f"teacher.noise.rand_augment={json.dumps(plan)}"
            found.append(Job(f"augment-{net}-{name}", (*as_student(net, conf), noise), test=False))
    return found


def baselines(nets: Sequence[str], conf: Conf) -> list[Job]:
    """Stage 2: each net on the labeled part alone, for a student's updates, under a student's noise and under none.

    Without noise is without crop and flip too.
    """
    silent = f"teacher.noise={json.dumps(SILENT)}"
    noised = [Job(baseline(net), as_student(net, conf), teacher=teacher_name(net)) for net in nets]
    return noised + [Job(f"baseline-{net}-silent", (*as_student(net, conf), silent)) for net in nets]


def chain(nets: Sequence[str], conf: Conf) -> list[Job]:
    """Stages 3 and 5: each net the student of the one before, on soft and on hard labels.

    The oracle learns true labels, so that it is the same beside both chains; it is trained once.
    """
    first, *students = nets
    settings = (*as_teacher(first, conf), taught([generation(net, conf) for net in students]))
    shared = {"pool": "all", "teacher": teacher_name(first)}
    soft = Job(chain_name(nets, "soft"), settings, oracle=True, **shared)  # type: ignore[arg-type]
    hard = Job(chain_name(nets, "hard"), (*settings, *HARD), **shared)  # type: ignore[arg-type]
    return [teacher(first, conf), soft, hard]


def label_sizes(conf: Conf) -> list[Job]:
    """Stage 4: the largest small net, noised, on every labeled set for the same updates; on the main one: baseline."""
    net = SMALL[-1]
    sizes = [Job(f"labels-{net}-{size}", as_student(net, conf), labeled=size) for size in LABELED if size != MAIN]
    return [Job(baseline(net), as_student(net, conf), teacher=teacher_name(net)), *sizes]


def teacher(net: str, conf: Conf) -> Job:
    """The run whose generation 0 all jobs with this teacher share."""
    return Job(teacher_name(net), (*as_teacher(net, conf), "generations=[]"))


def teacher_name(net: str) -> str:
    """Name of the job that trains a teacher for others."""
    return f"teacher-{net}"


def baseline(net: str) -> str:
    """Name of the noised supervised baseline of a net."""
    return f"baseline-{net}-noised"


def chain_name(nets: Sequence[str], labels: str) -> str:
    """Name of the job of a chain on soft or hard labels."""
    return f"chain-{nets[-1]}-{labels}"


def as_teacher(net: str, conf: Conf) -> tuple[str, ...]:
    """Settings: the plan's teacher, but of this net."""
    return (f"teacher.model.name={net}", f"teacher.noise.survival={_survival(net, conf['teacher'])}")


def as_student(net: str, conf: Conf) -> tuple[str, ...]:
    """Settings of a supervised run: this net trained as the plan's students are, on labeled images alone."""
    student = student_of(conf)
    return (
        f"teacher={json.dumps(student)}",
        f"teacher.model.name={net}",
        f"teacher.noise.survival={_survival(net, student)}",
        "generations=[]",
    )


def generation(net: str, conf: Conf) -> dict[str, Any]:
    """What a generation with this student changes in what all share."""
    return {"student": {"model": {"name": net}, "noise": {"survival": _survival(net, student_of(conf))}}}


def taught(generations: Sequence[Mapping[str, Any]]) -> str:
    """The setting that puts these generations in the place of the plan's."""
    return f"generations={json.dumps(list(generations))}"


def student_of(conf: Conf) -> dict[str, Any]:
    """The plan's last student: what nets of the study are trained as."""
    return dict(conf["generations"][-1]["student"])


def _survival(net: str, plan: Mapping[str, Any]) -> float:
    """That of the plan; 1 for nets without branches, for which any other is refused."""
    return 1.0 if net.startswith("conv") else float((plan.get("noise") or {}).get("survival", 1.0))
