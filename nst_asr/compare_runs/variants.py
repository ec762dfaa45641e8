"""The runs that are compared, as columns: a column is one run, or the runs of one plan over several seeds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from nst_asr.compare_runs.results_of import results_of
from nst_asr.corpus import Truth
from nst_asr.course import course
from nst_asr.results import about_run
from nst_asr.store import StoreError
from nst_asr.terms import Terms


class CompareError(ValueError):
    """Runs that cannot be set side by side; the message says why, and the way out."""


@dataclass(frozen=True)
class Known:
    """What is known of one run: its plan, run.json, results.json (None before its teacher has been scored), and the
    scores that are still missing."""

    folder: Path
    plan: Mapping[str, Any]
    about: Mapping[str, Any]
    results: Mapping[str, Any] | None
    unscored: tuple[str, ...]

    @property
    def seed(self) -> int | None:
        """Of the plan."""
        seed: int | None = self.about["seed"]
        return seed

    @property
    def generations(self) -> Sequence[Mapping[str, Any]]:
        """The entries of results.json, the teacher's first; none before that is scored."""
        return self.results["generations"] if self.results else []


@dataclass(frozen=True)
class Variant:
    """One column: a name, and its runs by seed."""

    name: str
    runs: tuple[Known, ...]

    @property
    def seeds(self) -> tuple[int | None, ...]:
        """Of its runs."""
        return tuple(run.seed for run in self.runs)


def read_run(folder: Path, truth: Truth | None = None) -> Known:
    """What is known of the run folder. Raises StoreError where it is none."""
    about, found = about_run(folder), course(folder)
    return Known(folder, found.plan, about, results_of(folder, truth), found.unscored)


def variants(runs: Sequence[Known], *, group: bool | None = None) -> list[Variant]:
    """The columns, in the order of the runs.

    group: True puts runs whose plans differ in nothing but the seed into one column; None does so where there are more
    than two runs, and leaves a plan apart of which a seed was run twice. Raises CompareError for fewer than two
    columns, runs of several tasks, or, with True, a seed that one plan was run with twice.
    """
    tasks = sorted({_terms(run).error for run in runs})
    if len(tasks) > 1:
        raise CompareError(f"the runs are of several tasks ({', '.join(tasks)}); compare those of one")
    doubled = [folder for folder, count in Counter(run.folder.resolve() for run in runs).items() if count > 1]
    if doubled:
        raise CompareError(f"{doubled[0]}: given twice; name each run folder once")
    columns = _columns(runs, group)
    if len(columns) < 2:
        what = "they differ in nothing but the seed; leave out --group-by-plan" if len(runs) > 1 else "name another"
        raise CompareError(f"there is one thing to compare, and two are needed: {what}")
    return columns


def matched(first: Variant, other: Variant) -> list[tuple[Known, Known]]:
    """The runs of two columns that belong together: of one seed, or the only ones."""
    if len(first.runs) == len(other.runs) == 1:
        return [(first.runs[0], other.runs[0])]
    by_seed = {run.seed: run for run in other.runs}
    return [(run, by_seed[run.seed]) for run in first.runs if run.seed in by_seed]


def terms_of_runs(columns: Sequence[Variant]) -> Terms:
    """The words of the task that the runs are of."""
    return _terms(columns[0].runs[0])


def without_seed(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The plan as it is shared by runs over several seeds."""
    return {name: value for name, value in plan.items() if name != "seed"}


def _terms(run: Known) -> Terms:
    return Terms(**(run.about.get("terms") or {}))


def _columns(runs: Sequence[Known], group: bool | None) -> list[Variant]:
    groups: dict[str, list[Known]] = {}
    for run in runs:
        together = group or (group is None and len(runs) > 2)
        groups.setdefault(_same(run) if together else str(run.folder.resolve()), []).append(run)
    apart: list[list[Known]] = []
    for found in groups.values():
        twice = [seed for seed, count in Counter(run.seed for run in found).items() if count > 1]
        if twice and group:
            folders = ", ".join(str(run.folder) for run in found if run.seed == twice[0])
            raise CompareError(f"one plan was run twice with seed {twice[0]}: {folders}; leave out all but one")
        apart += [[run] for run in found] if twice else [found]
    names = _names([run.folder for run in runs])
    columns = [tuple(_by_seed(found)) for found in apart]
    titles = _titles([[names[run.folder] for run in column] for column in columns])
    return [Variant(title, column) for title, column in zip(titles, columns, strict=True)]


def _same(run: Known) -> str:
    return json.dumps(without_seed(run.plan), sort_keys=True, default=str)


def _by_seed(runs: Sequence[Known]) -> list[Known]:
    return sorted(runs, key=lambda run: -1 if run.seed is None else run.seed)


def _names(folders: Sequence[Path]) -> dict[Path, str]:
    """The folders' names, with as many parents as tell them apart."""
    parts = {folder: folder.resolve().parts for folder in folders}
    for length in range(1, max(map(len, parts.values())) + 1):
        found = {folder: "/".join(names[-length:]) for folder, names in parts.items()}
        if len(set(found.values())) == len(folders):
            break
    return found


def _titles(columns: Sequence[Sequence[str]]) -> list[str]:
    """One for each column: what the names of its runs begin with, or all of them where another begins like that."""
    short = [_together(names) for names in columns]
    return [title if short.count(title) == 1 else ", ".join(names) for title, names in zip(short, columns, strict=True)]


def _together(names: Sequence[str]) -> str:
    """One name for several runs: what their names begin with."""
    letters = takewhile(lambda same: len(set(same)) == 1, zip(*names, strict=False))
    return "".join(each[0] for each in letters).rstrip("-_./ ") or names[0]


def refuse_no_run(folders: Sequence[Path]) -> None:
    """Raise StoreError for the first of the folders that is no run folder."""
    for folder in folders:
        if not folder.is_dir():
            raise StoreError(f"{folder}: no such folder; name the run folders that --exp named")
