"""The verb `nst-asr run`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nst_asr.given import Given

STAGES = ("tokenizer", "teacher", "generations", "oracle", "test")


def add_run(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], verb: Callable[[argparse.Namespace], int]
) -> None:
    """Put `run` among the verbs."""
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
    add.set_defaults(verb=verb, has_workers=True)


def given_to_run(options: argparse.Namespace) -> Given:
    """What the options of `nst-asr run` name. Raises ConfigError for a stage without what it needs."""
    from nst_asr.config import ConfigError
    from nst_asr.given import Given

    if options.only and "test" in options.only and options.test is None:
        raise ConfigError("--only test: there is no test set; name its manifest with --test")
    return Given(
        options.plan,
        options.settings,
        options.exp,
        {name: path for name in ("labeled", "unlabeled", "dev", "test") if (path := getattr(options, name))},
        truth=options.truth,
        only=options.only or STAGES,
        allow_overlap=options.allow_overlap,
        device=options.device,
    )
