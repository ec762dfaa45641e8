"""Generations made by hand, to trip an alarm or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from nst_asr.alarms import Alarm, AlarmPlan, Turn, check
from nst_asr.corpus import Corpus, Labeled, Unlabeled
from nst_asr.labels import Labels
from nst_asr.terms import Terms

GIVEN = ["one two three four", "five six", "seven eight nine ten"] * 40  # labeled: 2 words a second, see `size_of`


def size_of(text: str) -> float:
    """Half a second a word."""
    return max(len(text.split()), 1) / 2


@dataclass(frozen=True)
class Case:
    """What a generation is made of; sizes follow from what was `spoken`, where they are not given."""

    heard: Sequence[str]  # labels of the pool
    spoken: Sequence[str] = ()
    kept: Sequence[bool] = ()
    groups: Sequence[str | None] = ()
    sizes: Sequence[float] = ()
    dev: Sequence[str] = ("one two",) * 50
    heard_dev: Sequence[str] = ("one two",) * 50
    labeled: Sequence[str] = field(default_factory=lambda: GIVEN)
    labeled_sizes: Sequence[float] = ()
    teacher: int = 0

    def corpus(self) -> Corpus:
        pool = table("p", self.spoken or self.heard, self.sizes, self.groups)
        labeled, dev = table("l", self.labeled, self.labeled_sizes), table("d", self.dev)
        return Corpus(Labeled(labeled), Unlabeled(pool.drop("label")), Labeled(dev, "dev"))

    def turn(self, folder: Path, number: int) -> Turn:
        rows = self.corpus().unlabeled.rows.select("id", "size").with_columns(label=pl.Series(self.heard))
        dev = table("d", self.dev).select("id", "size").with_columns(label=pl.Series(self.heard_dev))
        kept = pl.Series("kept", list(self.kept) or [True] * len(rows))
        heard = parts(folder / f"gen{number}/0-heard", dev)
        return Turn(number, self.teacher, heard, parts(folder / f"gen{number}/1-labels", rows), kept)


def table(
    prefix: str, texts: Sequence[str], sizes: Sequence[float] = (), groups: Sequence[str | None] = ()
) -> pl.DataFrame:
    columns = {
        "id": [f"{prefix}{place}" for place in range(len(texts))],
        "size": list(sizes) or [size_of(text) for text in texts],
        "group": list(groups) or [None] * len(texts),
        "label": list(texts),
    }
    return pl.DataFrame(columns, schema_overrides={"size": pl.Float32, "group": pl.String})


def parts(folder: Path, rows: pl.DataFrame) -> Labels:
    """The rows as a label table of two parts."""
    folder.mkdir(parents=True)
    half = (len(rows) + 1) // 2
    for place, part in enumerate((rows[:half], rows[half:])):
        part.write_parquet(folder / f"part-{place:05d}.parquet")
    return Labels(folder, 2)


def alarm(
    folder: Path,
    name: str,
    now: Case,
    before: Case | None = None,
    plan: AlarmPlan | None = None,
    terms: Terms | None = None,
) -> Alarm:
    """The alarm of that name on the labels of `now`, made by the student of those of `before`."""
    first = before.turn(folder, 1) if before else None
    turn = replace(now, teacher=1).turn(folder, 2) if before else now.turn(folder, 1)
    found = check(now.corpus(), turn, first, plan or AlarmPlan(), terms)
    return {alarm.name: alarm for alarm in found}[name]
