"""The verbs `nst-asr why` and `nst-asr diff`: their options, and what they do. Imports nothing heavy before a call."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nst_asr.corpus import Truth
    from nst_asr.terms import Terms

_TRUTH = "known labels: a TSV with id, and text or label (a labeled manifest will do)"


def add_why(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `why` to the verbs of a parser."""
    add = verbs.add_parser(
        "why", help="every generation's label of one example: scores, verdict, reason, copies", allow_abbrev=False
    )
    add.add_argument("exp", type=Path, help="experiment folder")
    add.add_argument("id", help="of the pool, or of dev")
    add.add_argument("--truth", type=Path, metavar="TSV", help=_TRUTH)
    add.add_argument("--json", action="store_true", help="print JSON")
    add.set_defaults(verb=_why)


def add_diff(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `diff` to the verbs of a parser."""
    add = verbs.add_parser("diff", help="what changed between two generations' labels of the pool", allow_abbrev=False)
    add.add_argument("exp", type=Path, help="experiment folder")
    add.add_argument("--from", dest="old", type=int, required=True, metavar="K", help="generation")
    add.add_argument("--to", dest="new", type=int, required=True, metavar="L", help="generation")
    add.add_argument("--truth", type=Path, metavar="TSV", help=_TRUTH)
    add.add_argument("--top", type=int, default=20, metavar="N", help="words of each kind that are listed (20)")
    add.add_argument("--json", action="store_true", help="print JSON")
    add.set_defaults(verb=_diff)


def _why(options: argparse.Namespace) -> int:
    from nst_asr.ledger import why
    from nst_asr.ledger_text import describe
    from nst_asr.rows import read_truth

    known = read_truth(options.truth, {options.id}) if options.truth else None
    truth = known["label"][0] if known is not None and len(known) else None
    found = why(options.exp, options.id, truth)
    terms = _terms(options.exp)
    if options.truth and truth is None:
        found["truth_note"] = f"{options.truth} does not have this {terms.example}"
    print(_json(found) if options.json else describe(found, terms))
    return 0


def _diff(options: argparse.Namespace) -> int:
    from nst_asr.changes import changes
    from nst_asr.changes_text import describe

    found = changes(options.exp, options.old, options.new, _truth(options.truth)).to_json(max(options.top, 0))
    print(_json(found) if options.json else describe(found, _terms(options.exp)))
    return 0


def _truth(path: Path | None) -> Truth | None:
    from nst_asr.corpus import Truth
    from nst_asr.rows import read_truth

    return Truth(read_truth(path)) if path else None


def _terms(run: Path) -> Terms:
    from nst_asr.results import about_run
    from nst_asr.results_table import terms_of

    return terms_of(about_run(run))


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
