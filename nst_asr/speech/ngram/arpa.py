r"""ARPA files, plain or gzip: read strictly and in bulk, written whole or not at all.

    \data\
    ngram 1=4
    ...
    \1-grams:
    log10 P <tab> words with spaces between <tab> log10 of the back-off weight
    ...
    \end\

The back-off may be missing where no n-gram has the words as context (SRILM), and must be at the highest order.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
import polars as pl

from nst_asr.speech.ngram.model import BOS, EOS, Ngram, NgramError, Order, pieces, trimmed
from nst_asr.speech.ngram.text import opened
from nst_asr.store import written_aside

_BLOCK = 2**25  # bytes of a section held as columns at a time
_GZIP_LEVEL = 3  # n-grams hardly get smaller above it, and take three times as long
_COUNT = re.compile(r"ngram\s+(\d+)\s*=\s*(\d+)\s*")


class ArpaError(NgramError):
    """A file that is no ARPA; the message names the file, the line, its text and the way out."""


def read_arpa(path: Path) -> Ngram:
    """The model of an ARPA file. Raises ArpaError for whatever in it is not as it must be.

    That is: counts that do not match, an n-gram with too few or many words, that stands twice, has a word that is no
    unigram, or whose context is no n-gram; a log probability that is no number or above 0, a back-off that is no
    number, or missing where it is needed; an end that is missing.
    """
    file = _File(path, _bytes(path))
    names: list[str] = []
    orders: list[Order] = []
    for section in file.sections:
        table = _section(file, section)
        if section.order == 1:
            names = _names(file, section, table)
            here = _Read(np.zeros(len(table), np.int32), np.arange(len(table), dtype=np.int32), table)
        else:
            here = _higher(file, section, table, names, orders)
        if orders:
            _refuse_missing_backoff(file, here, orders[-1], file.sections[section.order - 2])
            orders[-1] = _without_gaps(orders[-1])
        orders.append(here.order(section.order == len(file.sections)))
    return trimmed(names, orders)


def is_arpa(path: Path) -> bool:
    r"""Whether a file begins as an ARPA file does: with \data\, after blank lines at most."""
    with opened(path) as stream:
        return stream.read(1000).lstrip().startswith(b"\\data\\")


def write_arpa(path: Path, model: Ngram) -> None:
    """Write a model as ARPA, gzip where the name ends in .gz; numbers with the digits of a 32-bit float."""
    names = pl.Series("name", model.names, dtype=pl.String)
    with _written(path) as out:
        counts = "".join(f"ngram {k}={len(order)}\n" for k, order in enumerate(model.orders, start=1))
        out.write(f"\\data\\\n{counts}".encode())
        for k, order in enumerate(model.orders, start=1):
            out.write(f"\n\\{k}-grams:\n".encode())
            for start, stop in pieces(len(order)):
                _lines(model, names, k, start, stop).write_csv(
                    out, separator="\t", include_header=False, quote_style="never"
                )
        out.write(b"\n\\end\\\n")


@dataclass(frozen=True)
class _Section:
    order: int
    rows: int  # as the head says
    start: int  # of its first n-gram, in bytes
    stop: int
    line: int  # of its first n-gram


class _File:
    """The bytes of a file, and where in them the sections lie."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path, self.data = path, data
        self.sections = self._sections(self._counts())

    def error(self, line: int | None, problem: str) -> ArpaError:
        place = "" if line is None else f", line {line}"
        text = "" if line is None else f": {_shown(self.data, line)!r}"
        return ArpaError(
            f"{self.path}{place}{text}: {problem}. The file is no sound ARPA model: fetch it again, or make it anew "
            "(nst-asr lm train)"
        )

    def _counts(self) -> list[int]:
        head = self.data.find(b"\\data\\")
        if head < 0 or self.data[:head].strip():
            raise self.error(1, "expected \\data\\, with which an ARPA file begins")
        line = self.line_at(head)
        end = self.data.find(b"\\1-grams:", head)
        lines = self.data[head : end if end >= 0 else len(self.data)].decode("utf-8", "replace").splitlines()[1:]
        counts: list[int] = []
        for number, text in enumerate(lines, start=line + 1):
            found = _COUNT.fullmatch(text.strip())
            if text.strip() and (not found or int(found[1]) != len(counts) + 1):
                raise self.error(number, f"expected `ngram {len(counts) + 1}=` and a number, or \\1-grams:")
            if found:
                counts.append(int(found[2]))
        if not counts:
            raise self.error(line, "no count of n-grams follows")
        return counts

    def _sections(self, counts: list[int]) -> list[_Section]:
        sections, heads = [], [f"\\{k}-grams:".encode() for k in range(1, len(counts) + 1)]
        place, line = 0, 1
        for k, (rows, head) in enumerate(zip(counts, heads, strict=True), start=1):
            start = self._after(head, place, k)
            following = heads[k] if k < len(heads) else b"\\end\\"
            stop = self._find(following, start - 1)
            if stop < 0:
                raise self.error(
                    self.line_at(len(self.data.rstrip())), f"the file ends before {following.decode()}: it is cut short"
                )
            line += self.data.count(b"\n", place, start)
            sections.append(_Section(k, rows, start, stop, line))
            place = start
        return sections

    def _after(self, head: bytes, place: int, order: int) -> int:
        """Where the line after a section's head begins."""
        found = self._find(head, place)
        if found < 0:
            raise self.error(self.line_at(len(self.data.rstrip())), f"there is no section \\{order}-grams:")
        end = self.data.find(b"\n", found)
        return len(self.data) if end < 0 else end + 1

    def _find(self, head: bytes, place: int) -> int:
        """Where a line that begins with `head` does; -1 for nowhere. A word may look like one."""
        found = self.data.find(b"\n" + head, max(place, 0))
        return -1 if found < 0 else found + 1

    def line_at(self, place: int) -> int:
        return self.data.count(b"\n", 0, place) + 1


