"""The verb `nst-asr transcribe`. Imports nothing heavy before it is called."""

from __future__ import annotations

import argparse
from pathlib import Path

from nst_asr.terminal import print_each


def add_transcribe(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put `transcribe` among the verbs."""
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


def _transcribe(options: argparse.Namespace) -> int:
    from nst_asr.speech.transcribe import plan_of, transcribe

    plan = plan_of(options.beam, options.lm, options.lm_weight, options.lm_bonus, options.lexicon)
    found = transcribe(options.model, options.audio, plan=plan, device=options.device)
    return print_each(found, options.json, lambda heard: heard.text)
