"""nst-asr <verb>, in the order of the work.

prepare, prepare-images, lm (language models); run, label, import-labels; results, report, filter --dry-run, why, diff,
compare-runs, watch; score-wer, score-accuracy; transcribe, classify.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nst_asr import __version__
from nst_asr.compare_runs.verb import add_compare_runs
from nst_asr.dry_run import add_filter
from nst_asr.label_verb import add_label, given_to_label
from nst_asr.ledger_verbs import add_diff, add_why
from nst_asr.scoring.verb import add_score_wer
from nst_asr.speech.import_labels import add_import_labels
from nst_asr.speech.ngram.verb import add_lm
from nst_asr.speech.transcripts import KINDS as TRANSCRIPTS
from nst_asr.vision.prepare import add_prepare_images
from nst_asr.vision.score_accuracy import add_score_accuracy
from nst_asr.watch.verb import add_watch

if TYPE_CHECKING:
    from nst_asr.corpus import Truth
    from nst_asr.report.preview import Previews
    from nst_asr.speech.task import Speech
    from nst_asr.vision.task import Vision

CORPORA = ("folder", "kaldi", "lhotse", "librispeech", "nemo", "shar")  # the kinds that prepare reads
STAGES = ("tokenizer", "teacher", "generations", "oracle", "test")


def main(arguments: Sequence[str] | None = None, *, task: type[Speech] | type[Vision] | None = None) -> int:
    """The exit status: 0 done, 1 an error in what was given, said in one message. `task`: a study's variant."""
    options = _parse(arguments)
    options.task = task
    try:
        return int(options.verb(options))
    except BrokenPipeError:
        if options.verb in (_run, _label, _prepare, _prepare_images):
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
    """The options; key=value words may stand anywhere among them, which argparse alone does not allow."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if hasattr(options, "hypotheses") and not any(word.startswith("-") for word in rest):
        options.hypotheses, rest = [*options.hypotheses, *map(Path, rest)], []  # those that stand behind an option
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
    _add_prepare(verbs)
    add_prepare_images(verbs, _prepare_images)
    add_lm(verbs, _lm)
    _add_run(verbs)
    add_label(verbs, _label)
    add_import_labels(verbs)
    _add_results(verbs)
    _add_report(verbs)
    add_filter(verbs)
    add_why(verbs)
    add_diff(verbs)
    add_compare_runs(verbs)
    add_watch(verbs)
    add_score_wer(verbs)
    add_score_accuracy(verbs, _score_accuracy)
    _add_transcribe(verbs)
    _add_classify(verbs)
    return parser


def _add_prepare(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    add.set_defaults(verb=_prepare)


def _add_run(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add = verbs.add_parser(
        "run", help="train teacher and students, the oracle, score test; goes on where it stopped", allow_abbrev=False
    )
    add.add_argument("plan", type=Path, help="YAML file, such as recipes/digits/conf/digits.yaml")
    add.add_argument(
        "settings", nargs="*", metavar="key=value", help="change a key of the plan: seed=1, teacher.fit.updates=500"
    )
    add.add_argument("--exp", type=Path, required=True, help="experiment folder")
    for name, text in (
        ("labeled", "transcribed audio, or images with their classes"),
        ("unlabeled", "audio or images"),
        ("dev", "as labeled, held out"),
    ):
        add.add_argument(f"--{name}", type=Path, required=True, metavar="MANIFEST", help=f"manifest: {text}")
    add.add_argument("--test", type=Path, metavar="MANIFEST", help="manifest: as dev, for the last step only")
    add.add_argument("--truth", type=Path, metavar="TSV", help="id and text (class) of the pool, for the oracle")
    add.add_argument("--only", choices=STAGES, action="append", help="do this stage alone (repeatable; default: all)")
    add.add_argument("--allow-overlap", action="store_true", help="accept speakers of the training data in dev or test")
    add.add_argument("--device", default="auto", help="cpu, cuda, cuda:1; default: cuda where there is one")
    add.set_defaults(verb=_run)


def _add_results(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add = verbs.add_parser("results", help="print the table of a run, and write results.json", allow_abbrev=False)
    add.add_argument("exp", type=Path, help="experiment folder")
    add.add_argument("--json", action="store_true", help="print results.json instead")
    add.add_argument("--truth", type=Path, metavar="TSV", help="id and text of pool utterances: true label errors")
    add.set_defaults(verb=_results)


def _add_report(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add = verbs.add_parser("report", help="write report.html, plots/ and results.json of a run", allow_abbrev=False)
    add.add_argument("exp", type=Path, help="experiment folder")
    add.add_argument("--truth", type=Path, metavar="TSV", help="id and text of pool utterances: true label errors")
    add.add_argument("--media-mb", type=float, metavar="MB", help="of sound and pictures in it (4); 0: none")
    add.set_defaults(verb=_report)


def _add_transcribe(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add = verbs.add_parser("transcribe", help="print text and confidence of audio files", allow_abbrev=False)
    add.add_argument("model", type=Path, help="model folder, such as exp/digits/gen3/4-student")
    add.add_argument("audio", type=Path, nargs="+", help="audio files")
    add.add_argument("--json", action="store_true", help="one JSON object a line")
    add.add_argument("--beam", type=int, help="width of the search; default: 1 = greedy, with --lm 16")
    add.add_argument("--lm", type=Path, metavar="ARPA", help="language model: over the model's units, or --lexicon")
    add.add_argument("--lm-weight", type=float, metavar="W", help="of the language model's nats (0.5)")
    add.add_argument("--lm-bonus", type=float, metavar="B", help="nats a unit, or a word with --lexicon (0)")
    add.add_argument("--lexicon", metavar="FILE", help="`word unit unit ...` lines, or vocabulary: the words of --lm")
    add.add_argument("--device", default="auto", help="cpu, cuda, cuda:1; default: cuda where there is one")
    add.set_defaults(verb=_transcribe)


def _add_classify(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add = verbs.add_parser("classify", help="print class and confidence of image files", allow_abbrev=False)
    add.add_argument("model", type=Path, help="model folder, such as exp/digits-images/gen3/4-student")
    add.add_argument("images", type=Path, nargs="+", help="image files")
    add.add_argument("--json", action="store_true", help="one JSON object a line, with the most probable classes")
    add.add_argument("--top", type=int, default=5, help="how many of these (5)")
    add.add_argument("--device", default="auto", help="cpu, cuda, cuda:1; default: cuda where there is one")
    add.set_defaults(verb=_classify)


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
    return _tell_summary(lambda: prepare(plan).describe())


def _prepare_images(options: argparse.Namespace) -> int:
    from nst_asr.vision.prepare import prepare_images

    return _tell_summary(lambda: prepare_images(options).describe())


def _tell_summary(prepared: Callable[[], str]) -> int:
    """The status of a preparation, whose summary is printed."""
    try:
        with _log_on_terminal():
            summary = prepared()
    except KeyboardInterrupt:
        print("nst-asr: interrupted; the manifest was not written, the same command starts anew", file=sys.stderr)
        return 130
    code = sys.stdout.encoding or "utf-8"  # a terminal of another one is to lose a letter, not the summary
    print(summary.encode(code, "backslashreplace").decode(code))
    return 0


@contextmanager
def _log_on_terminal() -> Iterator[None]:
    """Show the log of a verb that has no run folder to keep it in."""
    log, handler = logging.getLogger("nst_asr"), logging.StreamHandler(sys.stderr)
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def _run(options: argparse.Namespace) -> int:
    from nst_asr.config import ConfigError
    from nst_asr.given import Given

    if options.only and "test" in options.only and options.test is None:
        raise ConfigError("--only test: there is no test set; name its manifest with --test")
    given = Given(
        options.plan,
        options.settings,
        options.exp,
        {name: path for name in ("labeled", "unlabeled", "dev", "test") if (path := getattr(options, name))},
        truth=options.truth,
        only=options.only or STAGES,
        allow_overlap=options.allow_overlap,
        device=options.device,
    )
    start = _start(options.plan)
    start(given, options.task) if options.task else start(given)
    return 0


def _label(options: argparse.Namespace) -> int:
    given = given_to_label(options)
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


def _results(options: argparse.Namespace) -> int:
    from nst_asr import results

    found = results.write(options.exp, _truth(options))
    print(json.dumps(found, indent=2, ensure_ascii=False) if options.json else results.table(found))
    return 0


def _truth(options: argparse.Namespace) -> Truth | None:
    if options.truth is None:
        return None
    from nst_asr.corpus import Truth
    from nst_asr.rows import read_truth

    return Truth(read_truth(options.truth))


def _report(options: argparse.Namespace) -> int:
    from nst_asr.report import MEDIA_MB, report

    media_mb = MEDIA_MB if options.media_mb is None else options.media_mb
    print(report(options.exp, _truth(options), _previews(options.exp, media_mb), media_mb))
    rows = f"python tools/write_results.py {shlex.quote(str(options.exp))} --title TITLE --into RESULTS.md"
    print(f"its rows of the recipe's RESULTS.md: {rows}", file=sys.stderr)
    return 0


def _previews(run: Path, media_mb: float) -> Previews | None:
    """What gives the sound and the pictures of examples of a run's task; None where none are wanted."""
    from nst_asr.config import ConfigError

    if not 0 <= media_mb < math.inf:
        raise ConfigError(f"--media-mb {media_mb:g}: give a number of megabytes, 0 for none")
    if not media_mb or not (run / "plan.yaml").exists():
        return None  # a folder without a plan is no run, which the report says
    if _task(run / "plan.yaml") == "vision":
        from nst_asr.vision import preview as pictures

        return pictures.previews
    from nst_asr.speech import preview as sounds

    return sounds.previews


