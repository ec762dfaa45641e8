"""The label table: what a labeler heard in the pool, written block by block as Parquet parts.

The pool is cut once into fixed blocks. One block gives one part, row for row in the block's order, so laying labels
over the pool is a zip. Whoever makes a part, the part is the same; none says who made it. A part that a crash or a bad
disk has damaged is moved aside and made again.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from nst_asr import __version__
from nst_asr.corpus import Block, Unlabeled
from nst_asr.cost import Pace, describe_rate
from nst_asr.executors import Hands, carry_out
from nst_asr.parts import look, set_aside, sweep, write_part
from nst_asr.progress import Progress
from nst_asr.ranks import rank, refuse_orphaned, wait_for, world
from nst_asr.shards import ALL, Shard
from nst_asr.store import StoreError
from nst_asr.task import Labeler

log = logging.getLogger("nst_asr")

# column -> type; what each means is said in docs/label-table.md
SCHEMA: dict[str, pl.DataType] = {
    "id": pl.String(),  # the unlabeled example
    "size": pl.Float32(),  # seconds of audio, or 1 for an image
    "label": pl.String(),  # transcript, or class name
    "tokens": pl.List(pl.Int32()),  # model units of the label under the teacher's tokenizer
    "logprob": pl.Float32(),  # log P(label given input), nats, summed over alignments, no language model
    "score": pl.Float32(),  # what the search maximised; null without a language model
    "lm_logprob": pl.Float32(),  # the language model's part of it; null without one
    "confidence": pl.Float32(),  # in [0, 1]: mean over tokens of the maximum probability, not yet calibrated
    "token_confidence": pl.List(pl.Float32()),  # in [0, 1], one a token; may be null
    "entropy_confidence": pl.Float32(),  # in [0, 1]: mean over tokens of 1 - entropy / log V
    "token_entropy_confidence": pl.List(pl.Float32()),  # the same for each token; may be null
    "token_tsallis_confidence": pl.List(pl.Float32()),  # in [0, 1], one a token, by Tsallis entropy; may be null
    "margin": pl.Float32(),  # nats between the score of the label and of the next best; null where none was looked for
    "label_without_lm": pl.String(),  # what the teacher hears by itself; null without a language model
    "lm_distance": pl.Float32(),  # character error rate of the label against it; null without a language model
    "agreement": pl.Float32(),  # in [0, 1]: 1 - mean pairwise CER of the teachers' labels; null with one teacher
    "alternatives": pl.List(pl.String()),  # each teacher's own label; null with one teacher
    "unspoken": pl.Float32(),  # seconds: the longest voiced stretch without a token; null for images
    "soft_index": pl.List(pl.Int32()),  # units of the k largest shares of a soft label (images); null for speech
    "soft_prob": pl.List(pl.Float16()),  # their shares, which sum to 1
}
SOFT = ("soft_index", "soft_prob")
ALTERNATIVES = "alternatives"


@dataclass(frozen=True)
class Labels:
    """A finished label table: its folder and the number of its parts."""

    folder: Path
    parts: int

    def paths(self) -> list[Path]:
        """The part files, in the order of the blocks."""
        return [part_path(self.folder, index) for index in range(self.parts)]

    def scan(self) -> pl.LazyFrame:
        """The whole table, lazily, in the pool's order."""
        return scan_parts(self.paths())

    def targets(self) -> pl.DataFrame:
        """What a student learns from, in the pool's order: id, label and, where there are some, soft labels and
        alternatives.
        """
        given = self.scan().select(pl.col("soft_index", ALTERNATIVES).is_not_null().any()).collect().row(0, named=True)
        extra = [*(SOFT if given["soft_index"] else ()), *([ALTERNATIVES] if given[ALTERNATIVES] else ())]
        return self.scan().select("id", "label", *extra).collect()


def cut(pool: Unlabeled, block: int) -> list[Block]:
    """The pool in consecutive blocks of `block` rows, the last one shorter."""
    if block < 1:
        raise ValueError(f"block = {block}: a block holds at least one row")
    starts = range(0, len(pool.rows), block)
    return [Block(index, pool.rows.slice(start, block)) for index, start in enumerate(starts)]


def parts_in(folder: Path) -> list[Path]:
    """The parts of a label table that are there, in the order of the blocks."""
    return sorted(folder.glob("part-*.parquet"))


def scan_parts(paths: list[Path]) -> pl.LazyFrame:
    """The rows of parts of a label table, lazily; columns that an older version did not write are null."""
    return pl.scan_parquet(paths, schema=SCHEMA, missing_columns="insert")


def part_path(folder: Path, index: int) -> Path:
    """Where the part of a block lies."""
    return folder / f"part-{index:05d}.parquet"


