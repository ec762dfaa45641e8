"""The label table: what a labeler heard in the pool, written block by block as Parquet parts.

The pool is cut once into fixed blocks. One block gives one part, row for row in the block's order, so laying labels
over the pool is a zip. Whoever makes a part, the part is the same; none says who made it.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from nst_asr import __version__
from nst_asr.corpus import Block, Unlabeled
from nst_asr.progress import Progress
from nst_asr.ranks import rank, refuse_orphaned, wait_for, world
from nst_asr.store import StoreError, read_header, write_table
from nst_asr.task import Labeler

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
    "soft_index": pl.List(pl.Int32()),  # units of the k largest shares of a soft label (images); null for speech
    "soft_prob": pl.List(pl.Float16()),  # their shares, which sum to 1
}
SOFT = ("soft_index", "soft_prob")


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
        return pl.scan_parquet(self.paths())

    def targets(self) -> pl.DataFrame:
        """What a student learns from, in the pool's order: id, label and, where the labeler gave some, soft labels."""
        soft = self.scan().select(pl.col("soft_index").is_not_null().any()).collect().item()
        return self.scan().select("id", "label", *(SOFT if soft else ())).collect()


def cut(pool: Unlabeled, block: int) -> list[Block]:
    """The pool in consecutive blocks of `block` rows, the last one shorter."""
    if block < 1:
        raise ValueError(f"block = {block}: a block holds at least one row")
    starts = range(0, len(pool.rows), block)
    return [Block(index, pool.rows.slice(start, block)) for index, start in enumerate(starts)]


def part_path(folder: Path, index: int) -> Path:
    """Where the part of a block lies."""
    return folder / f"part-{index:05d}.parquet"


def label(labeler: Labeler, pool: Unlabeled, folder: Path, *, block: int, workers: int = 1) -> Labels:
    """The pool's label table in `folder`; parts that are there already, made under the same lineage, are kept.

    `workers` processes take blocks as they become free, and under torchrun each rank takes every world-th block; the
    table does not depend on who made it. Raises StoreError for a part of another labeler, pool or block size.
    """
    blocks = cut(pool, block)
    lineage = {"labeler": labeler.fingerprint, "pool": pool.fingerprint, "block_size": str(block)}
    # every rank looks at all parts: none may go on with a table that another one refuses
    made = {piece.index for piece in blocks if _is_made(part_path(folder, piece.index), lineage)}
    mine = blocks[rank() :: world()]
    missing = [piece for piece in mine if piece.index not in made]
    with Progress(f"label {pool.name}", len(mine), "block", start=len(mine) - len(missing)) as progress:
        for _ in _made(labeler, missing, folder, lineage, workers):
            progress.advance()
    labels = Labels(folder, len(blocks))
    wait_for(labels.paths())
    return labels


def _made(
    labeler: Labeler, blocks: Sequence[Block], folder: Path, lineage: dict[str, str], workers: int
) -> Iterator[None]:
    jobs = [(labeler, piece, folder, lineage, os.getpid()) for piece in blocks]
    if workers <= 1 or len(jobs) <= 1:
        yield from map(_make, jobs)
        return
    # spawn: a forked child of a process that has run torch can hang in its thread pool
    with multiprocessing.get_context("spawn").Pool(min(workers, len(jobs))) as pool:
        yield from pool.imap_unordered(_make, jobs)


def _make(job: tuple[Labeler, Block, Path, dict[str, str], int]) -> None:
    labeler, block, folder, lineage, master = job
    table = labeler(block)
    if table["id"].to_list() != block.rows["id"].to_list():
        raise StoreError(f"block {block.index}: the labeler did not give one row for each example in the block's order")
    if master not in (os.getpid(), os.getppid()):
        return  # the run was killed and perhaps started again: leave its folder alone
    if master == os.getpid():
        refuse_orphaned(f"before it wrote block {block.index}")
    header = lineage | {"block": str(block.index), "version": __version__}
    write_table(part_path(folder, block.index), table.match_to_schema(SCHEMA), header)


def _is_made(path: Path, lineage: dict[str, str]) -> bool:
    if not path.exists():
        return False
    header = read_header(path)
    for name, value in lineage.items():
        if header.get(name) != value:
            raise StoreError(
                f"{path}: made with another {name} ({header.get(name)}, this run has {value}); "
                "use a new experiment folder, or move away these labels and all that was made after them"
            )
    return True
