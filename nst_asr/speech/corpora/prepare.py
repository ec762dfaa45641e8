"""A corpus of any kind becomes manifests of our own: every file checked, transcripts normalised, speakers held out.

Read as a stream, so memory does not grow with the number of files; audio is never copied.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from nst_asr.key import Key
from nst_asr.lines import ManifestError
from nst_asr.progress import Progress
from nst_asr.speech import transcripts
from nst_asr.speech.corpora.count import count_unique
from nst_asr.speech.corpora.examine import Examined, examine
from nst_asr.speech.corpora.fit import fit_to_write
from nst_asr.speech.corpora.held_out import split
from nst_asr.speech.corpora.kinds import KINDS
from nst_asr.speech.corpora.look_ahead import look_ahead
from nst_asr.speech.corpora.prepare_plan import PreparePlan, refuse_contradictions
from nst_asr.speech.corpora.spool import Spool, write_manifests
from nst_asr.speech.corpora.summary import SetSize, Summary
from nst_asr.speech.corpora.tally import Tally
from nst_asr.speech.corpora.utterance import Defect, Utterance
from nst_asr.store import explained, write_json, written_aside

_TOGETHER = 64  # files that one task opens


@dataclass(frozen=True, slots=True)
class _Ready:
    """An utterance that can be written, with its transcript if one is wanted."""

    found: Examined
    text: str | Defect | None  # Defect: a pool's transcript that cannot be its truth


def prepare(plan: PreparePlan) -> Summary:
    """The summary of a corpus whose manifests were written, with NAME.summary.json and NAME.bad.tsv beside them.

    Raises ManifestError for a plan that contradicts itself, for what a reader refuses, and where more than the share
    `max_bad_share` of the utterances must be left out: then only NAME.bad.tsv is written. The manifest itself is
    written last: where it is new, so is everything beside it.
    """
    refuse_contradictions(plan)
    tally = Tally()
    with _scratch(plan.out) as scratch, explained(plan.out):
        total = count_unique(partial(_utterances, plan), plan.source)
        spool = Spool(scratch, labeled=plan.labeled)
        _sort_out(plan, total, tally, spool, scratch)
        _copy(scratch / "bad.tsv", plan.beside(".bad.tsv"))
        _refuse_if_too_many(plan, total, tally)
        sets, warnings = split(spool.scan(), plan.hold_out, Key(plan.seed))
        if plan.cut is not None:
            _refuse_doubled(sets)
        rule = transcripts.describe(plan.transcripts) if plan.spoken else None
        summary = replace(tally.summary(rule), sets=_sizes(plan, sets), warnings=warnings)
        if plan.truth is not None:
            _copy(scratch / "truth.tsv", plan.truth)
        write_json(plan.beside(".summary.json"), summary.to_json())
        write_manifests(plan.manifests(), sets)
    return summary


@contextmanager
def _scratch(out: Path) -> Iterator[Path]:
    """A folder beside the manifest, deleted at the end. ManifestError where there can be none."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent)
    except OSError as error:
        raise ManifestError(
            f"--out {out}: nothing can be written to its folder ({error.strerror}); choose another place"
        ) from None
    with scratch as folder:
        yield Path(folder)


def _utterances(plan: PreparePlan) -> Iterator[Utterance | Defect]:
    """What the corpus names, source by source; texts are read where they are wanted only."""
    found = chain.from_iterable(KINDS[plan.kind](source, plan.spoken) for source in plan.sources)
    return map(partial(fit_to_write, tsv=plan.out.suffix == ".tsv", truth=plan.truth is not None), found)


