"""NIST's STM: a segment a line, `file channel speaker begin end [<label,...>] words`."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from nst_asr.scoring.text_lines import COMMENT, collected, refuse, scan_lines
from nst_asr.scoring.texts import Texts, counted

_FIELDS = (
    r"^(?P<file>\S+)\s+(?P<channel>\S+)\s+(?P<speaker>\S+)\s+(?P<begin>\S+)\s+(?P<end>\S+)"
    r"(?:\s+(?P<labels><[^<>\s]*>))?(?:\s+(?P<text>.*))?$"
)
IGNORED = "ignore_time_segment_in_scoring"


def read_stm(path: Path) -> Texts:
    """The segments of an STM file that are scored, and in `segments` all of them; seconds are end - begin.

    The id of a segment is FILE_CHANNEL_SPEAKER_BEGIN_END, times as written. Segments whose text is
    IGNORE_TIME_SEGMENT_IN_SCORING are left out, with the words of a CTM that fall into them, and counted in the notes.
    Raises ScoringError naming the line that has too few fields, or no times; ManifestError.
    """
    scanned = scan_lines(path, COMMENT).with_columns(fields=pl.col("text").str.extract_groups(_FIELDS))
    lines = collected(scanned.rename({"text": "whole"}).unnest("fields"), path)
    begin, end = (pl.col(name).cast(pl.Float64, strict=False) for name in ("begin", "end"))
    timed = lines.with_columns(from_second=begin, to_second=end)
    finite = pl.col("from_second").is_finite() & pl.col("to_second").is_finite()
    untimed = timed.filter(~finite.fill_null(False))
    whole = untimed.with_columns(text="whole")
    refuse(path, whole, "not `file channel speaker begin end [<labels>] words`, times in seconds")
    backward = timed.filter(pl.col("from_second") > pl.col("to_second")).with_columns(text="whole")
    refuse(path, backward, "the segment ends before it begins")
    segments = timed.select(
        "line",
        pl.concat_str("file", "channel", "speaker", "begin", "end", separator="_").alias("id"),
        pl.col("text").fill_null("").str.strip_chars(),
        "speaker",
        (pl.col("to_second") - pl.col("from_second")).alias("seconds"),
        "file",
        "channel",
        pl.col("from_second").alias("begin"),
        pl.col("to_second").alias("end"),
        pl.col("labels").fill_null(""),
        (pl.col("text").fill_null("").str.strip_chars().str.to_lowercase() == IGNORED).alias("ignored"),
    )
    return Texts(path, "stm", segments.filter(~pl.col("ignored")).drop("ignored"), _notes(segments), segments)


def _notes(segments: pl.DataFrame) -> tuple[str, ...]:
    left_out = segments.filter("ignored")
    notes = []
    if len(left_out):
        notes.append(
            f"{counted(len(left_out), 'segment')} ({left_out['seconds'].sum():.1f} s) marked "
            "IGNORE_TIME_SEGMENT_IN_SCORING, left out with the words in them"
        )
    places = segments.sort("file", "channel", "begin", "end")
    before = pl.col("end").shift(1).over("file", "channel")
    overlapping = places.filter(pl.col("begin") < before)
    if len(overlapping):
        notes.append(
            f"overlapping segments ({len(overlapping)}) in a file and channel: a word of a CTM goes to the one that "
            "ends first"
        )
    return tuple(notes)
