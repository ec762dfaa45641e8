"""The verb `nst-asr prepare`. Imports nothing heavy before it is called."""

from __future__ import annotations

import argparse
from pathlib import Path

from nst_asr.speech.transcripts import KINDS as TRANSCRIPTS
from nst_asr.terminal import print_summary

CORPORA = ("folder", "kaldi", "lhotse", "librispeech", "nemo", "shar")


def add_prepare(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put `prepare` among the verbs."""
    add = verbs.add_parser(
        "prepare", help="write the manifest of a corpus, every file checked (docs/corpora.md)", allow_abbrev=False
    )
    add.add_argument("kind", choices=CORPORA, help="how the corpus is laid out")
    add.add_argument("source", type=Path, nargs="+", help="its folder or manifest, or several")
    add.add_argument("--out", type=Path, required=True, metavar="MANIFEST", help="to write: .tsv or .parquet")
    add.add_argument("--transcripts", choices=TRANSCRIPTS, default="none", help="normalisation (default: none)")
    add.add_argument("--unlabeled", action="store_true", help="write no transcripts")
    add.add_argument("--truth", type=Path, metavar="TSV", help="with --unlabeled: write the transcripts here")
    add.add_argument("--cut", type=float, metavar="SECONDS", help="with --unlabeled: cut longer files at pauses")
    add.add_argument(
        "--hold-out", action="append", default=[], metavar="NAME=SHARE", help="such as dev=0.1 (repeatable)"
    )
    add.add_argument("--seed", type=int, default=0, help="of the draw of held-out speakers")
    add.add_argument("--check", choices=("headers", "samples"), default="headers", help="samples: decode everything")
    add.add_argument("--max-bad-share", type=float, default=0.01, metavar="SHARE", help="that may be left out (0.01)")
    add.set_defaults(verb=_prepare, has_workers=True)


def _prepare(options: argparse.Namespace) -> int:
    from nst_asr.speech.corpora.held_out import parse_hold_out
    from nst_asr.speech.corpora.prepare import prepare
    from nst_asr.speech.corpora.prepare_plan import PreparePlan

    plan = PreparePlan(
        kind=options.kind,
        sources=tuple(options.source),
        out=options.out,
        transcripts=options.transcripts,
        labeled=not options.unlabeled,
        truth=options.truth,
        cut=options.cut,
        hold_out=tuple(map(parse_hold_out, options.hold_out)),
        seed=options.seed,
        check=options.check,
        max_bad_share=options.max_bad_share,
    )
    return print_summary(lambda: prepare(plan).describe())