@dataclass(frozen=True)
class _Read:
    """A section that was read, before what follows it says which back-offs are needed."""

    context: np.ndarray
    word: np.ndarray
    table: pl.DataFrame

    def order(self, highest: bool) -> Order:
        backoff = np.zeros(len(self.table)) if highest else self.table["backoff"].to_numpy()
        return Order(self.context, self.word, self.table["logprob"].to_numpy(), backoff)


def _bytes(path: Path) -> bytes:
    with opened(path) as stream:
        return stream.read()


def _section(file: _File, section: _Section) -> pl.DataFrame:
    """The n-grams of a section: line, logprob, backoff (NaN: not given), field_0 ... its words. Raises ArpaError."""
    parts, line = [], section.line
    for text in _blocks(file, section):
        lines = pl.Series("text", [text], dtype=pl.String).str.split("\n").explode().str.strip_chars_end("\r")
        numbers = pl.int_range(line, line + len(lines), dtype=pl.Int64, eager=True).alias("line")
        line += len(lines)
        parts.append(_columns(file, section, pl.DataFrame([lines, numbers]).filter(pl.col("text") != "")))
    table = pl.concat(parts)
    if len(table) != section.rows:
        raise file.error(
            _head_line(file, section.order),
            f"the section has {len(table)} {section.order}-grams, from line {section.line} on",
        )
    return table


def _blocks(file: _File, section: _Section) -> Iterator[str]:
    """The lines of a section in pieces, without the last line end."""
    start = section.start
    while True:
        stop = section.stop
        if stop - start > _BLOCK:
            stop = file.data.rfind(b"\n", start, start + _BLOCK) + 1 or stop
        raw = file.data[start : stop - 1 if stop > start else stop]
        try:
            yield raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise file.error(file.line_at(start + error.start), "not UTF-8 text") from None
        start = stop
        if start >= section.stop:
            return


def _columns(file: _File, section: _Section, lines: pl.DataFrame) -> pl.DataFrame:
    fields = pl.col("text").str.split_exact("\t", 3)
    table = lines.select("line", fields.alias("field")).unnest("field")
    table = table.select(
        "line",
        words=pl.col("field_1"),
        logprob=pl.col("field_0").cast(pl.Float64, strict=False).fill_null(np.nan),
        backoff=pl.when(pl.col("field_2").is_null())
        .then(np.nan)
        .otherwise(pl.col("field_2").cast(pl.Float64, strict=False).fill_null(np.inf)),
        more=pl.col("field_3").is_not_null(),
    )
    k = section.order
    shape = f"expected a log probability, a tab, {k} word{'s' * (k > 1)} with a space between, a tab and a back-off"
    _refuse(file, table, pl.col("words").is_null() | pl.col("more"), shape)
    _refuse(file, table, ~pl.col("logprob").is_finite(), "the log probability is no number")
    _refuse(file, table, pl.col("logprob") > 0, "a log probability is at most 0")
    _refuse(file, table, pl.col("backoff").is_infinite(), "the back-off is no number")
    if k == len(file.sections):
        has_one = ~pl.col("backoff").is_nan() & (pl.col("backoff") != 0)
        _refuse(file, table, has_one, "n-grams of the highest order have no back-off")
    words = table["words"].str.split_exact(" ", k).struct.unnest()
    present = [f"field_{place}" for place in range(k)]
    whole = pl.all_horizontal(pl.col(name).fill_null("") != "" for name in present) & pl.col(f"field_{k}").is_null()
    table = table.drop("more", "words").with_columns(words.select(*present, whole=whole))
    _refuse(file, table, ~pl.col("whole"), shape)
    return table.drop("whole")


