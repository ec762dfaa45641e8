"""References with alternatives, `{ going to / gonna / @ }`: of all readings the one closest to a hypothesis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, product

import polars as pl

from nst_asr.align import Costs, align_counts, cost
from nst_asr.scoring.texts import ScoringError, Texts, counted

_MOST = 1000  # readings of one reference
_NOTHING = "@"  # an alternative without words


def with_alternatives(texts: Texts) -> Texts:
    """References of a trn or STM file with `alternatives`, all their readings; `text` is the first of these.

    Alternatives stand between { and }, parted by /, with or without blanks; @ is one without words, and alternatives
    may hold others. Raises ScoringError naming the line of one that does not close, or of more than
    1,000 readings.
    """
    found = texts.rows.filter(pl.col("text").str.contains(r"[{}]"))
    if texts.format not in ("trn", "stm") or found.is_empty():
        return texts
    readings = [_readings(texts, *row) for row in found.select("line", "text").iter_rows()]
    known = pl.DataFrame({"id": found["id"], "alternatives": pl.Series(readings, dtype=pl.List(pl.String))})
    rows = texts.rows.join(known, on="id", how="left", maintain_order="left")
    rows = rows.with_columns(pl.coalesce(pl.col("alternatives").list.first(), "text").alias("text"))
    note = (
        f"{counted(len(found), 'reference')} with alternatives: each hypothesis is scored against the closest reading"
    )
    return replace(texts, rows=rows, notes=(*texts.notes, note))


def refuse_alternatives(texts: Texts) -> None:
    """Raise ScoringError naming the line of a hypothesis with alternatives: a system gives one text."""
    found = texts.rows.filter(pl.col("text").str.contains(r"\{[^{}]*/[^{}]*\}"))
    if texts.format in ("trn", "stm") and len(found):
        raise ScoringError(
            f"{texts.path}, line {found['line'][0]}: alternatives in a hypothesis ({found['id'][0]}); choose one, a "
            "system gives one text"
        )


def closest(pairs: pl.DataFrame, costs: Costs) -> pl.Series:
    """The reference of each pair (`label`, `heard`, `alternatives`): the reading that costs least, the first of equals.

    The costs are those of the alignment: errors, or 4 for a substitution and 3 for a deletion or insertion.
    """
    rows = pairs.with_row_index("row").filter(pl.col("alternatives").is_not_null())
    each = rows.select("row", "heard", reading="alternatives").explode("reading")
    counts = align_counts(each["reading"], each["heard"], costs=costs)
    best = each.with_columns(cost=pl.Series(cost(counts, costs))).sort("row", "cost", maintain_order=True)
    best = best.group_by("row", maintain_order=True).first()
    return pairs["label"].scatter(best["row"], best["reading"])


def _readings(texts: Texts, line: int, text: str) -> list[str]:
    where = f"{texts.path}, line {line}"
    words = _tokens(text)
    found = list(islice(_sequence(words, where, inside=False), _MOST + 1))
    if len(found) > _MOST:
        raise ScoringError(f"{where}: alternatives with more than {_MOST} readings; part the utterance")
    return list(dict.fromkeys(" ".join(reading.split()) for reading, _ in found))


def _tokens(text: str) -> Iterator[str]:
    """Words and braces, and within braces the / between alternatives; elsewhere a / is part of a word."""
    depth = 0
    for token in re.findall(r"[{}]|[^\s{}]+", text):
        depth += {"{": 1, "}": -1}.get(token, 0)
        yield from re.findall(r"/|[^/]+", token) if depth > 0 else [token]


def _sequence(words: Iterator[str], where: str, *, inside: bool) -> Iterator[tuple[str, str]]:
    """The readings of words up to the end, or inside braces up to / or }; with what ended them."""
    parts: list[list[str]] = []
    end = ""
    for word in words:
        if word == "{":
            parts.append(_choices(words, where))
        elif inside and word in ("/", "}"):
            end = word
            break
        elif word == "}":
            raise ScoringError(f"{where}: a }} without its {{ before it")
        else:
            parts.append([word])
    if inside and not end:
        raise ScoringError(f"{where}: a {{ without its }} after it")
    for chosen in product(*parts):
        yield " ".join(word for word in chosen if word != _NOTHING), end


def _choices(words: Iterator[str], where: str) -> list[str]:
    """All readings of what stands in braces, of which the first has been read."""
    found: list[str] = []
    end = "/"
    while end == "/":
        some = list(islice(_sequence(words, where, inside=True), _MOST + 1))
        found += [reading for reading, _ in some]
        end = some[0][1]
    return found
