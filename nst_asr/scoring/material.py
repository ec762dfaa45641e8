"""What a scoring works on: references and hypotheses read, laid side by side, and normalised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from nst_asr.scoring.alternatives import refuse_alternatives, with_alternatives
from nst_asr.scoring.attributes import attributed, refuse_own_names
from nst_asr.scoring.formats import WITHOUT_COLUMNS, read
from nst_asr.scoring.normalisation import Normalisation, normalisation
from nst_asr.scoring.pairing import pair, without_doubles
from nst_asr.scoring.request import Request
from nst_asr.scoring.texts import ScoringError, Texts, Wanted


@dataclass(frozen=True)
class Material:
    """Everything that was read.

    reference, sources: what is known of the files, their texts taken out. rows: the references with their columns,
    `text` normalised. heard: by the name of a hypothesis its texts, normalised, in the order of the rows. steps: the
    normalisations, and how many texts each changed. missing, extra, left_out, notes: as in `pairing.Given`. gaps: notes
    on the columns.
    """

    reference: Texts
    sources: Mapping[str, Texts]
    rows: pl.DataFrame
    heard: Mapping[str, pl.Series]
    steps: Sequence[Normalisation]
    changed: Sequence[Mapping[str, Any]]
    missing: Mapping[str, int]
    extra: Mapping[str, int]
    left_out: int
    notes: Mapping[str, tuple[str, ...]]
    gaps: Sequence[str]


def gather(request: Request) -> Material:
    """The material of a request. Raises ScoringError, ManifestError, StoreError."""
    refuse_own_names([*request.columns, *(each.name for each in request.from_id)])
    steps = [normalisation(name) for name in request.normalise or ("none",)]
    reference = without_doubles(_reference(request))
    sources = {name: _hypothesis(request, name, reference) for name in request.systems}
    given = pair(reference, sources, request.missing, request.extra)
    # the texts as they were read are let go one by one, where they are not what is scored
    reference, sources = _bare(reference), {name: _bare(texts) for name, texts in sources.items()}
    rows, gaps = attributed(given.references, request.columns, request.sides, request.from_id)
    rows, of_references = _normalised_references(request.reference, rows, steps)
    heard, of_hypotheses = {}, {}
    for name in sources:
        laid = given.hypotheses.pop(name)
        heard[name], of_hypotheses[name] = normalised(sources[name].path, laid["id"], laid["text"], steps)
    return Material(
        reference=reference,
        sources=sources,
        rows=rows,
        heard=heard,
        steps=steps,
        changed=[_changed(step, place, of_references, of_hypotheses) for place, step in enumerate(steps)],
        missing=given.missing,
        extra=given.extra,
        left_out=given.left_out,
        notes=given.notes,
        gaps=gaps,
    )


def _changed(
    step: Normalisation, place: int, references: Sequence[int], hypotheses: Mapping[str, Sequence[int]]
) -> dict[str, Any]:
    return {
        "name": step.name,
        "about": step.about,
        "changed_references": references[place],
        "changed_hypotheses": {name: counts[place] for name, counts in hypotheses.items()},
    }


def normalised(
    path: Path, ids: pl.Series, texts: pl.Series, steps: Sequence[Normalisation]
) -> tuple[pl.Series, list[int]]:
    """The texts of a file after all steps, and how many each step changed. Raises ScoringError naming file and id."""
    changed = []
    for step in steps:
        try:
            after = step.change(ids, texts)
        except ScoringError as error:
            raise ScoringError(f"{path}: {error}") from None
        changed.append(int((after != texts).sum()))
        texts = after
    return texts, changed


def _reference(request: Request) -> Texts:
    wanted = Wanted("reference", request.reference_column, request.columns)
    return with_alternatives(read(request.reference, request.reference_format, wanted))


def _hypothesis(request: Request, name: str, reference: Texts) -> Texts:
    path, form = request.systems[name], request.hypothesis_format
    if not request.hypotheses:
        if reference.format in WITHOUT_COLUMNS:
            raise ScoringError(f"{path}: the only file, and {reference.about} holds no hypotheses; name some")
        form = form or (reference.format if path == request.reference else None)
    wanted = Wanted("hypothesis", request.hypothesis_column, confidence=request.confidence)
    texts = read(path, form, wanted, reference.segments)
    if path == request.reference and texts.about == reference.about:
        raise ScoringError(
            f"{path}: reference and hypothesis would be the same texts ({texts.about}); name another file, or the "
            "column of the hypotheses with --hypothesis-column"
        )
    refuse_alternatives(texts)
    return without_doubles(texts)


def _bare(texts: Texts) -> Texts:
    return replace(texts, rows=texts.rows.drop("text", "alternatives", strict=False), segments=None)


def _normalised_references(
    path: Path, rows: pl.DataFrame, steps: Sequence[Normalisation]
) -> tuple[pl.DataFrame, list[int]]:
    """The references, their alternatives too, and how many texts each step changed."""
    texts, changed = normalised(path, rows["id"], rows["text"], steps)
    rows = rows.with_columns(texts.alias("text"))
    if "alternatives" in rows.columns:
        each = rows.select("id", "alternatives").drop_nulls().explode("alternatives")
        readings, _ = normalised(path, each["id"], each["alternatives"], steps)
        known = each.select("id", readings.alias("alternatives")).group_by("id", maintain_order=True).all()
        rows = rows.drop("alternatives").join(known, on="id", how="left", maintain_order="left")
    return rows, changed
