"""What preparing a corpus was asked for, and what of it cannot be done."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nst_asr.lines import ManifestError
from nst_asr.speech.corpora.held_out import TRAINING, HoldOut
from nst_asr.speech.corpora.kinds import KINDS


@dataclass(frozen=True)
class PreparePlan:
    """What to read, what to do with it, and where to write it."""

    kind: str
    sources: tuple[Path, ...]
    out: Path  # .tsv or .parquet
    transcripts: str = "none"
    labeled: bool = True
    truth: Path | None = None  # where the transcripts of an unlabeled corpus go
    cut: float | None = None  # seconds from which a file is cut by voice activity
    hold_out: tuple[HoldOut, ...] = ()
    seed: int = 0
    check: Literal["headers", "samples"] = "headers"
    max_bad_share: float = 0.01

    @property
    def source(self) -> str:
        """The sources as one word for messages."""
        return ", ".join(map(str, self.sources))

    @property
    def spoken(self) -> bool:
        """Whether transcripts are wanted: in the manifest, or as the truth of a pool."""
        return self.labeled or self.truth is not None

    def beside(self, ending: str) -> Path:
        """A file beside the manifest: its name, with this ending in place of its own."""
        return self.out.with_name(self.out.stem + ending)

    def manifests(self) -> dict[str, Path]:
        """Where each set goes, the training set last."""
        held = {asked.name: self.out.with_name(asked.name + self.out.suffix) for asked in self.hold_out}
        return held | {TRAINING: self.out}


def refuse_contradictions(plan: PreparePlan) -> None:
    """Raise ManifestError for a plan that cannot be followed."""
    manifests = [plan.out, *(plan.out.with_name(asked.name + plan.out.suffix) for asked in plan.hold_out)]
    written = [*manifests, plan.beside(".bad.tsv"), plan.beside(".summary.json"), *([plan.truth] if plan.truth else [])]
    places = [path.resolve() for path in written]
    folder = next((path for path in written if path.is_dir()), None)
    problems = {
        f"unknown kind {plan.kind!r}; known: {', '.join(KINDS)}": plan.kind not in KINDS,
        f"--out {plan.out}: a name ending in .tsv or .parquet is expected": plan.out.suffix not in (".tsv", ".parquet"),
        "--cut needs --unlabeled: the pieces of a cut file have no transcripts of their own": plan.labeled and plan.cut,
        "--truth needs --unlabeled: a labeled manifest has its transcripts in it": plan.labeled and plan.truth,
        f"--truth {plan.truth}: a name ending in .tsv is expected": plan.truth and plan.truth.suffix != ".tsv",
        f"{folder} is to be written, but there is a folder of that name; choose another --out": folder,
        "--truth and --cut exclude each other: the pieces of a cut file have no known transcripts": plan.truth
        and plan.cut,
        f"--cut {plan.cut}: expected seconds, at least 1": plan.cut is not None and not 1 <= plan.cut < math.inf,
        f"--max-bad-share {plan.max_bad_share}: expected a share from 0 to 1": not 0 <= plan.max_bad_share <= 1,
        "two of the files to be written have one name; choose others": len(set(places)) < len(places),
        "a file that is to be read would be overwritten; choose another --out": set(places)
        & {path.resolve() for path in plan.sources},
        "the shares to hold out leave nothing for training": sum(asked.share for asked in plan.hold_out) >= 1,
    }
    for problem in (text for text, is_so in problems.items() if is_so):
        raise ManifestError(problem)
