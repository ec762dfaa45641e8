"""The verb `nst-asr classify`. Imports nothing heavy before it is called."""

from __future__ import annotations

import argparse
from pathlib import Path

from nst_asr.terminal import print_each


def add_classify(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put `classify` among the verbs."""
    add = verbs.add_parser("classify", help="print class and confidence of image files", allow_abbrev=False)
    add.add_argument("model", type=Path, help="model folder, such as exp/digits-images/gen3/4-student")
    add.add_argument("images", type=Path, nargs="+", help="image files")
    add.add_argument("--json", action="store_true", help="one JSON object a line, with the most probable classes")
    add.add_argument("--top", type=int, default=5, help="how many of these (5)")
    add.add_argument("--device", default="auto", help="cpu, cuda, cuda:1; default: cuda where there is one")
    add.set_defaults(verb=_classify)


def _classify(options: argparse.Namespace) -> int:
    from nst_asr.vision.classify import classify

    found = classify(options.model, options.images, top=options.top, device=options.device)
    return print_each(found, options.json, lambda seen: seen.label)
