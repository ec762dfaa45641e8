"""Stages 1 to 7: does the runs of a stage, several side by side; what is done is not done twice.

python recipes/cifar10/study.py EXP DATA --stage N --config PLAN [--seed S] [--jobs J] [--only NAME] [key=value ...]

Each run is `nst-asr run` in EXP/seed-S/NAME, its output in output.log there (nst-asr's own log is run.log). NAME may be
a pattern. key=value settings change the plan that all runs begin with. A run that fails does not stop the others.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # recipes are run from the source tree, not installed

from nst_asr import config
from nst_asr.config import ConfigError
from nst_asr.given import read_plan
from nst_asr.plan import expand
from nst_asr.store import StoreError, read_json, write_json
from nst_asr.vision.plan import VisionPlan
from recipes.cifar10 import robustness
from recipes.cifar10.ablations import WHOLE, ablations
from recipes.cifar10.jobs import CHAINS, DEEP, SMALL, Job, augment, baselines, chain, label_sizes

STAGES = range(1, 7)  # those of jobs
_HERE = Path(__file__).resolve().parent
_DONE = "done.json"


@dataclass(frozen=True)
class Study:
    """Where the runs of one seed lie, and what all of them have in common."""

    folder: Path  # EXP/seed-S
    data: Path  # folder of the manifests
    config: Path
    seed: int = 0
    settings: tuple[str, ...] = ()  # key=value for all runs
    running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    stopping: Event = field(default_factory=Event)

    def jobs(self, stage: int) -> list[Job]:
        """The runs of a stage, teachers that others share first. Of those of one plan and one set of data only one."""
        conf = expand(config.override(config.read(self.config), self.settings))
        if stage in CHAINS:
            return [*(baselines(DEEP, conf) if stage == 5 else []), *chain(CHAINS[stage], conf)]
        found = {1: augment, 2: lambda conf: baselines(SMALL, conf), 4: label_sizes, 6: ablations}[stage](conf)
        return self._without_doubles(found) if stage == 6 else found

    def plan(self, job: Job) -> VisionPlan:
        """The plan of a run. Raises ConfigError."""
        return read_plan(VisionPlan, self.config, self._settings(job))

    def command(self, job: Job) -> list[str]:
        """The run as a command."""
        program = [str(_HERE / job.variant[0]), *job.variant[1:]] if job.variant else ["-m", "nst_asr.cli"]
        manifests = {"labeled": f"labeled-{job.labeled}", "unlabeled": f"unlabeled-{job.pool}", "dev": "dev"}
        manifests |= {"test": "test"} if job.test else {}
        named = [word for name, file in manifests.items() for word in (f"--{name}", str(self.data / f"{file}.tsv"))]
        named += ["--truth", str(self.data / "unlabeled.truth.tsv")] if job.oracle else []
        folder = str(self.folder / job.name)
        return [sys.executable, *program, "run", str(self.config), "--exp", folder, *named, *self._settings(job)]

    def decides(self, job: Job) -> dict[str, Any]:
        """All that a run's results follow from."""
        given = {name: getattr(job, name) for name in ("labeled", "pool", "oracle", "test")}
        return given | {"variant": list(job.variant), "plan": self.plan(job).model_dump(mode="json")}

    def _settings(self, job: Job) -> list[str]:
        return [*self.settings, *job.settings, f"seed={self.seed}"]

    def _without_doubles(self, jobs: Sequence[Job]) -> list[Job]:
        """The ablations without those that are the whole recipe by another name."""
        whole = self.decides(next(job for job in jobs if job.name == WHOLE))
        return [job for job in jobs if job.name == WHOLE or self.decides(job) != whole]


@dataclass(frozen=True)
class Failure:
    """A run that failed."""

    job: Job
    log: Path
    last_line: str


def do(jobs: Sequence[Job], study: Study, side_by_side: int) -> list[Failure]:
    """Do the runs, those that begin with another's teacher last; the failures."""
    names = {job.name for job in jobs}
    ordered = sorted(jobs, key=lambda job: job.teacher in names)
    began: dict[str, Future[Failure | None]] = {}
    with ThreadPoolExecutor(side_by_side) as pool:
        try:
            for place, job in enumerate(ordered, 1):
                title = f"[{place}/{len(ordered)}] {job.name}"
                began[job.name] = pool.submit(_do, job, study, title, began.get(job.teacher or ""))
            return [failure for future in began.values() if (failure := future.result())]
        except BaseException:  # interrupted: nothing may begin any more, and nobody is left behind
            study.stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(study.running):
                process.terminate()
            raise


def _do(job: Job, study: Study, title: str, teacher: Future[Failure | None] | None) -> Failure | None:
    """One run, once its teacher's is over."""
    if teacher is not None:
        wait([teacher])
    if study.stopping.is_set():
        return None
    folder, decides, began = study.folder / job.name, study.decides(job), time.monotonic()
    if (folder / _DONE).exists() and _done(folder) == decides:
        _say(f"{title}: is done{_accuracy(folder)}")
        return None
    folder.mkdir(parents=True, exist_ok=True)
    _take_teacher(job, study)
    if _call(study.command(job), folder / "output.log", study):
        found = Failure(job, folder / "output.log", _last_line(folder / "output.log"))
        _say(f"{title}: FAILED; {found.log}: {found.last_line}")
        return found
    write_json(folder / _DONE, decides)
    _say(f"{title}: {time.monotonic() - began:.0f} s{_accuracy(folder)}")
    return None