def _transcribe(options: argparse.Namespace) -> int:
    from nst_asr.speech.transcribe import plan_of, transcribe

    plan = plan_of(options.beam, options.lm, options.lm_weight, options.lm_bonus, options.lexicon)
    found = transcribe(options.model, options.audio, plan=plan, device=options.device)
    return _print_each(found, options.json, lambda heard: heard.text)


def _classify(options: argparse.Namespace) -> int:
    from nst_asr.vision.classify import classify

    found = classify(options.model, options.images, top=options.top, device=options.device)
    return _print_each(found, options.json, lambda seen: seen.label)


def _lm(options: argparse.Namespace) -> int:
    from nst_asr.speech.ngram.verb import lm

    with _log_on_terminal():
        found = lm(options)
    print(found)
    return 0


def _score_accuracy(options: argparse.Namespace) -> int:
    from nst_asr.vision.score_accuracy import score_accuracy

    with _log_on_terminal():
        found = score_accuracy(options)
    print(found, end="")
    return 0


def _print_each(found: Iterable[Any], as_json: bool, text: Callable[[Any], str]) -> int:
    """One line a file; errors on the other stream, and in the status."""
    bad = 0
    for each in found:
        if each.error:
            bad += 1
            print(f"nst-asr: {each.error}", file=sys.stderr)
        elif as_json:
            print(json.dumps(each.to_json(), ensure_ascii=False))
        else:
            print(f"{each.path}\t{each.confidence:.2f}\t{text(each)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
