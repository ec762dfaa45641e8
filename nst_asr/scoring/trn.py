"""sclite's `trn`: the words of an utterance, then its id in parentheses."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from nst_asr.scoring.text_lines import COMMENT, collected, refuse, scan_lines
from nst_asr.scoring.texts import Texts

_TEXT_AND_ID = r"^(?P<text>.*)\(\s*(?P<id>[^()\s]+)\s*\)$"
SPEAKER = r"^([^-_]+)[-_]"  # of an id, as sclite has it with `-i rm`: what stands before the first - or _


def read_trn(path: Path) -> Texts:
    """The texts of a trn file, with the speaker that an id such as spk1-utt7 or spk1_utt7 names, as sclite finds it.

    Raises ScoringError naming the line that does not end in an id, ManifestError.
    """
    parts = pl.col("text").str.extract_groups(_TEXT_AND_ID).struct
    rows = collected(
        scan_lines(path, COMMENT).select(
            "line",
            id=parts.field("id"),
            text=pl.when(parts.field("id").is_null()).then(pl.col("text")).otherwise(parts.field("text")),
        ),
        path,
    )
    refuse(path, rows.filter(pl.col("id").is_null()), "no (id) at the end of the line, which a trn file has")
    rows = rows.with_columns(pl.col("text").str.strip_chars(), speaker=pl.col("id").str.extract(SPEAKER))
    return Texts(path, "trn", rows if rows["speaker"].null_count() == 0 else rows.drop("speaker"))
