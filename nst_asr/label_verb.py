"""The verb `nst-asr label`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nst_asr.given import Given

_SETS = ("labeled", "unlabeled", "dev")


def add_label(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], verb: Callable[[argparse.Namespace], int]
) -> None:
    """Put `label` among the verbs."""
    about = "label a share of a run's pool, beside other machines (docs/scale.md)"
    add = verbs.add_parser("label", help=about, allow_abbrev=False)
    add.add_argument("exp", type=Path, metavar="RUN", help="experiment folder of a run that has a teacher")
    add.add_argument("--shard", default="1/1", metavar="K/N", help="every N-th block, from the K-th (1/1: all)")
    add.add_argument("--generation", type=int, metavar="K", help="whose labels (default: the next that lacks some)")
    add.add_argument("--workers", type=int, metavar="P", help="processes, or Ray tasks at a time (default: the plan's)")
    add.add_argument("--executor", choices=("local", "ray"), default="local", help="ray: the cluster at RAY_ADDRESS")
    add.add_argument("--verify", action="store_true", help="compare all parts with their digests, of all generations")
    for name in _SETS:
        add.add_argument(f"--{name}", type=Path, metavar="MANIFEST", help="where it lies now, if it was moved")
    add.add_argument("--device", default="auto", help="cpu, cuda, cuda:1; default: cuda where there is one")
    add.set_defaults(verb=verb, has_workers=True)


def given_to_label(options: argparse.Namespace) -> Given:
    """What the options of `nst-asr label` name. Raises ShardError, StoreError."""
    from nst_asr.given import given_before
    from nst_asr.shards import ShardError, Share, parse_shard

    if options.workers is not None and options.workers < 1:
        raise ShardError(f"--workers {options.workers}: one process at least")
    shard = parse_shard(options.shard)
    share = Share(shard, options.generation, options.workers, options.executor, options.verify)
    moved = {name: path for name in _SETS if (path := getattr(options, name))}
    return given_before(options.exp, share, options.device, moved)