def _sort_out(plan: PreparePlan, total: int, tally: Tally, spool: Spool, scratch: Path) -> None:
    """Check each utterance; the good ones go to the spool, the others, with reasons, to bad.tsv."""
    long = plan.cut is not None or plan.check == "samples"
    checked = look_ahead(partial(_check, plan), _utterances(plan), together=1 if long else _TOGETHER)
    with (
        (scratch / "bad.tsv").open("w", encoding="utf-8", newline="\n") as bad,
        (scratch / "truth.tsv").open("w", encoding="utf-8", newline="\n") as truth,
        Progress(f"checking {plan.source}", total, "utterance") as progress,
    ):
        bad.write("id\treason\n")
        truth.write("id\ttext\n")
        for answer in checked:
            progress.advance()
            if isinstance(answer, Defect):
                tally.leave_out(answer)
                bad.write(f"{_one_line(answer.id)}\t{_one_line(answer.reason)}\n")
                continue
            _take(plan, answer, tally, spool)
            if plan.truth is not None and isinstance(answer.text, str):
                truth.write(f"{answer.found.utterance.id}\t{answer.text}\n")


def _check(plan: PreparePlan, each: Utterance | Defect) -> _Ready | Defect:
    if isinstance(each, Defect):
        return each
    text = _normalised(each, plan.transcripts) if plan.spoken else None
    if isinstance(text, Defect) and plan.labeled:
        return text
    found = examine(each, decode=plan.check == "samples", cut=plan.cut)
    return found if isinstance(found, Defect) else _Ready(found, text)


def _normalised(each: Utterance, kind: str) -> str | Defect:
    """The normalised transcript, or why there is none."""
    if each.text is None or not each.text.strip():
        return Defect(each.id, "no text", each.where)
    try:
        text = transcripts.normalise(each.text, kind)
    except transcripts.TranscriptError as error:
        return Defect(each.id, f"text that the kind {kind} cannot express", str(error))
    return text if text.strip() else Defect(each.id, "no text after normalisation", repr(each.text))


def _take(plan: PreparePlan, ready: _Ready, tally: Tally, spool: Spool) -> None:
    utterance = ready.found.utterance
    label = ready.text if plan.labeled and isinstance(ready.text, str) else None
    for stretch in ready.found.stretches:
        spool.add((stretch.id, stretch.seconds, utterance.speaker, utterance.path, stretch.start, label))
        tally.hear(stretch.id, utterance.speaker, stretch.seconds, ready.found.header)
    if isinstance(ready.text, Defect):
        tally.miss(ready.text)
    elif ready.text is not None:
        tally.read(utterance.id, utterance.text or "", ready.text)


def _refuse_if_too_many(plan: PreparePlan, total: int, tally: Tally) -> None:
    bad = sum(found.count for found in tally.left_out.values())
    if tally.utterances and bad <= plan.max_bad_share * total:
        return
    kinds = "\n".join(f"  {kind}: {found.count}, such as {found.examples[0]}" for kind, found in tally.left_out.items())
    raise ManifestError(
        f"{plan.source}: {bad} of {total} utterances cannot be used, more than the share of {plan.max_bad_share:g} "
        f"that may be left out:\n{kinds}\nAll are listed in {plan.beside('.bad.tsv')}. Mend them, or allow a larger "
        "share (--max-bad-share); a corpus without transcripts is prepared with --unlabeled."
    )


def _refuse_doubled(rows: pl.LazyFrame) -> None:
    """ManifestError where a piece of a cut file is named as another utterance is."""
    doubled = rows.group_by("id").len().filter(pl.col("len") > 1).collect()
    for name in doubled["id"].sort():
        raise ManifestError(f"{name} names a piece of a cut file and another utterance; rename the file")


def _sizes(plan: PreparePlan, sets: pl.LazyFrame) -> tuple[SetSize, ...]:
    counted = sets.group_by("set").agg(
        utterances=pl.len(),
        hours=pl.col("size").cast(pl.Float64).sum() / 3600,
        speakers=pl.col("group").drop_nulls().n_unique(),
    )
    found = {name: sizes for name, *sizes in counted.collect().iter_rows()}
    return tuple(SetSize(str(path), *found.get(name, (0, 0.0, 0))) for name, path in plan.manifests().items())


def _copy(scratch: Path, path: Path) -> None:
    with written_aside(path) as part:
        shutil.copyfile(scratch, part)


def _one_line(text: str) -> str:
    return " ".join(text.split())
