"""The study's variant with an upper limit of confidence, which the filter does not have.

    python recipes/cifar10/one_bin.py --below 0.8 run PLAN ...        (the rest as nst-asr run)

Where a teacher is as sure as that or surer, the confidence is left out of the label table; the rule `confidence`
rejects rows without one. Together with the filter's own limit, which is the lower one, one bin of labels is kept.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # recipes are run from the source tree, not installed

from nst_asr import cli
from nst_asr.corpus import Block
from nst_asr.task import Model
from nst_asr.vision.labeler import VisionLabeler
from nst_asr.vision.plan import LabelPlan
from nst_asr.vision.task import Vision


@dataclass(frozen=True)
class BoundedLabeler(VisionLabeler):
    """A labeler that says how sure it is only where it is not too sure."""

    below: float = 1.0

    @property
    def fingerprint(self) -> str:
        """Another than that of the labeler without a limit."""
        return f"{super().fingerprint}-below-{self.below:g}"

    def __call__(self, block: Block) -> pl.DataFrame:
        """The block's labels; no confidence where it is `below` or more."""
        sure = pl.col("confidence")
        return super().__call__(block).with_columns(confidence=pl.when(sure < self.below).then(sure))


def bounded(below: float) -> type[Vision]:
    """Image classification whose labels have no confidence of `below` or more."""

    class Bounded(Vision):
        """The task with the limit."""

        def labeler(self, teachers: Sequence[Model], plan: LabelPlan) -> VisionLabeler:
            """Teachers as ever; what is above the limit is not said."""
            found = super().labeler(teachers, plan)
            return BoundedLabeler(found.teachers, found.hashes, found.plan, found.device, found.gallery, below)

    return Bounded


def main(arguments: Sequence[str]) -> int:
    """The exit status of nst-asr with the arguments after --below."""
    parser = argparse.ArgumentParser(description="nst-asr with labels below a confidence alone.", allow_abbrev=False)
    parser.add_argument("--below", type=float, required=True, metavar="CONFIDENCE", help="in (0, 1]")
    options, rest = parser.parse_known_args(arguments)
    if not 0 < options.below <= 1:
        parser.error(f"--below {options.below:g}: expected a confidence in (0, 1]")
    return cli.main(rest, task=bounded(options.below))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
