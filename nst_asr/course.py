"""The course of a run: its steps in the order in which they are made, and which of them are there. Only reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nst_asr import config
from nst_asr.labels import parts_in
from nst_asr.store import StoreError, read_json

_TURN = ("0-heard", "0-gauge.json", "1-labels", "2-verdicts.parquet", "3-copies.parquet", "4-student", "5-score.json")
_SCORED = ("score.json", "test.json", "score-lm.json", "test-lm.json")  # how the names of scores end


@dataclass(frozen=True)
class Course:
    """What a run is to make (`steps`, named as in steps.jsonl), and what of it the folder has (`done`, in that order).

    The steps follow from the plan and the sets that the run was given: an oracle where the pool's truth is known, a
    score on test where there is a test set. A run that was given other stages (`--only`) makes fewer of them.
    """

    run: Path
    plan: Mapping[str, Any]
    steps: tuple[str, ...]
    done: tuple[str, ...]

    @property
    def finished(self) -> bool:
        """Whether nothing is left."""
        return self.steps == self.done

    @property
    def left(self) -> tuple[str, ...]:
        """The steps that are still to be made, in order."""
        there = set(self.done)
        return tuple(step for step in self.steps if step not in there)

    @property
    def current(self) -> str | None:
        """The step that is being made, or would be next; None where nothing is left."""
        return next(iter(self.left), None)

    @property
    def unscored(self) -> tuple[str, ...]:
        """The scores that are still missing, those of the oracle aside: it is optional, and results stand without."""
        return tuple(step for step in self.left if step.endswith(_SCORED) and not step.startswith("oracle"))


def course(run: Path, plan: Mapping[str, Any] | None = None) -> Course:
    """How far the run folder `run` is; `plan`: as read from it before. Raises StoreError where it is none."""
    noted = about(run)
    plan = plan_of(run) if plan is None else plan
    sets = _sets(run, noted)
    steps = tuple(_steps(run, plan, sets))
    return Course(run, plan, steps, tuple(_done(run, plan, sets, steps)))


def about(run: Path) -> dict[str, Any]:
    """What run.json in a run folder says. Raises StoreError where the folder is none."""
    path = run / "run.json"
    if not path.exists():
        why = "no run.json in it, so it is no run folder" if run.is_dir() else "no such folder"
        raise StoreError(f"{run}: {why}; give the folder that --exp named")
    found = read_json(path)
    if not isinstance(found, dict):
        raise StoreError(f"{path}: not what nst-asr writes there; give the folder that --exp named")
    return found


def plan_of(run: Path) -> dict[str, Any]:
    """The plan in a run folder, as plain values. Raises StoreError where there is none, or its generations are none."""
    path = run / "plan.yaml"
    if not path.exists():
        raise StoreError(f"{path}: missing; a run folder holds the plan that it was made with")
    found = config.read(path)
    turns = _turns(found)
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise StoreError(f"{path}: not what nst-asr writes there; put back the plan that the run was made with")
    return found


def _sets(run: Path, noted: Mapping[str, Any]) -> Mapping[str, Any]:
    """Name -> what is known of a set that the run was given."""
    known = run / "corpus.json"
    path, sets = (known, read_json(known)) if known.exists() else (run / "run.json", noted.get("corpus"))
    if not isinstance(sets, dict) or not all(isinstance(part, dict) for part in sets.values()):
        raise StoreError(f"{path}: not what nst-asr writes there; put back what the run has written")
    return sets


def updates_of(plan: Mapping[str, Any], step: str, run: Path, *, second: bool = False) -> int | None:
    """The updates of the training `step`; `second`: of the fine-tuning that follows it. None where nobody knows."""
    place = step.partition("/")[0]
    trained = _trained(plan, place, run)
    fits = [(part.get("fine_tune") or {}).get("fit") if second else part.get("fit") for part in trained]
    updates = [fit.get("updates") for fit in fits if fit]
    warm = bool(trained) and place == "oracle" and _turns(plan)[-1].get("init") == "teacher" and not second
    return sum(updates) if warm and None not in updates else updates[-1] if updates else None


def _trained(plan: Mapping[str, Any], place: str, run: Path) -> list[Mapping[str, Any]]:
    """The training plans that a folder's model follows: of the oracle, those of the generations that led to the last
    student (oracle.py)."""
    if place == "gen0":
        return [plan.get("teacher") or {}]
    turns = _turns(plan)
    if place != "oracle":
        number = int(place.removeprefix("gen"))
        return [turns[number - 1].get("student") or {}] if number <= len(turns) else []
    number = sum(1 for n in range(1, len(turns) + 1) if (run / f"gen{n}/6-teacher.json").exists())
    line = []
    while number:
        line.append(turns[number - 1].get("student") or {})
        number = int(read_json(run / f"gen{number - 1}/6-teacher.json")["teacher"]) if number > 1 else 0
    return line[::-1]


def _turns(plan: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return plan.get("generations") or []


def _steps(run: Path, plan: Mapping[str, Any], sets: Mapping[str, Any]) -> list[str]:
    lm = any((plan.get("label") or {}).get(name) for name in ("lm", "rescore"))
    steps = ["tokenizer"] if "tokenizer" in plan else []
    steps += ["gen0/student", "gen0/score.json", *(["gen0/score-lm.json"] if lm else [])]
    last = 0
    for number in range(1, len(_turns(plan)) + 1):
        last, at = number, f"gen{number}"
        steps += [f"{at}/{name}" for name in _TURN]
        steps += [*([f"{at}/5-score-lm.json"] if lm else []), f"{at}/6-teacher.json"]
        decision = run / at / "6-teacher.json"
        if decision.exists() and read_json(decision).get("stop"):
            break
    places = [f"gen{number}" for number in range(last + 1)]
    if last and "truth" in sets:
        steps += ["oracle/student", "oracle/score.json", *(["oracle/score-lm.json"] if lm else [])]
        places.insert(1, "oracle")
    tests = ("test.json", "test-lm.json") if lm else ("test.json",)
    return steps + [f"{place}/{name}" for place in places for name in tests if "test" in sets]


def _done(run: Path, plan: Mapping[str, Any], sets: Mapping[str, Any], steps: Sequence[str]) -> list[str]:
    """The steps whose results are there, or something of the same folder that was made of them (weights may be moved
    away). A label table is there when it has all its parts."""
    rows = {"0-heard": sets.get("dev"), "1-labels": sets.get("unlabeled")}
    done: list[str] = []
    used: set[str] = set()  # folders with a later result; test is scored last, and of whatever there is
    for step in reversed(steps):
        place, _, name = step.partition("/")
        there = (run / step).exists()
        if there and name in rows:
            there = len(parts_in(run / step)) >= parts_of(plan, rows[name])
        if there or place in used:
            done.append(step)
        if there and not name.startswith("test"):
            used.add(place)
    return done[::-1]


def parts_of(plan: Mapping[str, Any], part: Mapping[str, Any] | None) -> int:
    """How many parts the label table of a set has."""
    return -(-int((part or {}).get("rows", 0)) // int(plan.get("block", 512)))
