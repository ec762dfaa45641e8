"""Where a plan came from: its file, what was given, and what is not default."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import toy

from nst_asr import config
from nst_asr.config import Record
from nst_asr.given import read_plan
from nst_asr.plan_from import PlanFrom
from nst_asr.run import open_run

PLAN = """
recipe: toy
seed: 0
label: {}
teacher: {fit: {updates: 5, batch: 6.0, warmup: 0, threads: 0}, noise: {jitter: 0.1}}
generation:
  mix: {pseudo_share: 0.5}
  student: {fit: {batch: 12.0, warmup: 100, updates: 200}}
generations: [{filter: {confidence: 0.2}}, {}]
"""


def origin(folder: Path, *settings: str) -> dict[str, Any]:
    path = folder / "plan.yaml"
    path.write_text(PLAN)
    return PlanFrom(path, settings).to_json(read_plan(toy.ToyPlan, path, settings))


def entry(found: list[dict[str, Any]], key: str) -> dict[str, Any] | None:
    return next((each for each in found if each["key"] == key), None)


def test_the_file_is_named_with_its_digest(tmp_path: Path) -> None:
    found = origin(tmp_path)
    assert (found["path"], found["in_repository"]) == (str(tmp_path / "plan.yaml"), False)
    assert found["sha256"] == hashlib.sha256(PLAN.encode()).hexdigest()


def test_a_file_of_the_repository_is_named_as_it_lies_there() -> None:
    path = Path(__file__).parents[1] / "recipes/digits/conf/digits.yaml"
    found = PlanFrom(path).to_json(toy.plan())
    assert (found["path"], found["in_repository"]) == ("recipes/digits/conf/digits.yaml", True)


def test_what_was_given_is_told_beside_what_the_file_says_and_the_default(tmp_path: Path) -> None:
    found = origin(tmp_path, "seed=3", "teacher.fit.average=2", "teacher.fit.average_every=3")["given"]
    assert found == [
        {"key": "seed", "value": 3, "default": 0, "file": 0},
        {"key": "teacher.fit.average", "value": 2, "default": 1},
        {"key": "teacher.fit.average_every", "value": 3, "default": 50},
    ]


def test_what_the_file_has_as_the_package_is_left_out(tmp_path: Path) -> None:
    found = origin(tmp_path)["chosen"]
    for key in ("seed", "teacher.fit.threads", "teacher.noise.jitter", "label"):
        assert entry(found, key) is None
    assert entry(found, "teacher.fit.warmup") == {"key": "teacher.fit.warmup", "value": 0, "default": 100}
    assert entry(found, "teacher.fit.updates") == {"key": "teacher.fit.updates", "value": 5}  # there is no default


def test_a_generation_is_set_beside_what_all_have_or_the_teacher(tmp_path: Path) -> None:
    found = origin(tmp_path)["chosen"]
    # the package's own default, but the teacher has another
    warmup = {"key": "generation.student.fit.warmup", "value": 100, "default": 0}
    assert entry(found, "generation.student.fit.warmup") == warmup
    assert (entry(found, "generation.mix.pseudo_share") or {})["default"] == 0.6
    assert entry(found, "generations.0.filter.confidence") == {
        "key": "generations.0.filter.confidence",
        "value": 0.2,
        "default": None,
    }
    given = origin(tmp_path, "generations.1.student.fit.updates=150")["given"]
    assert given == [{"key": "generations.1.student.fit.updates", "value": 150, "default": 200}]


def test_what_was_given_is_not_told_of_the_file_again(tmp_path: Path) -> None:
    found = origin(tmp_path, "teacher.fit.updates=7", "generation.mix={pseudo_share: 0.9}")
    assert entry(found["chosen"], "teacher.fit.updates") is None
    assert entry(found["chosen"], "generation.mix.pseudo_share") is None
    assert entry(found["given"], "generation.mix") is not None


def test_a_default_that_is_a_record_has_its_own_values() -> None:
    class Rules(Record):
        least: int = 1
        most: int | None = None

    class Outer(Record):
        rules: Rules = Rules(least=2)
        perhaps: Rules | None = None
        many: tuple[Rules, ...] = ()
        needed: int

    assert config.default_of(Outer, ["rules", "least"]) == (True, 2)
    assert config.default_of(Outer, ["perhaps", "least"]) == (True, 1)
    assert config.default_of(Outer, ["many", "0", "most"]) == (True, None)
    assert config.default_of(Outer, ["needed"]) == (False, None)
    assert config.default_of(Outer, ["rules", "lest"]) == (False, None)
    assert config.default_of(Outer, ["needed", "more"]) == (False, None)


def test_the_run_folder_notes_the_plan_and_every_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, _, _ = toy.corpus()
    (tmp_path / "plan.yaml").write_text(PLAN)
    plan = read_plan(toy.ToyPlan, tmp_path / "plan.yaml", ["seed=1"])
    monkeypatch.setenv("NST_ASR_COMMAND", "recipes/toy/run.sh --seed 1")
    for stage in ("teacher", "generations", "teacher"):
        monkeypatch.setattr("sys.argv", ["/usr/bin/nst-asr", "run", "a plan.yaml", "--only", stage])
        open_run(
            tmp_path / "run", plan, {"labeled": parts.labeled}, None, PlanFrom(tmp_path / "plan.yaml", ("seed=1",))
        )
    noted = json.loads((tmp_path / "run/run.json").read_text())
    assert noted["command"] == "recipes/toy/run.sh --seed 1"
    assert noted["stage_commands"] == [
        "nst-asr run 'a plan.yaml' --only teacher",
        "nst-asr run 'a plan.yaml' --only generations",
    ]
    assert noted["plan_from"]["given"] == [{"key": "seed", "value": 1, "default": 0, "file": 0}]
    open_run(tmp_path / "run", plan, {"labeled": parts.labeled})
    assert json.loads((tmp_path / "run/run.json").read_text())["plan_from"] == noted["plan_from"]


def test_hardware_has_memory_gpus_and_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nst_asr.hardware import hardware

    monkeypatch.setenv("PATH", str(tmp_path))
    assert hardware()["gpus"] == []
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'NVIDIA H200, 143771, 570.1'\necho 'NVIDIA GB10, [N/A], 580.9'\n")
    smi.chmod(0o755)
    assert hardware()["gpus"] == [
        {"name": "NVIDIA H200", "memory_mb": 143771.0, "driver": "570.1"},
        {"name": "NVIDIA GB10", "memory_mb": None, "driver": "580.9"},
    ]
    smi.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    found = hardware()
    assert found["gpus"] == []
    assert found["processes"] == 1
    assert found["memory_mb"] > 100
