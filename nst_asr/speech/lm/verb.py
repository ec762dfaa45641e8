"""The verb `nst-asr lm train-neural`. Imports nothing heavy before it is called."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_train_neural(parts: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb to those of `nst-asr lm`."""
    add = parts.add_parser(
        "train-neural", help="an LSTM or Transformer that rescores; goes on where it stopped", allow_abbrev=False
    )
    add.add_argument("text", type=Path, nargs="+", help="one sentence a line, plain or gzip")
    add.add_argument("--tokenizer", type=Path, required=True, metavar="FOLDER", help="of a run, or of a model")
    add.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="to write the model to")
    add.add_argument("--held-out", type=Path, nargs="+", default=[], metavar="TEXT", help="to measure perplexity on")
    add.add_argument("--plan", type=Path, help="YAML file: net, fit, longest, held_out, seed")
    add.add_argument(
        "--set", dest="settings", action="extend", nargs="+", default=[], metavar="key=value", help="change a key"
    )
    add.add_argument("--device", default="auto", help="cpu, cuda, cuda:1; default: cuda where there is one")


def train_neural(options: argparse.Namespace) -> str:
    """What is to be printed: the held-out perplexity."""
    from nst_asr import config
    from nst_asr.device import usable_device
    from nst_asr.speech.lm.plan import NeuralLMPlan
    from nst_asr.speech.lm.training import describe
    from nst_asr.speech.lm.training import train_neural as train
    from nst_asr.speech.tokenizer import Tokenizer

    content = config.read(options.plan) if options.plan else {}
    source = str(options.plan or "lm train-neural")
    plan = config.parse(NeuralLMPlan, config.override({"fit": {}, **content}, options.settings), source)
    tokenizer, place = Tokenizer.load(options.tokenizer), usable_device(options.device)
    found = train(options.text, tokenizer, plan, options.out, held_out=options.held_out, device=place)
    return describe(found, options.out)
