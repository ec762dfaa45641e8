"""NIST's CTM: a word a line, `file channel begin duration word [confidence]`, made into texts."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from nst_asr.scoring.text_lines import COMMENT, collected, refuse, scan_lines
from nst_asr.scoring.texts import ScoringError, Texts, counted

_FIELDS = (
    r"^(?P<file>\S+)\s+(?P<channel>\S+)\s+(?P<begin>\S+)\s+(?P<duration>\S+)\s+(?P<word>\S+)"
    r"(?:\s+(?P<confidence>\S+))?(?:\s.*)?$"
)
_PLACE = ["file", "channel"]


def read_ctm(path: Path, segments: pl.DataFrame | None = None) -> Texts:
    """The texts of a CTM file: those of the segments of an STM, or without these one a file (and channel).

    A word goes to the first segment of its file and channel that ends after the word's middle, begin + duration / 2; a
    word after the last segment goes to that one. So does sclite, which gives words between segments to the next. A
    segment without words has an empty text, where there are words of its file and channel at all. Words of a file that
    has no segment are an utterance by themselves. Without segments an utterance's id is the file (Kaldi writes the id
    there), or FILE_CHANNEL where some file has several channels. `confidence` is the mean of the words'.

    Raises ScoringError naming the line that is no word with times, or has alternatives; ManifestError.
    """
    words, notes = _words(path)
    if segments is None:
        several = words.group_by("file").agg(pl.col("channel").n_unique())["channel"].max() != 1
        name = pl.concat_str("file", "channel", separator="_") if several else pl.col("file")
        texts = _joined(words.with_columns(id=name))
        return Texts(path, "ctm", texts, notes)
    placed = _placed(words, segments)
    spoken = segments.join(words.select(_PLACE).unique(), on=_PLACE, how="semi").filter(~pl.col("ignored"))
    texts = spoken.select("id").join(_joined(placed), on="id", how="full", coalesce=True, maintain_order="left")
    return Texts(path, "ctm", texts.with_columns(pl.col("text").fill_null("")), notes)


def _words(path: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    scanned = scan_lines(path, COMMENT).with_columns(fields=pl.col("text").str.extract_groups(_FIELDS)).unnest("fields")
    numbers = [pl.col(name).cast(pl.Float64, strict=False).alias(name) for name in ("begin", "duration")]
    confidence = pl.col("confidence").cast(pl.Float64, strict=False)
    words = collected(scanned.with_columns(confidence.alias("sure"), *numbers), path)
    choices = words.filter(pl.col("word").str.to_uppercase().str.contains(r"^<ALT(_BEGIN|_END)?>$"))
    refuse(path, choices, "alternatives in a hypothesis; choose one, a system gives one text")
    times = pl.col("begin").is_finite() & pl.col("duration").is_finite() & (pl.col("duration") >= 0)
    bad = words.filter(~times.fill_null(False))
    refuse(path, bad, "not `file channel begin duration word [confidence]`, times in seconds")
    vague = words.filter(pl.col("confidence").is_not_null() & (pl.col("confidence") != "NA") & pl.col("sure").is_null())
    refuse(path, vague, "a confidence that is no number")
    if words.is_empty():
        raise ScoringError(f"{path}: no word in it")
    known = words["sure"].null_count() == 0
    words = words.select("line", *_PLACE, "begin", "duration", "word", *([pl.col("sure")] if known else []))
    early = words.filter(pl.col("begin") < pl.col("begin").shift(1).over(_PLACE))
    notes = (f"not in the order of time ({counted(len(early), 'word')}): sorted",) if len(early) else ()
    return words.sort("begin", maintain_order=True) if notes else words, notes


def _placed(words: pl.DataFrame, segments: pl.DataFrame) -> pl.DataFrame:
    """The words with the id of their segment, without those of segments that are ignored."""
    ends = segments.select(*_PLACE, "end", "id", "ignored").sort("end", maintain_order=True)
    last = ends.group_by(_PLACE, maintain_order=True).last().select(*_PLACE, last="id", last_ignored="ignored")
    middle = pl.col("begin") + pl.col("duration") / 2
    # a word within a longer one cannot go to a segment before that of the longer one, which begins before it
    middles = words.with_columns(middle=middle.cum_max().over(_PLACE)).sort("middle", maintain_order=True)
    found = middles.join_asof(
        ends,
        left_on="middle",
        right_on="end",
        by=_PLACE,
        strategy="forward",
        allow_exact_matches=False,
        check_sortedness=False,
    ).join(last, on=_PLACE, how="left", maintain_order="left")
    found = found.with_columns(
        id=pl.coalesce("id", "last", pl.concat_str(*_PLACE, separator="_")),
        ignored=pl.coalesce("ignored", "last_ignored", pl.lit(False)),
    )
    return found.filter(~pl.col("ignored")).sort("begin", maintain_order=True)


def _joined(words: pl.DataFrame) -> pl.DataFrame:
    known = {"confidence": pl.col("sure").mean()} if "sure" in words.columns else {}
    return words.group_by("id", maintain_order=True).agg(
        line=pl.col("line").min(), text=pl.col("word").str.join(" "), **known
    )
