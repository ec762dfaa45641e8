"""What the command that starts a run names: plan, manifests, folder, stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl

from nst_asr import config
from nst_asr.corpus import Labeled, Truth, Unlabeled
from nst_asr.plan import expand
from nst_asr.rows import read_truth

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


def read_plan(kind: type[R], path: Path, settings: Sequence[str] = ()) -> R:
    """The plan in a file, with `key=value` settings laid over it. Raises ConfigError."""
    return config.parse(kind, expand(config.override(config.read(path), settings)), str(path))
