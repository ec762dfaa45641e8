"""Kaldi's `text`: an id and its words a line; an id alone is an empty text."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from nst_asr.scoring.text_lines import collected, scan_lines
from nst_asr.scoring.texts import Texts

ID_AND_REST = r"^(?P<id>\S+)\s*(?P<text>.*)$"


def read_kaldi(path: Path) -> Texts:
    """The texts of a Kaldi `text` file. Raises ScoringError, ManifestError."""
    parts = scan_lines(path).select("line", parts=pl.col("text").str.extract_groups(ID_AND_REST))
    return Texts(path, "kaldi", collected(parts.unnest("parts"), path))