def _refuse(file: _File, table: pl.DataFrame, wrong: pl.Expr, problem: str) -> None:
    bad = table.filter(wrong)
    if len(bad):
        raise file.error(bad["line"][0], problem)


def _names(file: _File, section: _Section, table: pl.DataFrame) -> list[str]:
    _refuse(file, table, ~pl.col("field_0").is_first_distinct(), "this word stands in the section twice")
    names: list[str] = table["field_0"].to_list()
    for special in (BOS, EOS):
        if special not in names:
            raise file.error(section.line, f"the section, which begins here, has no {special}")
    return names


def _higher(file: _File, section: _Section, table: pl.DataFrame, names: list[str], orders: list[Order]) -> _Read:
    """The n-grams of an order above the first, sorted by context and word, with the numbers of both."""
    kind = pl.Enum(names)
    spelt = table.select(pl.selectors.starts_with("field_"))
    words = spelt.select(pl.all().cast(kind, strict=False).to_physical().cast(pl.Int32).fill_null(-1))
    table = table.drop(spelt.columns)
    model = Ngram(tuple(names), tuple(orders))
    context = words.to_series(0).to_numpy()
    _refuse_lines(file, table, context < 0, "its first word is none of the 1-grams")
    for k in range(1, section.order):
        word = words.to_series(k).to_numpy()
        _refuse_lines(file, table, word < 0, f"its word {k + 1} is none of the 1-grams")
        if k < section.order - 1:
            context = model.rows(k + 1, context, word)
            _refuse_lines(file, table, context < 0, f"its first {k + 1} words are none of the {k + 1}-grams")
    keys = context.astype(np.int64) * len(names) + word
    sort = np.argsort(keys, kind="stable")
    twice = np.concatenate(([False], keys[sort][1:] == keys[sort][:-1]))
    if twice.any():
        raise file.error(table["line"][int(sort[twice.argmax()])], "this n-gram stands in the section twice")
    return _Read(context[sort].astype(np.int32), word[sort].astype(np.int32), table[sort])


def _refuse_lines(file: _File, table: pl.DataFrame, wrong: np.ndarray, problem: str) -> None:
    if wrong.any():
        raise file.error(table["line"][int(wrong.argmax())], problem)


def _refuse_missing_backoff(file: _File, above: _Read, order: Order, section: _Section) -> None:
    """Raise ArpaError where an n-gram's context has no back-off: what is not predicted after it has no probability."""
    missing = np.isnan(order.backoff[above.context])
    if missing.any():
        row = above.table["line"][int(missing.argmax())]
        raise file.error(row, f"its first {section.order} words have no back-off in \\{section.order}-grams:")


def _without_gaps(order: Order) -> Order:
    return Order(order.context, order.word, order.logprob, np.nan_to_num(order.backoff, nan=0.0))


def _head_line(file: _File, order: int) -> int | None:
    """The line that says how many n-grams of an order there are."""
    head = file.data[: file.sections[0].start].decode("utf-8", "replace").splitlines()
    return next(n for n, text in enumerate(head, 1) if (m := _COUNT.fullmatch(text.strip())) and int(m[1]) == order)


def _shown(data: bytes, line: int) -> str:
    """The text of a line, shortened."""
    start = 0
    for _ in range(line - 1):
        start = data.find(b"\n", start) + 1
    end = data.find(b"\n", start)
    return data[start : min(end if end >= 0 else len(data), start + 100)].decode("utf-8", "replace").rstrip("\r")


def _lines(model: Ngram, names: pl.Series, k: int, start: int, stop: int) -> pl.DataFrame:
    order = model.orders[k - 1]
    words = model.words(k, np.arange(start, stop))
    text = pl.select(pl.concat_str([names.gather(column) for column in words.T], separator=" ")).to_series()
    columns = {"logprob": _digits(order.logprob[start:stop]), "words": text}
    if k < len(model.orders):
        columns["backoff"] = _digits(order.backoff[start:stop])
    return pl.DataFrame(columns)


def _digits(values: np.ndarray) -> pl.Series:
    """Numbers as the shortest text that gives the same 32-bit float; 0 without a sign."""
    return pl.Series(values.astype(np.float32) + np.float32(0)).cast(pl.String)


@contextmanager
def _written(path: Path) -> Iterator[IO[bytes]]:
    with written_aside(path) as part, part.open("wb") as file:
        if path.suffix != ".gz":
            yield file
            return
        # no name and no time in the file: the same model gives the same bytes
        with gzip.GzipFile(filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=file, mtime=0) as packed:
            yield cast(IO[bytes], packed)