def label(
    labeler: Labeler,
    pool: Unlabeled,
    folder: Path,
    *,
    block: int,
    workers: int = 1,
    hands: Hands | None = None,
    shard: Shard = ALL,
    verify: bool = False,
    pace: Pace | None = None,
) -> Labels:
    """The pool's label table in `folder`; parts that are there already, made under the same lineage, are kept.

    `workers` processes, or those of `hands`, take blocks as they become free, and under torchrun each rank takes every
    world-th block; the table does not depend on who made it. `shard`: the share of the blocks that is made here; the
    table is finished when all shards are. Parts that are damaged are moved aside (`NAME.damaged`) and made again: those
    cut short are always noticed, others by their digest, which is looked at where parts are missing, or with `verify`.
    `pace` is told how fast it goes. Raises StoreError for a part of another labeler, pool or block size.
    """
    blocks, hands, pace = shard.take(cut(pool, block)), hands or Hands(workers), pace or Pace()
    lineage = {"labeler": labeler.fingerprint, "pool": pool.fingerprint, "block_size": str(block)}
    # every rank looks at all parts: none may go on with a table that another one refuses
    there = [piece for piece in blocks if part_path(folder, piece.index).exists()]
    thorough = verify or len(there) < len(blocks)
    faults = {piece.index: _fault(part_path(folder, piece.index), lineage, thorough) for piece in there}
    mine = blocks[rank() :: world()]
    missing = [piece for piece in mine if piece.index not in faults or faults[piece.index]]
    for piece in missing:
        if faults.get(piece.index):
            _clear_away(part_path(folder, piece.index))
    if verify and there and not any(faults.values()):
        log.info("label %s: all %d parts that are there are whole", pool.name, len(there))
    _label(labeler, missing, _Place(folder, pool.name, lineage), len(mine) - len(missing), hands, pace)
    labels = Labels(folder, -(-len(pool.rows) // block))
    paths = [part_path(folder, piece.index) for piece in blocks]
    wait_for(paths)
    wait_for((path for path, piece in zip(paths, blocks, strict=True) if faults.get(piece.index)), _is_mended)
    if not rank():
        sweep(folder)
    return labels


@dataclass(frozen=True)
class _Place:
    """Where the parts of a pool of this name belong, and what their metadata says."""

    folder: Path
    pool: str
    lineage: Mapping[str, str]


@dataclass(frozen=True)
class _Job:
    """One block to be labeled, and its place. master: the process that asked, on this machine."""

    labeler: Labeler
    block: Block
    place: _Place
    master: int | None

    @property
    def name(self) -> str:
        ids = self.block.rows["id"]
        return f"block {self.block.index} ({ids[0]} to {ids[-1]})"


def _label(
    labeler: Labeler,
    missing: Sequence[Block],
    place: _Place,
    done: int,
    hands: Hands,
    pace: Pace,
) -> None:
    """Have the missing blocks labeled, telling what it costs; `done` are there already."""
    if not missing:
        return
    title, left = f"label {place.pool}", sum(map(_size, missing))
    log.info("%s: %s", title, pace.forecast(left, len(missing), hands.workers))
    master = os.getpid() if hands.executor == "local" else None
    jobs = [_Job(labeler, piece, place, master) for piece in missing]
    tell = partial(describe_rate, terms=pace.terms)
    with Progress(title, done + len(jobs), "block", start=done, size=left, tell_pace=tell) as progress:
        for number, (size, seconds) in enumerate(carry_out(_make, jobs, hands), 1):
            pace.add(size, seconds)
            progress.advance(size=size)
            left -= size
            if number == 1 and len(jobs) > 1:
                log.info("%s: %s", title, pace.forecast(left, len(jobs) - 1, hands.workers))


def _size(block: Block) -> float:
    return float(block.rows["size"].cast(pl.Float64).sum())


def _make(job: _Job) -> tuple[float, float]:
    """Size of a block and the seconds that labeling it took: 0 where another process has made the part by now."""
    path, size = part_path(job.place.folder, job.block.index), _size(job.block)
    if path.exists() and not _fault(path, job.place.lineage, thorough=False):
        return size, 0.0
    began = time.monotonic()
    table = job.labeler(job.block)
    if table["id"].to_list() != job.block.rows["id"].to_list():
        raise StoreError(f"{job.name}: the labeler did not give one row for each example in the block's order")
    if job.master not in (None, os.getpid(), os.getppid()):
        return size, 0.0  # the run was killed and perhaps started again: leave its folder alone
    if job.master == os.getpid():
        refuse_orphaned(f"before it wrote block {job.block.index}")
    header = dict(job.place.lineage) | {"block": str(job.block.index), "version": __version__}
    write_part(path, table.match_to_schema(SCHEMA, missing_columns="insert"), header)
    return size, time.monotonic() - began


def _fault(path: Path, lineage: Mapping[str, str], thorough: bool) -> str | None:
    """What is wrong with the bytes of a part, or None. Raises StoreError for a whole one of another lineage."""
    found = look(path, thorough=thorough)
    for name, value in lineage.items() if not found.fault else ():
        if found.header.get(name) != value:
            raise StoreError(
                f"{path}: made with another {name} ({found.header.get(name)}, this run has {value}); "
                "use a new experiment folder, or move away these labels and all that was made after them"
            )
    return found.fault


def _clear_away(path: Path) -> None:
    """Move a damaged part aside, unless another process has done so, or mended it, since it was looked at."""
    if path.exists() and (why := look(path, thorough=True).fault):
        log.warning("WARNING: %s: damaged (%s); moved to %s and made again", path, why, set_aside(path).name)


def _is_mended(path: Path) -> bool:
    return path.exists() and not look(path, thorough=True).fault
