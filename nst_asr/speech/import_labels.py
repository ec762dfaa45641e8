"""`nst-asr import-labels RUN FILE`: another system's labels checked against a run, and written as it takes them.

Imports nothing heavy before a call.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nst_asr.speech.transcripts import KINDS

if TYPE_CHECKING:
    import polars as pl

    from nst_asr.speech.tokenizer import Tokenizer


def add_import_labels(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `import-labels` to the verbs of a parser."""
    add = verbs.add_parser(
        "import-labels", help="take another system's labels of the pool into a run (speech)", allow_abbrev=False
    )
    add.add_argument("exp", type=Path, help="experiment folder, in which a run has begun")
    add.add_argument(
        "file",
        type=Path,
        help="its labels of the pool: .tsv or .jsonl with id, text and perhaps "
        "score, confidence, logprob (docs/foreign-labels.md)",
    )
    add.add_argument("--dev", type=Path, metavar="FILE", help="its labels of dev, of which the gauge is made")
    add.add_argument("--transcripts", choices=KINDS, default="none", help="normalisation (default: none)")
    add.set_defaults(verb=_import_labels)


def _import_labels(options: argparse.Namespace) -> int:
    files = {"unlabeled": options.file} | ({"dev": options.dev} if options.dev else {})
    written = import_labels(options.exp, files, options.transcripts)
    keys = {"unlabeled": "foreign", "dev": "foreign_dev"}
    settings = [f"generation.label.{keys[name]}={path.absolute()}" for name, path in written.items()]
    print(f"Go on with the command that began the run, and with these settings:\n  {shlex.join(settings)}")
    return 0


def import_labels(run: Path, files: dict[str, Path], kind: str = "none") -> dict[str, Path]:
    """Where the labels of each set (`unlabeled`, `dev`) were written, in RUN/foreign; what is in them is printed.

    kind: of normalisation; labels that it refuses are named and left out, as those of other ids are. Raises
    ForeignError where a file or the run cannot be used, or no label is of the run; nothing is written then.
    """
    import polars as pl

    from nst_asr.foreign import Foreign, coverage, read_labels, strangers
    from nst_asr.rows import write_rows

    tokenizer, ids = _tokenizer(run), {name: _ids(run, name) for name in ("unlabeled", "dev")}
    Foreign.at(files.values())
    found = {}
    for name, path in files.items():
        labels = _normalised(read_labels(path), kind, path)
        print(coverage(labels, ids[name], name, lambda each, text: _fault(tokenizer, each, text)).describe())
        if odd := strangers(labels, list(ids.values())):
            print(f"  {odd}", file=sys.stderr)
        found[name] = labels.filter(pl.col("id").is_in(pl.concat(ids.values()).implode()))
    written = {name: run / "foreign" / f"{name}.tsv" for name in found}
    for name, path in written.items():
        write_rows(path, found[name])
    return written


def _normalised(labels: pl.DataFrame, kind: str, path: Path) -> pl.DataFrame:
    """Labels in the form of a kind, without those that it refuses, which are counted and named."""
    import polars as pl

    from nst_asr.foreign import ForeignError
    from nst_asr.speech.transcripts import TranscriptError, normalise

    texts: list[str | None] = []
    refused = []
    for name, text in labels.select("id", "text").iter_rows():
        try:
            texts.append(normalise(text, kind))
        except TranscriptError as error:
            texts.append(None)
            refused.append(f"{name}: {error}")
    if refused:
        shown = "".join(f"\n  {reason}" for reason in refused[:5]) + ("\n  ..." if len(refused) > 5 else "")
        print(f"{len(refused)} of {len(labels)} texts are refused and left out:{shown}", file=sys.stderr)
    if len(refused) == len(labels):
        raise ForeignError(f"{path}: no text is left; look at what is wrong with them, or take another --transcripts")
    return labels.with_columns(text=pl.Series(texts, dtype=pl.String)).drop_nulls("text")


def _tokenizer(run: Path) -> Tokenizer:
    from nst_asr import config
    from nst_asr.foreign import ForeignError
    from nst_asr.speech.tokenizer import Tokenizer

    if not (run / "plan.yaml").exists() or not (run / "tokenizer").exists():
        raise ForeignError(f"{run}: no run on speech has begun in it; begin one, with `nst-asr run PLAN --exp {run}`")
    if (task := config.read(run / "plan.yaml").get("task", "speech")) != "speech":
        raise ForeignError(f"{run}: a run of the task {task}; only labels of speech can be taken from elsewhere")
    return Tokenizer.load(run / "tokenizer")


def _ids(run: Path, name: str) -> pl.Series:
    """The ids of the usable rows of a set."""
    from nst_asr.foreign import ForeignError
    from nst_asr.store import read_table

    path = run / "corpus" / f"{name}.parquet"
    if not path.exists():
        raise ForeignError(f"{path}: the run has not looked at its {name} set yet; let `nst-asr run` begin")
    return read_table(path)["id"]


def _fault(tokenizer: Tokenizer, name: str, text: str) -> str | None:
    strange = tokenizer.unknown(text)
    return f"{name} ({strange!r})" if strange else None
