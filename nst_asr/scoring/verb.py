"""The verb `nst-asr score-wer`: its options, and what it does. Imports nothing heavy before a call."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nst_asr.scoring.evaluation import Evaluation
    from nst_asr.scoring.request import Request

FORMATS = ("kaldi", "trn", "ctm", "stm", "jsonl", "csv", "tsv", "quoted-tsv", "table")
_WIDTH = 100  # of aligned texts where there is no terminal
_MOST = 20  # utterances that --align worst shows
_DESCRIPTION = """Word error rates of hypotheses against references: plain files in, tables and JSON out.

A file is Kaldi text, sclite trn, CTM, STM, JSON lines (NeMo manifests too), CSV, TSV, Parquet, or the folder of a
label table; which, its name or content tells, and the output says so. docs/scoring.md explains all of it."""
_FORMAT_HELP = f"{', '.join(FORMATS)}; default: what name or content tell"
_EXAMPLES = """examples:
  nst-asr score-wer ref.trn greedy.trn beam.trn --by speaker --align worst
  nst-asr score-wer ref.stm hyp.ctm --normalise whisper-english --side meta.csv --by gender --json scores.json
"""


def add_score_wer(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `score-wer` to the verbs of a parser."""
    add = verbs.add_parser(
        "score-wer",
        help="word error rates of text files: table, JSON, comparison, alignments (docs/scoring.md)",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add.add_argument("reference", type=Path, metavar="REFERENCE", help="what was said")
    add.add_argument(
        "hypotheses",
        type=Path,
        nargs="*",
        metavar="HYPOTHESIS",
        help="what was heard; all others are compared to the first. None: the reference's file has both",
    )
    _add_reading(add)
    _add_scoring(add)
    _add_grouping(add)
    _add_showing(add)
    add.set_defaults(verb=_score_wer, goes_on="hypotheses")


def _add_reading(add: argparse.ArgumentParser) -> None:
    group = add.add_argument_group("reading")
    for side in ("reference", "hypothesis"):
        group.add_argument(f"--{side}-format", choices=FORMATS, metavar="FORMAT", help=_FORMAT_HELP)
    for side, first in (("reference", "text, label"), ("hypothesis", "pred_text, text")):
        group.add_argument(f"--{side}-column", metavar="NAME", help=f"that holds the texts (default: {first}, ...)")
    group.add_argument(
        "--missing", choices=("error", "empty", "skip"), default="error", help="references without a hypothesis (error)"
    )
    group.add_argument("--extra", choices=("error", "skip"), default="error", help="ids that are no reference (error)")
    group.add_argument(
        "--normalise",
        action="append",
        default=[],
        metavar="NAME|FILE",
        help="none (default), nfc, ignore-case, characters, librispeech, lower, whisper-english, or a file of "
        "`regex<TAB>replacement` lines; repeatable, in this order",
    )


def _add_scoring(add: argparse.ArgumentParser) -> None:
    group = add.add_argument_group("scoring")
    group.add_argument("--costs", choices=("unit", "sclite"), default="unit", help="of the alignment (unit)")
    group.add_argument(
        "--blocks", metavar="COLUMN", help="that the bootstrap draws: speaker, utterance, any column (default: speaker)"
    )
    group.add_argument("--baseline", type=Path, metavar="FILE", help="with --oracle: for the recovery rate")
    group.add_argument("--oracle", type=Path, metavar="FILE", help="with --baseline: for the recovery rate")
    group.add_argument(
        "--estimate",
        type=Path,
        metavar="POOL",
        help="hypotheses without references: their expected error rate, from their confidences and those of the first "
        "HYPOTHESIS",
    )
    group.add_argument("--confidence", metavar="COLUMN", help="with --estimate: its name (confidence)")


def _add_grouping(add: argparse.ArgumentParser) -> None:
    group = add.add_argument_group("parts")
    group.add_argument(
        "--by", action="append", default=[], metavar="COLUMN", help="speaker, duration, or any column (repeatable)"
    )
    group.add_argument("--bands", metavar="SECONDS", help="with --by duration: where they part (2,5,10,15,20,30)")
    group.add_argument(
        "--side",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="with these columns: .csv, .tsv, .jsonl, .parquet with an id, or utt2spk and the like (repeatable)",
    )
    group.add_argument(
        "--from-id",
        action="append",
        default=[],
        metavar="NAME=REGEX",
        help="read a column off the ids, such as speaker=^[^-]+ (repeatable)",
    )


def _add_showing(add: argparse.ArgumentParser) -> None:
    group = add.add_argument_group("showing")
    group.add_argument("--confusions", type=int, default=10, metavar="N", help="most frequent errors of a kind (10)")
    group.add_argument("--align", choices=("worst", "all"), help="show aligned texts, errors in colour on a terminal")
    group.add_argument("--alignments", type=int, metavar="N", help="with --align: how many (worst: 20, all: all)")
    group.add_argument("--pra", type=Path, metavar="FILE", help="write the alignments in sclite's form")
    group.add_argument(
        "--utterances", type=Path, metavar="FILE", help="write each one's errors: .tsv, .parquet, .jsonl"
    )
    group.add_argument("--json", type=Path, metavar="FILE", help="write all numbers")


def _score_wer(options: argparse.Namespace) -> int:
    from nst_asr.outputs import refuse_outputs
    from nst_asr.scoring.evaluation import evaluate
    from nst_asr.scoring.pra import write_pra
    from nst_asr.scoring.summary import describe
    from nst_asr.scoring.utterances import refuse_suffix, write_utterances
    from nst_asr.store import write_json

    request = _request(options)
    read = (options.reference, *options.hypotheses, *options.side, *map(Path, options.normalise))
    refuse_outputs(options, ("utterances", "pra", "json"), (*read, options.baseline, options.oracle, options.estimate))
    if options.utterances:
        refuse_suffix(options.utterances)
    found = evaluate(request)
    systems = list(found.systems.values())
    if options.utterances:
        write_utterances(options.utterances, systems, found.references)
    if options.pra:
        write_pra(options.pra, systems, found.references, request.costs)
    if options.json:
        write_json(options.json, found.numbers)
    _print(describe(found.numbers))
    if options.align:
        _show_alignments(found, options, request)
    return 0


def _request(options: argparse.Namespace) -> Request:
    from nst_asr.scoring.attributes import parse_from_id
    from nst_asr.scoring.groups import BANDS, parse_bands
    from nst_asr.scoring.request import Request

    _refuse_idle(options)
    given: dict[str, Any] = {name: getattr(options, name) for name in _SAME}
    request = Request(
        hypotheses=tuple(options.hypotheses),
        normalise=tuple(options.normalise),
        by=tuple(dict.fromkeys(options.by)),
        bands=BANDS if options.bands is None else parse_bands(options.bands),
        sides=tuple(options.side),
        from_id=tuple(map(parse_from_id, options.from_id)),
        pool=options.estimate,
        **given,
    )
    _refuse_unused(request)
    return request


_SAME = (
    *("reference", "reference_format", "hypothesis_format", "reference_column", "hypothesis_column", "confidence"),
    *("costs", "missing", "extra", "blocks", "confusions", "baseline", "oracle"),
)


def _refuse_idle(options: argparse.Namespace) -> None:
    """Raise ScoringError for an option that would mean nothing, or a number that can be none."""
    from nst_asr.scoring.texts import ScoringError

    for name, needed, there in (
        ("bands", "--by duration", "duration" in options.by),
        ("alignments", "--align", options.align),
        ("confidence", "--estimate", options.estimate),
        ("baseline", "--oracle", options.oracle),
        ("oracle", "--baseline", options.baseline),
    ):
        if getattr(options, name) is not None and not there:
            raise ScoringError(f"--{name} means nothing without {needed}")
    for name, least in (("confusions", 0), ("alignments", 1)):
        number = getattr(options, name)
        if number is not None and number < least:
            raise ScoringError(f"--{name} {number}: give a number of at least {least}")
    doubled = [path for path in options.hypotheses if options.hypotheses.count(path) > 1]
    if doubled:
        raise ScoringError(f"{doubled[0]}: given more than once")


def _refuse_unused(request: Request) -> None:
    """Raise ScoringError for a column that is read off the ids and asked for by nothing."""
    from nst_asr.scoring.attributes import refuse_own_names
    from nst_asr.scoring.groups import DURATION
    from nst_asr.scoring.texts import ScoringError

    names = [each.name for each in request.from_id]
    refuse_own_names(names)
    for name in names:
        if name == DURATION:
            raise ScoringError(f"--from-id {name}: durations are the column seconds: --from-id seconds=REGEX")
        if name not in request.columns:
            raise ScoringError(f"--from-id {name} means nothing without --by {name} or --blocks {name}")


def _show_alignments(found: Evaluation, options: argparse.Namespace, request: Request) -> None:
    from rich.console import Console

    from nst_asr.scoring.alignments import chosen, texts
    from nst_asr.scoring.texts import counted

    console = Console(highlight=False, soft_wrap=True)
    worst = options.align == "worst"
    most = options.alignments or (_MOST if worst else None)
    for system in found.systems.values():
        rows = chosen(system, worst=worst, most=most)
        title = f"the {len(rows):,} worst" if worst else f"all {counted(len(rows), 'utterance')}"
        if not len(rows):
            title = "no utterance with an error"
        if not worst and len(rows) < len(system.pairs):
            title = f"the first {len(rows):,}"
        _print(f"\n{system.name}: {title}\n")
        for text in texts(rows, request.costs, console.width if console.is_terminal else _WIDTH):
            with console.capture() as shown:
                console.print(text, end="")
            _print(shown.get())


def _print(text: str) -> None:
    """Print; a terminal of another encoding is to lose a letter, not the table."""
    import sys

    code = sys.stdout.encoding or "utf-8"
    print(text.encode(code, "backslashreplace").decode(code))
