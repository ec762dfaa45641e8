"""What the command that starts a run names: plan, manifests, folder, stages; and what of it the run folder knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from nst_asr import config
from nst_asr.corpus import Labeled, Truth, Unlabeled
from nst_asr.plan import expand
from nst_asr.plan_from import PlanFrom
from nst_asr.ranks import rank
from nst_asr.rows import read_truth
from nst_asr.run import Run, join_run, open_run
from nst_asr.shards import Share
from nst_asr.store import StoreError, read_json, write_json
from nst_asr.terms import Terms

R = TypeVar("R", bound=config.Record)


@dataclass(frozen=True)
class Given:
    """The options of `nst-asr run`."""

    plan: Path
    settings: Sequence[str]  # key=value, laid over the plan
    exp: Path
    manifests: Mapping[str, Path]  # of labeled, unlabeled, dev and perhaps test
    truth: Path | None  # of the pool, for the oracle
    only: Sequence[str]  # the stages to do
    allow_overlap: bool
    device: str
    share: Share | None = None  # of the labeling: all that `nst-asr label` does

    def open(
        self, plan: config.Record, data: Mapping[str, Labeled | Unlabeled], known: Truth | None, terms: Terms
    ) -> Run:
        """The run folder: a run's own, in which it notes where the manifests are; or one that `nst-asr label` joins."""
        sets = {**data, **({"truth": known} if known else {})}
        if self.share:
            return join_run(self.exp, plan, sets, terms)
        run = open_run(self.exp, plan, sets, terms, PlanFrom(self.plan, tuple(self.settings)))
        if not rank():
            write_json(self.exp / "given.json", self._noted())
        return run

    @property
    def log(self) -> str:
        """The log file in the run folder; processes on several machines cannot write to one."""
        shard = self.share.shard if self.share else None
        return f"label-{shard.number}-of-{shard.of}.log" if shard else "run.log"

    def _noted(self) -> dict[str, Any]:
        manifests = {name: str(path.absolute()) for name, path in self.manifests.items()}
        return {"manifests": manifests, "allow_overlap": self.allow_overlap}

    def read_plan(self, kind: type[R]) -> R:
        """The plan with its settings, as a record of the task's kind."""
        return read_plan(kind, self.plan, self.settings)

    def sets(self, read: Callable[..., pl.DataFrame]) -> dict[str, Labeled | Unlabeled]:
        """The sets by name; read: the task's `read_manifest(path, labeled=...)`."""
        found: dict[str, Labeled | Unlabeled] = {}
        for name, path in self.manifests.items():
            rows = read(path, labeled=name != "unlabeled")
            found[name] = Unlabeled(rows, name) if name == "unlabeled" else Labeled(rows, name)
        return found

    def known(self) -> Truth | None:
        """The truth of the pool, where it is given."""
        return Truth(read_truth(self.truth)) if self.truth else None


def given_before(run: Path, share: Share, device: str, manifests: Mapping[str, Path]) -> Given:
    """What a run was given when it began, to label a share for it; `manifests`: those that lie elsewhere by now.

    Raises StoreError where no run has begun in the folder, or it has no teacher yet.
    """
    if (run / "plan.yaml").exists() and not (run / "given.json").exists():
        raise StoreError(
            f"{run}: an older version began this run: there is no given.json that says where its manifests are; give "
            "its command once more, with --only teacher"
        )
    if not (run / "plan.yaml").exists():
        raise StoreError(f"{run}: no run has begun in it; begin one with `nst-asr run PLAN --exp {run} --only teacher`")
    if not (run / "gen0" / "student").exists():
        raise StoreError(f"{run}: there is no teacher yet to label with; let `nst-asr run` train it first")
    noted = read_json(run / "given.json")
    known = {name: Path(path) for name, path in noted["manifests"].items() if name != "test"}
    return Given(
        plan=run / "plan.yaml",
        settings=(),
        exp=run,
        manifests={**known, **manifests},
        truth=None,
        only=(),
        allow_overlap=noted["allow_overlap"],
        device=device,
        share=share,
    )


def read_plan(kind: type[R], path: Path, settings: Sequence[str] = ()) -> R:
    """The plan in a file, with `key=value` settings laid over it. Raises ConfigError."""
    return config.parse(kind, expand(config.override(config.read(path), settings)), str(path))
