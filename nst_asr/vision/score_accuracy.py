"""The verb `nst-asr score-accuracy`: its options, and what it does. Imports nothing heavy before it is called."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from nst_asr.accuracy.guesses import Guesses


def add_score_accuracy(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], verb: Callable[[argparse.Namespace], int]
) -> None:
    """Add the verb `score-accuracy` to the verbs of a parser; `verb` is to call `score_accuracy`."""
    add = verbs.add_parser(
        "score-accuracy",
        help="accuracy of classifiers from tables of id and label (docs/robustness.md)",
        allow_abbrev=False,
    )
    add.add_argument("tables", nargs="*", type=Path, metavar="TABLE", help="the reference first, unless --manifest")
    add.add_argument("--manifest", type=Path, help="labeled images, the reference")
    add.add_argument("--model", type=Path, action="append", default=[], metavar="MODEL_FOLDER", help="to run on it")
    add.add_argument("--classes", type=Path, metavar="FILE", help="class names in the order of soft_index, one a line")
    add.add_argument("--over", metavar="COLUMN", help="of the reference: what the bootstrap draws (default: group)")
    add.add_argument("--confusion", type=Path, metavar="OUT", help="write the confusion matrix: .tsv or .parquet")
    add.add_argument(
        "--corrupted", type=Path, action="append", default=[], metavar="TABLE", help="id, corruption, severity, label"
    )
    add.add_argument("--corrupted-baseline", metavar="TABLE", help="of mCE: another such table, or alexnet")
    add.add_argument(
        "--perturbed", type=Path, action="append", default=[], metavar="TABLE", help="id, perturbation, frame, label"
    )
    add.add_argument("--perturbed-baseline", metavar="TABLE", help="of mFR: another such table, or alexnet")
    add.add_argument("--json", type=Path, metavar="OUT", help="write all numbers there")
    add.add_argument("--device", default="auto", help="of the models: cpu, cuda, cuda:1; default: cuda if there is one")
    add.set_defaults(verb=verb, goes_on="tables")


def score_accuracy(options: argparse.Namespace) -> str:
    """What the options ask for, as text; the same numbers are written as JSON where --json says.

    Raises AccuracyError, OutputError, ScoreError, BlockError, ScoringError, RobustnessError, ManifestError, StoreError,
    ConfigError.
    """
    from nst_asr.accuracy.accuracies import accuracies
    from nst_asr.accuracy.classes import write_matrix
    from nst_asr.accuracy.guesses import beside
    from nst_asr.accuracy.text import text
    from nst_asr.outputs import refuse_outputs
    from nst_asr.store import write_json

    _refuse_what_does_not_fit(options)
    baselines = [Path(given) for given in (options.corrupted_baseline, options.perturbed_baseline) if given]
    read = (*options.tables, options.manifest, options.classes, *options.corrupted, *options.perturbed, *baselines)
    refuse_outputs(options, ("confusion", "json"), read)
    reference = _reference(options)
    heard = {} if reference is None else _heard(options, reference)
    found: dict[str, Any] = {"hypotheses": {}, "comparisons": []}
    if reference is not None and heard:
        found = accuracies(reference, heard, options.over)
        if options.confusion:
            write_matrix(options.confusion, beside(reference, next(iter(heard.values())).rows))
    found |= _robustness(options, reference)
    if options.json:
        write_json(options.json, found)
    tables = {name: scored for name, scored in found.items() if name in ("corrupted", "perturbed")}
    return "\n".join(filter(None, (text(found), _tables(tables))))


def _tables(found: dict[str, Any]) -> str:
    if not found:
        return ""
    from nst_asr.vision.robustness_text import markdown

    return markdown(found)


def _refuse_what_does_not_fit(options: argparse.Namespace) -> None:
    from nst_asr.accuracy.guesses import AccuracyError

    references = 1 if options.manifest else min(len(options.tables), 1)
    hypotheses = len(options.tables) + bool(options.manifest) - references + len(options.model)
    if options.model and not options.manifest:
        raise AccuracyError("--model needs --manifest, the images to run it on")
    if not (hypotheses and references) and not (references and options.corrupted) and not options.perturbed:
        raise AccuracyError("give a reference and a hypothesis (or --corrupted with a reference, or --perturbed)")
    if options.corrupted and not references:
        raise AccuracyError("--corrupted needs the reference, the first table or --manifest")
    if options.confusion and hypotheses != 1:
        raise AccuracyError(f"--confusion writes the matrix of one hypothesis, and {hypotheses} are given")
    for name, given in (("corrupted", options.corrupted), ("perturbed", options.perturbed)):
        if getattr(options, f"{name}_baseline") and not given:
            raise AccuracyError(f"--{name}-baseline is of no use without --{name}")
    if not hypotheses and (options.over or options.classes):
        raise AccuracyError("--over and --classes are of no use without a hypothesis")
    if options.device != "auto" and not options.model:
        raise AccuracyError("--device is of no use without --model")
    given = [*options.tables[0 if options.manifest else 1 :], *options.model]
    if doubled := sorted({str(path) for path in given if given.count(path) > 1}):
        raise AccuracyError(f"{doubled[0]} is given twice; leave one out")


def _reference(options: argparse.Namespace) -> pl.DataFrame | None:
    from nst_asr.scoring.tables import read_labels

    if options.manifest:
        from nst_asr.vision.manifests import read_manifest  # tables alone need none of the vision packages

        return read_manifest(options.manifest, labeled=True)
    return read_labels(options.tables[0]) if options.tables else None


def _heard(options: argparse.Namespace, reference: pl.DataFrame) -> dict[str, Guesses]:
    from nst_asr.accuracy.guesses import Guesses
    from nst_asr.scoring.tables import read_labels

    classes = _names(options.classes) if options.classes else None
    paths = options.tables if options.manifest else options.tables[1:]
    heard = {str(path): Guesses(read_labels(path), classes) for path in paths}
    if options.model:
        from nst_asr.vision.classified import classified

        heard |= {str(path): classified(path, reference, options.device) for path in options.model}
    return heard


def _names(path: Path) -> list[str]:
    from nst_asr.accuracy.guesses import AccuracyError

    try:
        names = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AccuracyError(f"{path}: no list of classes that can be read ({error})") from None
    if "" in names:
        raise AccuracyError(f"{path}: line {names.index('') + 1} is empty; give a class name in each")
    if doubled := [name for name, times in Counter(names).items() if times > 1]:
        raise AccuracyError(f"{path}: {doubled[0]} is there twice; give each class once, in the order of soft_index")
    if not names:
        raise AccuracyError(f"{path}: no class in it; give the names in the order of soft_index, one a line")
    return names


def _robustness(options: argparse.Namespace, reference: pl.DataFrame | None) -> dict[str, Any]:
    """The keys corrupted and perturbed, where there are such tables."""
    if not (options.corrupted or options.perturbed):
        return {}
    from nst_asr.vision.robustness_tables import corrupted, perturbed

    found: dict[str, Any] = {}
    if options.corrupted and reference is not None:
        found["corrupted"] = corrupted(options.corrupted, reference, options.corrupted_baseline)
    if options.perturbed:
        found["perturbed"] = perturbed(options.perturbed, options.perturbed_baseline)
    return found
