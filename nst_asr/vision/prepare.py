"""The verb `nst-asr prepare-images`: its options, and what it does. Imports nothing heavy before it is called."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nst_asr.vision.corpora import KINDS

if TYPE_CHECKING:
    from nst_asr.vision.corpora.summary import Summary


def add_prepare_images(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], verb: Callable[[argparse.Namespace], int]
) -> None:
    """Add the verb `prepare-images` to the verbs of a parser; `verb` is to call `prepare_images`."""
    add = verbs.add_parser(
        "prepare-images",
        help="write the manifests of images, each decoded once (docs/images-data.md)",
        allow_abbrev=False,
    )
    add.add_argument("kind", choices=KINDS, help="how the images are laid out")
    add.add_argument("source", type=Path, nargs="+", help="folder, .tar or shards; of digits: the .tar to write")
    add.add_argument("--out", type=Path, required=True, metavar="MANIFEST", help="to write: .tsv or .parquet")
    add.add_argument("--unlabeled", action="store_true", help="a pool: write no classes")
    add.add_argument("--truth", type=Path, metavar="TSV", help="of a pool: write the classes that are known here")
    add.add_argument(
        "--hold-out", action="append", default=[], metavar="NAME=AMOUNT", help="dev=1000, test=0.1 (repeatable)"
    )
    add.add_argument(
        "--labeled-number",
        metavar="AMOUNT",
        help="so many are labeled; the rest is a pool, its truth aside",
    )
    add.add_argument("--seed", type=int, default=0, help="of the draw of the sets")
    add.add_argument("--max-bad-share", type=float, default=0.01, metavar="SHARE", help="that may be left out (0.01)")
    add.add_argument("--threads", type=int, default=4, help="that decode (4)")
    add.set_defaults(verb=verb, has_workers=True)


def prepare_images(options: argparse.Namespace) -> Summary:
    """The summary of what was written. Raises ManifestError, UnusableError, StoreError."""
    from nst_asr.lines import ManifestError

    try:
        return _prepared(options)
    except ModuleNotFoundError as error:
        raise ManifestError(f"{error.name} is not installed; images need: pip install 'nst-asr[vision]'") from None


def _prepared(options: argparse.Namespace) -> Summary:
    from nst_asr.vision.corpora.held_out import amount, parse_hold_out
    from nst_asr.vision.corpora.prepare import prepare
    from nst_asr.vision.corpora.prepare_plan import PreparePlan

    number = options.labeled_number
    return prepare(
        PreparePlan(
            kind=options.kind,
            sources=tuple(options.source),
            out=options.out,
            labeled=not options.unlabeled,
            truth=options.truth,
            labeled_number=None if number is None else amount(number),
            seed=options.seed,
            max_bad_share=options.max_bad_share,
            threads=options.threads,
            **parse_hold_out(options.hold_out),
        )
    )
