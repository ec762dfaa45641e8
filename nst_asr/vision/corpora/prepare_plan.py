"""What preparing images was asked for, and what of it cannot be done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nst_asr.lines import ManifestError
from nst_asr.vision.corpora import KINDS
from nst_asr.vision.corpora.held_out import Amount


@dataclass(frozen=True)
class PreparePlan:
    """What to read, what to do with it, and where to write it."""

    kind: str
    sources: tuple[Path, ...]
    out: Path  # .tsv or .parquet
    labeled: bool = True
    truth: Path | None = None  # where the classes of a pool go
    dev: Amount = 0
    test: Amount = 0
    labeled_number: Amount | None = None  # None: no pool is made
    seed: int = 0
    max_bad_share: float = 0.01
    threads: int = 4

    @property
    def source(self) -> str:
        """The sources as one word for messages."""
        return ", ".join(map(str, self.sources))

    def beside(self, ending: str) -> Path:
        """A file beside the manifest: its name, with this ending in place of its own."""
        return self.out.with_name(self.out.stem + ending)

    def named(self, name: str) -> Path:
        """The manifest of a set: `out` of the training set, called labeled or, of a bare pool, unlabeled."""
        main = "labeled" if self.labeled else "unlabeled"
        return self.out if name == main else self.out.with_name(name + self.out.suffix)

    def truth_path(self) -> Path | None:
        """Where the classes of the pool go; None where there is no pool, or they are not asked for."""
        if self.truth is None and self.labeled_number is not None:
            return self.out.with_name("unlabeled.truth.tsv")
        return self.truth

    def written(self, *, test: bool) -> list[Path]:
        """All files that are to be written; `test`: whether there will be a test set."""
        asked = {"dev": bool(self.dev), "test": test, "unlabeled": self.labeled_number is not None}
        sets = [self.out, *(self.named(name) for name, is_so in asked.items() if is_so)]
        truth = self.truth_path()
        return [*sets, self.beside(".bad.tsv"), self.beside(".summary.json"), *([truth] if truth else [])]


def refuse_contradictions(plan: PreparePlan) -> None:
    """Raise ManifestError for a plan that cannot be followed."""
    written = plan.written(test=bool(plan.test) or plan.kind == "cifar10")
    places = [path.resolve() for path in written]
    folder = next((path for path in written if path.is_dir()), None)
    single = plan.kind in ("cifar10", "digits")
    problems = {
        f"unknown kind {plan.kind!r}; known: {', '.join(KINDS)}": plan.kind not in KINDS,
        f"{plan.kind} has one source, {len(plan.sources)} were given": single and len(plan.sources) != 1,
        f"--out {plan.out}: a name ending in .tsv or .parquet is expected": plan.out.suffix not in (".tsv", ".parquet"),
        "--hold-out needs classes, so it excludes --unlabeled; give --labeled-number for a pool": not plan.labeled
        and (plan.dev or plan.test),
        "--labeled-number and --unlabeled exclude each other: the one parts labeled images from the pool, the other "
        "takes all for the pool": not plan.labeled and plan.labeled_number is not None,
        "--truth needs a pool: --unlabeled or --labeled-number": plan.truth
        and plan.labeled
        and plan.labeled_number is None,
        f"--truth {plan.truth}: a name ending in .tsv is expected": plan.truth and plan.truth.suffix != ".tsv",
        f"{folder} is to be written, but there is a folder of that name; choose another --out": folder,
        f"--max-bad-share {plan.max_bad_share}: expected a share from 0 to 1": not 0 <= plan.max_bad_share <= 1,
        f"--threads {plan.threads}: expected at least 1": plan.threads < 1,
        "two of the files to be written have one name (dev, test and unlabeled are taken); choose another --out": len(
            set(places)
        )
        < len(places),
        "a file that is to be read would be overwritten; choose another --out": set(places)
        & {path.resolve() for path in plan.sources},
    }
    for problem in (text for text, is_so in problems.items() if is_so):
        raise ManifestError(problem)