def _take_teacher(job: Job, study: Study) -> None:
    """Copy generation 0 of the job that shares it, where that is finished and the plans for it are equal.

    Randomness is keyed by seed and place in the loop, so training it here would give the same bits.
    """
    source, folder = study.folder / (job.teacher or ""), study.folder / job.name
    if job.teacher is None or (folder / "gen0").exists() or not (source / _DONE).exists():
        return
    known, own = _done(source), study.decides(job)
    for content in (known, own):
        content["plan"].pop("generations")
    if any(known[name] != own[name] for name in ("plan", "labeled")):
        return
    (folder / "corpus").mkdir(exist_ok=True)
    same = ["labeled", "dev", *(["test"] if job.test else []), *(["unlabeled"] if known["pool"] == own["pool"] else [])]
    for file in (file for name in same for file in (source / "corpus").glob(f"{name}.*")):
        shutil.copy2(file, folder / "corpus")
    copy = folder / "gen0.copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source / "gen0", copy)
    copy.rename(folder / "gen0")


def _done(folder: Path) -> dict[str, Any]:
    """What a finished run followed from, with the defaults of keys that plans did not have yet when it was done."""
    found: dict[str, Any] = read_json(folder / _DONE)
    try:
        return found | {"plan": config.parse(VisionPlan, found["plan"]).model_dump(mode="json")}
    except ConfigError:
        return found


def _call(command: Sequence[str], log: Path, study: Study) -> int:
    """The exit status of a command whose output goes to the end of a file."""
    # one thread each: on a CPU runs side by side would otherwise hold each other up
    environment = {"OMP_NUM_THREADS": "1"} | os.environ
    with log.open("ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)
        study.running.add(process)
        if study.stopping.is_set():  # while it began
            process.terminate()
        try:
            return process.wait()
        finally:
            study.running.discard(process)


def _say(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, flush=True)


def _accuracy(folder: Path) -> str:
    """The accuracy on dev of the last model, for a line of progress."""
    paths = [folder / "gen0/score.json", *sorted(folder.glob("gen*/5-score.json"))]
    return f", dev {100 * (1 - read_json(paths[-1])['rate']):.1f} %" if paths[-1].exists() else ""


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "(nothing)")


def chosen(study: Study, stage: int, only: str | None) -> list[Job]:
    """The runs of a stage, or those that `only` names, with the teachers that they share.

    Raises ConfigError where no stage has such a run.
    """
    jobs = study.jobs(stage)
    if only is None:
        return jobs
    names = set(fnmatch.filter([job.name for job in jobs], only))
    if not names:
        known = [job.name for number in STAGES for job in study.jobs(number)]
        if not fnmatch.filter(known, only):
            raise ConfigError(f"--only {only}: no such run; there are {', '.join(dict.fromkeys(known))}")
    names |= {job.teacher for job in jobs if job.name in names and job.teacher}
    return [job for job in jobs if job.name in names]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 all runs are done, 1 some failed, or what was given cannot be used."""
    options = _parse(arguments)
    folder = options.exp / f"seed-{options.seed}"
    study = Study(folder, options.data, options.config, options.seed, tuple(options.settings))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an interrupt: children are told
    try:
        if not (options.data / "made-of.json").exists():
            raise ConfigError(f"{options.data}: no manifests of this recipe there; run stage 0 first")
        if options.stage == robustness.STAGE:
            robustness.score(study.folder, study.data, options.corrupted)
            return 0
        jobs = chosen(study, options.stage, options.only)
        for job in jobs:
            study.plan(job)  # what no plan can be is refused before anything begins
        failures = do(jobs, study, options.jobs)
    except (ConfigError, StoreError, OSError, robustness.MissingModelError) as error:
        print(f"study.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("study.py: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    for failure in failures:
        print(f"study.py: {failure.job.name} failed; {failure.log}: {failure.last_line}", file=sys.stderr)
    return 1 if failures else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The runs of a stage of the CIFAR-10 study.", allow_abbrev=False)
    parser.add_argument("exp", type=Path, metavar="EXP", help="experiment folder")
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of the manifests, from stage 0")
    parser.add_argument("settings", nargs="*", metavar="key=value", help="changes to the plan, for all runs")
    parser.add_argument("--stage", type=int, required=True, choices=[*STAGES, robustness.STAGE])
    parser.add_argument("--config", type=Path, required=True, metavar="PLAN")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side (default: 1)")
    parser.add_argument("--only", metavar="NAME", help="this run alone; a pattern such as 'chain-*'")
    parser.add_argument("--corrupted", type=int, default=1000, help="test images that stage 7 corrupts (default: 1000)")
    options, rest = parser.parse_known_args(arguments)
    options.settings += rest
    strange = [word for word in options.settings if word.startswith("-") or "=" not in word]
    if strange or options.jobs < 1:
        parser.error(f"unrecognized: {' '.join(strange)}" if strange else f"--jobs {options.jobs}: at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
