"""A scoring from files to numbers: what was read is scored, parted, compared and estimated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from nst_asr import __version__
from nst_asr.key import Key
from nst_asr.recovery import recovery_rate
from nst_asr.score import score
from nst_asr.scoring.alternatives import closest
from nst_asr.scoring.attention import empties, warnings
from nst_asr.scoring.comparison import compared, in_words_of
from nst_asr.scoring.confusions import confusions
from nst_asr.scoring.formats import read
from nst_asr.scoring.groups import by_group, column_of
from nst_asr.scoring.material import Material, gather, normalised
from nst_asr.scoring.pairing import without_doubles
from nst_asr.scoring.request import Request
from nst_asr.scoring.system import System
from nst_asr.scoring.texts import ScoringError, Wanted

SCHEMA = 1  # of the JSON; grows when a key changes its meaning or goes away
_KEY = Key(0)["score-wer"]


@dataclass(frozen=True)
class Evaluation:
    """What was found. numbers: as docs/scoring.md has it. references: with their columns, normalised."""

    numbers: dict[str, Any]
    systems: Mapping[str, System]
    references: pl.DataFrame


def evaluate(request: Request) -> Evaluation:
    """All that was asked for. Raises ScoringError, ManifestError, StoreError, and what scores and estimates raise."""
    material = gather(request)
    groups = {name: column_of(material.rows, name, request.bands) for name in request.by}
    systems = {name: _system(request, material, name) for name in material.sources}
    numbers = {
        "schema": SCHEMA,
        "version": __version__,
        "reference": _about_reference(material),
        "normalisation": list(material.changed),
        "costs": request.costs,
        "hypotheses": {
            name: _about_system(request, system, material, groups) | _recovered(request, system, systems)
            for name, system in systems.items()
        },
        "comparisons": compared(list(systems.values()), request.costs, _KEY["compare"]),
        "estimate": _estimated(request, next(iter(systems.values())), material),
    }
    return Evaluation(numbers, systems, material.rows)


def _system(request: Request, material: Material, name: str) -> System:
    """A hypothesis laid over the references, and scored."""
    rows = material.rows
    pairs = rows.select("id", pl.col("text").alias("label"), material.heard[name].alias("heard"))
    if "alternatives" in rows.columns:
        best = closest(pairs.with_columns(rows["alternatives"]), request.costs)
        pairs = pairs.with_columns(best.alias("label"))
    group = rows["speaker"].cast(pl.String) if "speaker" in rows.columns else pl.lit(None, pl.String)
    reference = pairs.select("id", "label", group.alias("group"), *_blocks(rows, request.blocks))
    found = score(reference, pairs.select("id", label="heard"), request.costs, over=request.blocks)
    return System(name, material.sources[name], pairs, found)


def _blocks(rows: pl.DataFrame, name: str | None) -> list[pl.Series]:
    """The column that is to be resampled, where it is not one that every score has."""
    if name in (None, "speaker", "utterance"):
        return []
    if name not in rows.columns:
        raise ScoringError(
            f"--blocks {name}: not known of the references; give a file that has it with --side, or read it off the "
            f"ids: --from-id {name}=REGEX"
        )
    if name in ("label", "group"):
        raise ScoringError(f"--blocks {name}: a score calls something else so; give the column another name")
    return [rows[name]]


def _about_reference(material: Material) -> dict[str, Any]:
    reference, rows = material.reference, material.rows
    known = rows["speaker"] if "speaker" in rows.columns else None
    seconds = rows["seconds"] if "seconds" in rows.columns else None
    return {
        "path": str(reference.path),
        "format": reference.format,
        "about": reference.about,
        "guessed": reference.guessed,
        "utterances": len(rows),
        "left_out": material.left_out,
        "empty": int((rows["text"] == "").sum()),
        "speakers": None if known is None or known.null_count() else known.n_unique(),
        "hours": None if seconds is None or seconds.null_count() else float(seconds.sum()) / 3600,
        "notes": [*reference.notes, *material.gaps, *empties(rows["text"])],
    }


def _about_system(
    request: Request, system: System, material: Material, groups: Mapping[str, pl.Series]
) -> dict[str, Any]:
    summary = system.score.summary()
    correct = summary["words"] - summary["substitutions"] - summary["deletions"]
    return {
        "path": str(system.source.path),
        "format": system.source.format,
        "about": system.source.about,
        "guessed": system.source.guessed,
        "missing": material.missing[system.name],
        "extra": material.extra[system.name],
        "empty": int((system.pairs["heard"] == "").sum()),
        "notes": [*system.source.notes, *material.notes[system.name], *empties(system.pairs["heard"])],
        "warnings": warnings(system.pairs["label"], system.pairs["heard"], system.name),
        "score": summary | {"correct": correct, "sentence_rate": summary["sentence_errors"] / summary["sentences"]},
        "by": {name: by_group(system.score, column) for name, column in groups.items()},
        "confusions": confusions(system.pairs, request.costs, request.confusions) if request.confusions else None,
    }


def _recovered(request: Request, system: System, systems: Mapping[str, System]) -> dict[str, Any]:
    """The recovery rate of a hypothesis; null where no baseline and oracle are given, and for these themselves."""
    if request.baseline is None or request.oracle is None or system.source.path in (request.baseline, request.oracle):
        return {"recovery": None}
    first, best = (systems[str(path)].score for path in (request.baseline, request.oracle))
    student, best = (in_words_of(first, other) for other in (system.score, best))
    return {"recovery": recovery_rate(first, student, best, _KEY["recovery"]).to_json()}


def _estimated(request: Request, system: System, material: Material) -> dict[str, Any] | None:
    """What the first hypothesis teaches about the pool; null where there is none."""
    if request.pool is None:
        return None
    from nst_asr.scoring.expectation import expected  # which few need, and brings much

    wanted = Wanted("hypothesis", request.hypothesis_column, ("speaker",), request.confidence)
    pool = without_doubles(read(request.pool, request.hypothesis_format, wanted))
    texts, changed = normalised(request.pool, pool.rows["id"], pool.rows["text"], material.steps)
    found = expected(system, replace(pool, rows=pool.rows.with_columns(texts.alias("text"))))
    return {"path": str(request.pool), "about": pool.about, "of": system.name, "changed": changed, **found.to_json()}
