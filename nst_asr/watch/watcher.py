"""Looks at a run folder again and again: reads what is new, keeps what it has read, writes nothing."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nst_asr.alarms import describe
from nst_asr.amounts import amounts
from nst_asr.course import Course, about, course, parts_of, plan_of, updates_of
from nst_asr.store import part_of, read_json
from nst_asr.terms import Terms
from nst_asr.watch.events import Events
from nst_asr.watch.state import Labeling, Row, State, Taken, Training
from nst_asr.watch.working import working

_SECOND = "fine-tune"  # the folder of the training that may follow the first (vision/training.py)
_SETS = {"dev": "score.json", "test": "test.json", "dev with LM": "score-lm.json", "test with LM": "test-lm.json"}
_RECENT = 600.0  # seconds: of parts made earlier than that nothing is said about the pace
_TAIL = 4096  # bytes of the log
_TRIES = 3


class Watcher:
    """One run folder. Raises StoreError where it is none."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self._content: dict[Path, tuple[int, Any]] = {}  # of small files: when they were changed, and what they hold
        self._events: Events | None = None
        self._parts: deque[tuple[float, int]] = deque(maxlen=30)
        self._counted: str | None = None  # the step that `_parts` are of
        self._steps_read, self._seconds = 0, 0.0
        self._new: list[Taken] = []  # steps that no state has told of yet
        about(run)

    def look(self) -> State:
        """What the folder says now."""
        for _ in range(_TRIES):
            with suppress(FileNotFoundError):  # a step was renamed into its place meanwhile
                return self._look()
        return self._look()

    def _look(self) -> State:
        busy = working(self.run)  # first: a run that ends meanwhile has written all by then
        noted = self._json(self.run / "run.json")
        found = course(self.run, self._plan())
        self._new += self._taken()
        state = State(
            recipe=str(noted.get("recipe")),
            seed=noted.get("seed"),
            terms=Terms(**(noted.get("terms") or {})),
            rows=tuple(self._rows()),
            step=found.current,
            left=found.left,
            work=self._work(found),
            working=busy,
            quiet=max(time.time() - self._changed(found), 0.0),
            seconds=self._seconds,
            new=tuple(self._new),
            log=_last_line(self.run / "run.log"),
        )
        self._new = []
        return state

    def _json(self, path: Path) -> Any:
        """The content of a small file, read again only where it was changed; None where there is none."""
        return self._known(path, read_json)

    def _plan(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] | None = self._known(self.run / "plan.yaml", lambda path: plan_of(path.parent))
        return plan_of(self.run) if found is None else found

    def _known(self, path: Path, read: Any) -> Any:
        try:
            changed = path.stat().st_mtime_ns
        except FileNotFoundError:
            return None
        if path not in self._content or self._content[path][0] != changed:
            self._content[path] = changed, read(path)
        return self._content[path][1]

    def _rows(self) -> Iterator[Row]:
        number = 0
        while (folder := self.run / f"gen{number}").exists():
            alarms = (self._json(folder / "3-alarms.json") or {}).get("alarms", ())
            raised = tuple(describe(alarm) for alarm in alarms if alarm["raised"])
            found = Row(f"generation {number}", amounts(folder) if number else None, self._scores(folder), raised)
            if found.amounts or found.scores:
                yield found
            number += 1
        oracle = self._scores(self.run / "oracle")
        if oracle:
            yield Row("oracle", None, oracle, ())

    def _scores(self, folder: Path) -> dict[str, Any]:
        found = {}
        for name, file in _SETS.items():
            student = folder.name not in ("gen0", "oracle") and file.startswith("score")
            if content := self._json(folder / (f"5-{file}" if student else file)):
                found[name] = content
        return found

    def _work(self, found: Course) -> Training | Labeling | None:
        """How far the step is that is being made, where that can be seen."""
        step = found.current or ""
        if step.endswith("student"):
            return self._training(found, step)
        if step.endswith(("0-heard", "1-labels")):
            return self._labeling(found, step)
        return None

    def _training(self, found: Course, step: str) -> Training | None:
        folder = part_of(self.run / step)
        second = (folder / _SECOND / "tensorboard").exists()
        folder = folder / _SECOND if second else folder
        if not folder.exists():
            return None
        if self._events is None or self._events.folder != folder / "tensorboard":
            self._events = Events(folder / "tensorboard")
        self._events.look()
        return _training(self._events, folder, updates_of(found.plan, step, self.run, second=second))

    def _labeling(self, found: Course, step: str) -> Labeling | None:
        folder = self.run / step
        if not folder.exists():
            return None
        sets = self._json(self.run / "corpus.json") or self._json(self.run / "run.json")["corpus"]
        names = sorted(path.name for path in folder.glob("part-*.parquet"))
        if self._counted != step:
            self._counted = step
            self._parts = deque(self._earlier(folder, names), maxlen=30)
        if not self._parts or self._parts[-1][1] != len(names):
            self._parts.append((time.time(), len(names)))
            while len(self._parts) > 2 and self._parts[0][0] < time.time() - _RECENT:
                self._parts.popleft()  # nor do those from before a pause
        rows = sets.get("dev" if step.endswith("0-heard") else "unlabeled")
        (began, before), (now, done) = self._parts[0], self._parts[-1]
        pace = (done - before) / (now - began) if done > before and now > began else None
        return Labeling(len(names), parts_of(found.plan, rows), pace)

    def _earlier(self, folder: Path, names: list[str]) -> list[tuple[float, int]]:
        """When the first of the last parts was made, so that the first look knows a pace."""
        times = sorted((folder / name).stat().st_mtime for name in names[-20:])
        recent = [when for when in times if when > time.time() - _RECENT]
        return [(recent[0], len(names) - len(recent) + 1)] if len(recent) > 1 else []

    def _taken(self) -> Iterator[Taken]:
        """The lines that steps.jsonl has got since the last look; one that is not whole waits."""
        path = self.run / "steps.jsonl"
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(self._steps_read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._steps_read += len(line)
                try:
                    cost = json.loads(line)
                except json.JSONDecodeError:
                    continue  # a line that a kill cut short
                self._seconds += cost["seconds"]
                yield Taken(cost["step"], cost["seconds"])

    def _changed(self, found: Course) -> float:
        """When something in the folder was changed last, in seconds since 1970."""
        places = [self.run / name for name in ("run.json", "run.log", "steps.jsonl", "plan.yaml")]
        if found.current:
            step = self.run / found.current
            part = part_of(step)
            places += [step, part, *part.glob("checkpoint-*"), *part.glob("tensorboard/*")]
            places += [*part.glob(f"{_SECOND}/*"), *part.glob(f"{_SECOND}/tensorboard/*")]
        return max((_time(path) for path in [*places, *self.run.glob("label-*.log")]), default=0.0)


def _training(events: Events, folder: Path, total: int | None) -> Training:
    checkpoints = [int(path.stem.removeprefix("checkpoint-")) for path in folder.glob("checkpoint-*.pt")]
    done = max([0, *checkpoints, *(point.update for point in events.recent("loss", 1))])
    return Training(
        done=done,
        total=total,
        loss=events.last("loss"),
        learning_rate=events.last("learning_rate"),
        gradient_norm=events.last("gradient_norm"),
        pseudo_share=events.last("pseudo_share"),
        pace=events.pace("loss"),
        size_pace=events.last("size_per_second"),
    )


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _last_line(path: Path) -> str:
    """The last whole line of a text file, control characters left out."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _TAIL, 0))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return next(("".join(filter(str.isprintable, line)) for line in reversed(lines) if line.strip()), "")
