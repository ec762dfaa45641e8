"""nst-asr <verb>, in the order of the work.

prepare, prepare-images, lm (language models); run, label, import-labels; results, report, filter --dry-run, why, diff,
compare-runs, watch; score-wer, score-accuracy; transcribe, classify.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nst_asr import __version__
from nst_asr.compare_runs.verb import add_compare_runs
from nst_asr.dry_run import add_filter
from nst_asr.label_verb import add_label, given_to_label
from nst_asr.ledger_verbs import add_diff, add_why
from nst_asr.results_verbs import add_report, add_results
from nst_asr.run_verb import add_run, given_to_run
from nst_asr.scoring.verb import add_score_wer
from nst_asr.speech.import_labels import add_import_labels
from nst_asr.speech.ngram.verb import add_lm
from nst_asr.speech.prepare_verb import add_prepare
from nst_asr.speech.transcribe_verb import add_transcribe
from nst_asr.terminal import log_on_terminal, print_summary
from nst_asr.vision.classify_verb import add_classify
from nst_asr.vision.prepare import add_prepare_images
from nst_asr.vision.score_accuracy import add_score_accuracy
from nst_asr.watch.verb import add_watch

if TYPE_CHECKING:
    from nst_asr.given import Given
    from nst_asr.report.preview import Previews
    from nst_asr.speech.task import Speech
    from nst_asr.vision.task import Vision


def main(arguments: Sequence[str] | None = None, *, task: type[Speech] | type[Vision] | None = None) -> int:
    """The exit status: 0 done, 1 an error in what was given, said in one message. `task`: a study's variant."""
    options = _parse(arguments)
    options.task = task
    try:
        return int(options.verb(options))
    except BrokenPipeError:
        if getattr(options, "has_workers", False):
            raise  # a worker of theirs has died: nobody reads their output
        sys.stderr.close()  # whoever read the output has had enough, and Python would complain at its end
        return 0
    except Exception as error:
        # the package's own errors, and the system's, are ones that a user can mend; all others are ours to mend
        if not (type(error).__module__.startswith("nst_asr") or isinstance(error, OSError)):
            raise
        print(f"nst-asr: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("nst-asr: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options; key=value words, and files of the list that a verb `goes_on` with, may stand anywhere among them,
    which argparse alone does not allow."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if (name := getattr(options, "goes_on", None)) and not any(word.startswith("-") for word in rest):
        setattr(options, name, [*getattr(options, name), *map(Path, rest)])  # files that stand behind an option
        rest = []
    strange = [word for word in rest if word.startswith("-") or "=" not in word or not hasattr(options, "settings")]
    if strange:
        parser.error(f"unrecognized arguments: {' '.join(strange)}")
    if rest:
        options.settings = [*options.settings, *rest]
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nst-asr", description="Noisy student training for speech and images.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    add_prepare(verbs)
    add_prepare_images(verbs, _prepare_images)
    add_lm(verbs, _lm)
    add_run(verbs, _run)
    add_label(verbs, _label)
    add_import_labels(verbs)
    add_results(verbs)
    add_report(verbs, _previews)
    add_filter(verbs)
    add_why(verbs)
    add_diff(verbs)
    add_compare_runs(verbs)
    add_watch(verbs)
    add_score_wer(verbs)
    add_score_accuracy(verbs, _score_accuracy)
    add_transcribe(verbs)
    add_classify(verbs)
    return parser


def _prepare_images(options: argparse.Namespace) -> int:
    from nst_asr.vision.prepare import prepare_images

    return print_summary(lambda: prepare_images(options).describe())


def _run(options: argparse.Namespace) -> int:
    return _started(given_to_run(options), options)


def _label(options: argparse.Namespace) -> int:
    return _started(given_to_label(options), options)


def _started(given: Given, options: argparse.Namespace) -> int:
    """The status of a run of the plan's task, or of a study's variant of it."""
    start = _start(given.plan)
    start(given, options.task) if options.task else start(given)
    return 0


def _start(plan: Path) -> Callable[..., None]:
    """What starts a run of the plan's task."""
    if _task(plan) == "vision":
        from nst_asr.vision.start import run_vision

        return run_vision
    from nst_asr.speech.start import run_speech

    return run_speech


def _task(plan: Path) -> str:
    """The task that a plan is of: speech or vision."""
    from nst_asr import config

    task = config.read(plan).get("task", "speech")
    if task not in ("speech", "vision"):
        raise config.ConfigError(f"{plan}: task = {task!r}: give speech or vision")
    return str(task)


def _previews(plan: Path) -> Previews:
    """What gives the sound and the pictures of examples, by the task of a run's plan."""
    if _task(plan) == "vision":
        from nst_asr.vision import preview as pictures

        return pictures.previews
    from nst_asr.speech import preview as sounds

    return sounds.previews


def _lm(options: argparse.Namespace) -> int:
    from nst_asr.speech.ngram.verb import lm

    with log_on_terminal():
        found = lm(options)
    print(found)
    return 0


def _score_accuracy(options: argparse.Namespace) -> int:
    from nst_asr.vision.score_accuracy import score_accuracy

    with log_on_terminal():
        found = score_accuracy(options)
    print(found, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
