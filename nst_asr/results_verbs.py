"""The verbs that tell of a run: `nst-asr results` and `nst-asr report`."""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nst_asr.corpus import Truth
    from nst_asr.report.preview import Previews

Chosen = Callable[[Path], "Previews"]


def add_results(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put `results` among the verbs."""
    add = verbs.add_parser("results", help="print the table of a run, and write results.json", allow_abbrev=False)
    add.add_argument("exp", type=Path, help="experiment folder")
    add.add_argument("--json", action="store_true", help="print results.json instead")
    add.add_argument("--truth", type=Path, metavar="TSV", help="id and text of pool utterances: true label errors")
    add.set_defaults(verb=_results)


def add_report(verbs: argparse._SubParsersAction[argparse.ArgumentParser], previews: Chosen) -> None:
    """Put `report` among the verbs. previews: by a run's plan, what gives the sound and pictures of its examples."""
    add = verbs.add_parser(
        "report", help="write report.html, plots/, RESULTS.md and results.json of a run", allow_abbrev=False
    )
    add.add_argument("exp", type=Path, help="experiment folder")
    add.add_argument("--truth", type=Path, metavar="TSV", help="id and text of pool utterances: true label errors")
    add.add_argument("--media-mb", type=float, metavar="MB", help="of sound and pictures in it (4); 0: none")
    add.set_defaults(verb=partial(_report, previews))


def _results(options: argparse.Namespace) -> int:
    from nst_asr import results

    found = results.write(options.exp, _truth(options))
    print(json.dumps(found, indent=2, ensure_ascii=False) if options.json else results.table(found))
    return 0


def _report(previews: Chosen, options: argparse.Namespace) -> int:
    from nst_asr.report import MEDIA_MB, report

    media_mb = MEDIA_MB if options.media_mb is None else options.media_mb
    print(report(options.exp, _truth(options), _wanted(previews, options.exp, media_mb), media_mb))
    print(_rows(options.exp))
    tool = f"python tools/write_results.py {shlex.quote(str(options.exp))} ... --title TITLE --into RESULTS.md"
    print(f"into the recipe's RESULTS.md, over seeds: {tool}", file=sys.stderr)
    return 0


def _rows(run: Path) -> Path:
    """RESULTS.md in the run folder: the run's rows as the recipe's RESULTS.md has them."""
    from nst_asr.recipe_results.over_seeds import over_seeds
    from nst_asr.store import read_json, write_text

    results = read_json(run / "results.json")  # which the report has just made
    path = run / "RESULTS.md"
    write_text(path, over_seeds([results], f"{results['recipe']}, seed {results['seed']}"))
    return path


def _wanted(previews: Chosen, run: Path, media_mb: float) -> Previews | None:
    """What gives sound and pictures; None where none are wanted. Raises ConfigError."""
    from nst_asr.config import ConfigError

    if not 0 <= media_mb < math.inf:
        raise ConfigError(f"--media-mb {media_mb:g}: give a number of megabytes, 0 for none")
    plan = run / "plan.yaml"
    # a folder without a plan is no run, which the report says
    return previews(plan) if media_mb and plan.exists() else None


def _truth(options: argparse.Namespace) -> Truth | None:
    if options.truth is None:
        return None
    from nst_asr.corpus import Truth
    from nst_asr.rows import read_truth

    return Truth(read_truth(options.truth))
