"""Alignments in the form of sclite's `pra` reports (`sclite -s -o pra`), for the programs that read these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import polars as pl

from nst_asr.align import Costs, Step, aligned
from nst_asr.scoring.alignments import SIGNS
from nst_asr.scoring.system import System
from nst_asr.store import written_aside

_ORDER = ("match", "substitution", "deletion", "insertion")


def write_pra(path: Path, systems: Sequence[System], references: pl.DataFrame, costs: Costs) -> None:
    """The alignments of all systems, one report after another, whole or not at all.

    As sclite has them: by speaker, in the order in which speakers come first; errors in capitals (of a case-sensitive
    comparison sclite leaves the words as they are, and so does this); columns as wide as the bytes (UTF-8) of their
    words. Utterances come in the order of the references, where sclite has that of the hypotheses, and those that a
    hypothesis file lacks are there as deletions, where sclite passes over them. Without speakers there is one, `-`.
    """
    with written_aside(path) as part, part.open("w", encoding="utf-8") as file:
        for system in systems:
            file.writelines(_report(system, references, costs))


def _report(system: System, references: pl.DataFrame, costs: Costs) -> Iterator[str]:
    rows = _by_speaker(system, references)
    speakers = rows["speaker"].unique(maintain_order=True).to_list()
    yield f"\n\n\t\tDUMP OF SYSTEM ALIGNMENT STRUCTURE\n\nSystem name:   {system.name}\n\nSpeakers: \n"
    yield from (f"   {place:2d}:  {name}\n" for place, name in enumerate(speakers))
    yield "\n"
    counts = dict(rows.group_by("speaker").len().iter_rows())
    for place, (name, spoken) in enumerate(groupby(rows.iter_rows(named=True), lambda row: row["speaker"])):
        yield f"Speaker sentences  {place:2d}:  {name}   #utts: {counts[name]}\n"
        for row in spoken:
            yield f"id: ({row['id']})\n"
            yield from (
                f"{title}: {row[title.lower()]}\n" for title in ("Labels", "File", "Channel") if title.lower() in row
            )
            yield from _utterance(aligned(row["label"], row["heard"], costs=costs))
    yield "\n"


def _by_speaker(system: System, references: pl.DataFrame) -> pl.DataFrame:
    """The pairs with a speaker each, those of one speaker together; segments of an STM under the ids of sclite."""
    extra = [name for name in ("speaker", "labels", "file", "channel") if name in references.columns]
    rows = system.pairs.with_columns(references.select(extra))
    if "speaker" not in extra:
        rows = rows.with_columns(speaker=pl.lit("-"))
    rows = rows.with_columns(pl.col("speaker").fill_null("-"))
    if "channel" in extra:
        number = pl.int_range(pl.len()).over("speaker").cast(pl.String).str.zfill(3)
        rows = rows.with_columns(id=pl.concat_str("speaker", number, separator="-"))
    rows = rows.with_row_index("row")
    return rows.sort(pl.col("row").min().over("speaker"), maintain_order=True)


def _utterance(steps: Sequence[Step]) -> Iterator[str]:
    numbers = " ".join(str(sum(step.operation == each for step in steps)) for each in _ORDER)
    yield f"Scores: (#C #S #D #I) {numbers}\nAttributes: Case_sensitve \n"
    columns = [_column(step) for step in steps]
    for place, name in enumerate(("REF:  ", "HYP:  ", "Eval: ") if columns else ()):
        yield name + "".join(column[place] + " " for column in columns) + "\n"
    yield "\n"


def _column(step: Step) -> tuple[str, str, str]:
    words = (step.reference, step.hypothesis, SIGNS[step.operation])
    width = max(len((word or "").encode()) for word in words)
    filled = ["*" * width if word is None else word for word in words]
    first, second, sign = (word + " " * (width - len(word.encode())) for word in filled)
    return first, second, sign
