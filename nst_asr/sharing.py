"""`nst-asr label RUN`: a share of the labels that a run needs next, made beside it and found by it.

The run folder says all there is to know: plan, manifests (given.json), and which generation teaches. What is made here
is what `nst-asr run` would make, so that it can go on with any mixture of both.
"""

from __future__ import annotations

import logging
from pathlib import Path

from nst_asr import steps
from nst_asr.corpus import Corpus, Unlabeled
from nst_asr.labels import cut, part_path
from nst_asr.plan import D, Plan, T
from nst_asr.run import Run
from nst_asr.shards import Shard, ShardError, Share
from nst_asr.store import read_json
from nst_asr.task import Model, Task

log = logging.getLogger("nst_asr")


def label_share(task: Task[T, D], corpus: Corpus, plan: Plan[T, D], run: Run, share: Share) -> None:
    """Make the share's parts of dev's and the pool's label tables that are not there yet.

    Of the generation that the share names; else of all that have labels, where they are to be verified; else of the
    first one that lacks some. Raises ShardError for a generation that cannot be labeled.
    """
    for number in _generations(corpus.unlabeled, plan, run, share):
        teacher = _teacher(run, number)
        if teacher is None:
            log.info("generation %d has no teacher (yet): there is nothing to label; let `nst-asr run` go on", number)
            return
        at, decode = f"gen{number}", plan.generations[number - 1].label
        labeler = steps.labeler(run, task, f"{at}/0-fusion.json", [teacher], corpus.dev, decode)
        steps.label(run, labeler, f"{at}/0-heard", corpus.dev.without_labels(), plan, share)
        steps.label(run, labeler, f"{at}/1-labels", corpus.unlabeled, plan, share)


def _generations(pool: Unlabeled, plan: Plan[T, D], run: Run, share: Share) -> list[int]:
    numbers = range(1, len(plan.generations) + 1)
    if share.generation is not None:
        if share.generation not in numbers:
            raise ShardError(f"--generation {share.generation}: the plan has generations 1 to {len(plan.generations)}")
        if _teacher(run, share.generation) is None:
            raise ShardError(
                f"--generation {share.generation}: it has no teacher yet; let `nst-asr run` finish the one before"
            )
        return [share.generation]
    folders = {number: run.folder / f"gen{number}" / "1-labels" for number in numbers}
    if share.verify:
        labeled = [number for number, folder in folders.items() if folder.exists()]
        if not labeled:
            log.info("there are no labels yet to verify")
        return labeled
    lacking = [number for number, folder in folders.items() if _lacks(folder, pool, plan.block, share.shard)]
    if not lacking:
        log.info("no label of shard %s is missing", share.shard)
    return lacking[:1]


def _lacks(folder: Path, pool: Unlabeled, block: int, shard: Shard) -> bool:
    return not all(part_path(folder, piece.index).exists() for piece in shard.take(cut(pool, block)))


def _teacher(run: Run, number: int) -> Model | None:
    """The model whose labels generation `number` learns from; None where that is not decided, or the run has ended."""
    if number == 1:
        return Model(run.folder / "gen0" / "student")
    path = run.folder / f"gen{number - 1}" / "6-teacher.json"
    decision = read_json(path) if path.exists() else {"stop": True}
    if decision["stop"]:
        return None
    teacher = decision["teacher"]
    return Model(run.folder / f"gen{teacher}" / ("4-student" if teacher else "student"))
