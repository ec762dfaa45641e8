"""Text as integers in bulk: one sentence a line, plain or gzip, read in pieces.

T words, S sentences. A blank line is no sentence. Words are what stands between white space.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import polars as pl

from nst_asr.speech.ngram.model import BOS, EOS, UNK, NgramError
from nst_asr.speech.tokenizer import Tokenizer, TokenizerError

_PIECE = 2**24  # bytes of text held as words at a time
_SPACE = "\u2581"
_MOST_LEFT_OUT = 0.01  # share of the sentences that a tokenizer may fail to write


@dataclass(frozen=True)
class Words:
    """A text: its sentences one after another, each word a number."""

    codes: np.ndarray  # (T,) int32
    lengths: np.ndarray  # (S,) int64, words in each sentence, at least 1
    names: tuple[str, ...]  # of the words by number: each distinct one once, sorted

    def numbered(self, numbers: dict[str, int], unknown: int) -> np.ndarray:
        """The words (T,) int32 in another vocabulary's numbers."""
        table = np.fromiter((numbers.get(name, unknown) for name in self.names), np.int32, len(self.names))
        return np.asarray(table[self.codes])


def read_words(paths: Iterable[Path]) -> Words:
    """The words of text files, in order. Raises NgramError naming file and line for what is no text.

    The words <s>, </s> and <unk> are refused: they are a model's own.
    """
    known: dict[str, int] = {}
    parts = [_coded(*piece, path, known) for path in paths for piece in _texts(path)]
    codes = np.concatenate([np.empty(0, np.int32), *(codes for codes, _ in parts)])
    lengths = np.concatenate([np.empty(0, np.int64), *(lengths for _, lengths in parts)])
    return _sorted(codes, lengths, list(known))


def coded(sentences: Sequence[str]) -> Words:
    """Sentences in memory as numbers; one without a word keeps its place, with a length of 0."""
    known: dict[str, int] = {}
    words = pl.Series("text", sentences, dtype=pl.String).fill_null("").str.extract_all(r"\S+")
    return _sorted(_numbers(words, known), words.list.len().to_numpy().astype(np.int64), list(known))


def spelt(words: Words, tokenizer: Tokenizer) -> tuple[Words, int]:
    """The text in a tokenizer's units, and how many sentences were left out, since it cannot write them.

    A unit never crosses a word's end, so each distinct word is cut into units once. Raises TokenizerError where more
    than 1 % of the sentences cannot be written, naming the words.
    """
    units: list[Sequence[int]] = [_units(name, tokenizer) for name in words.names]
    bad = np.array([not unit for unit in units], bool)[words.codes]
    sentence = np.repeat(np.arange(len(words.lengths)), words.lengths)
    left_out = np.unique(sentence[bad])
    _refuse_many(left_out, words, [name for name, unit in zip(words.names, units, strict=True) if not unit])
    kept = ~np.isin(sentence, left_out)
    codes, sentence = words.codes[kept], sentence[kept]
    lead = _space(tokenizer)
    flat = np.array([unit for each in units for unit in (*lead, *each)], np.int32)
    size = np.array([len(lead) + len(each) for each in units], np.int64)
    first = np.concatenate(([0], np.cumsum(size)))[codes]
    count = size[codes]
    if lead:  # no space before the first word of a sentence
        starts = np.concatenate(([True], sentence[1:] != sentence[:-1]))[: len(sentence)]
        first, count = first + starts, count - starts
    ends = np.cumsum(count)
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - count, count)
    lengths = np.bincount(sentence, weights=count, minlength=len(words.lengths)).astype(np.int64)
    return Words(flat[np.repeat(first, count) + within], lengths[lengths > 0], tokenizer.names), len(left_out)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file's bytes, unpacked where it is gzip whatever its name. Raises NgramError for a damaged one."""
    if not path.is_file():
        raise NgramError(f"{path}: no such file")
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if packed else path.open("rb") as stream:
            yield cast(BinaryIO, stream)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise NgramError(f"{path}: damaged or cut short ({error}); fetch or make it again") from None


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """Number of the first line and text of successive pieces of a file, of whole lines."""
    line, rest = 1, b""
    with opened(path) as file:
        while True:
            block = file.read(_PIECE)
            raw, newline, after = (rest + block).rpartition(b"\n") if block else (rest, b"", b"")
            rest = after
            text = _decoded(path, line, raw.removeprefix(b"\xef\xbb\xbf") if line == 1 else raw)
            yield line, text
            line += text.count("\n") + len(newline)
            if not block:
                return


def _decoded(path: Path, line: int, raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        at = line + raw.count(b"\n", 0, error.start)
        raise NgramError(
            f"{path}, line {at}: not UTF-8 text ({error.reason}); convert the file: iconv -t UTF-8"
        ) from None


def _coded(line: int, text: str, path: Path, known: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    lines = pl.Series("text", [text], dtype=pl.String).str.split("\n").explode()
    for special in (BOS, EOS, UNK):
        if special in text and (there := lines.str.contains(rf"(?:^|\s){special}(?:\s|$)")).any():
            at = int(there.arg_max() or 0)
            raise NgramError(
                f"{path}, line {line + at}: the word {special} in {lines[at]!r} is a model's own; "
                "take it out: sentences are marked by their lines alone"
            )
    words = lines.str.extract_all(r"\S+")
    lengths = words.list.len().to_numpy().astype(np.int64)
    return _numbers(words, known), lengths[lengths > 0]


def _numbers(words: pl.Series, known: dict[str, int]) -> np.ndarray:
    """The words of lists as numbers in `known`, to which new ones are added."""
    flat = words.filter(words.list.len() > 0).explode()
    if not len(flat):
        return np.empty(0, np.int32)
    # a category's number stands for the word: of these only the distinct ones are looked up one by one
    codes = flat.cast(pl.Categorical).to_physical().to_numpy()
    first = np.full(int(codes.max()) + 1, -1, np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    present = np.flatnonzero(first >= 0)
    table = np.zeros(len(first), np.int32)
    table[present] = [known.setdefault(name, len(known)) for name in flat.gather(first[present]).to_list()]
    return np.asarray(table[codes])


def _sorted(codes: np.ndarray, lengths: np.ndarray, names: list[str]) -> Words:
    """Numbers that follow the words' spelling, so that they do not depend on where a word stood first."""
    order = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(names), np.int32)
    rank[order] = np.arange(len(names), dtype=np.int32)
    return Words(rank[codes], lengths, tuple(names[place] for place in order))


def _units(word: str, tokenizer: Tokenizer) -> Sequence[int]:
    """A word's units; none where it cannot be written."""
    try:
        return tokenizer.encode(word)
    except TokenizerError:
        return ()


def _space(tokenizer: Tokenizer) -> tuple[int, ...]:
    """The unit that stands between words: that of characters is one of its own, others carry it within."""
    if tokenizer.kind != "char":
        return ()
    if _SPACE not in tokenizer.names:
        raise TokenizerError("the tokenizer has no unit for a space: its texts were single words, take another one")
    return (tokenizer.names.index(_SPACE),)


def _refuse_many(left_out: np.ndarray, words: Words, strange: list[str]) -> None:
    if len(left_out) > _MOST_LEFT_OUT * len(words.lengths):
        raise TokenizerError(
            f"{len(left_out)} of {len(words.lengths)} sentences have words that the tokenizer cannot write, such as "
            f"{', '.join(map(repr, strange[:5]))}; normalise the text (letters, case) as the transcripts were"
        )
