"""What a scoring found, as tables to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import PurePath
from textwrap import wrap
from typing import Any

from rich.cells import cell_len, set_cell_size

from nst_asr.bootstrap import RESAMPLES
from nst_asr.percent import bounds
from nst_asr.score import KINDS
from nst_asr.scoring.texts import counted

Numbers = Mapping[str, Any]

_WIDTH = 96
_MOST_GROUPS = 20
_COSTS = {
    "unit": "1 for a substitution, a deletion, an insertion",
    "sclite": "sclite's: 4 for a substitution, 3 for a deletion or an insertion",
}


def describe(numbers: Numbers) -> str:
    """All of it, in the order in which it is wanted: what was scored, how, the rates, their parts, comparisons."""
    names = short_names(list(numbers["hypotheses"]))
    parts = [
        "\n".join(_head(numbers, names)),
        _rates(numbers["hypotheses"], names),
        *_groups(numbers["hypotheses"], names),
        *_confusions(numbers["hypotheses"], names),
        *_conclusions(numbers, names),
    ]
    return "\n\n".join(part for part in parts if part)


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Names of files without their folders, where these can be told apart."""
    short = [PurePath(name).name for name in names]
    return dict(zip(names, short if len(set(short)) == len(names) else names, strict=True))


def _head(numbers: Numbers, names: Mapping[str, str]) -> Iterator[str]:
    reference = numbers["reference"]
    facts = [counted(reference["utterances"], "utterance")]
    if reference["speakers"]:
        facts.append(counted(reference["speakers"], "speaker"))
    if reference["hours"]:
        hours = reference["hours"]
        facts.append(f"{hours:.2f} hours" if hours > 0.1 else f"{3600 * hours:.1f} s")
    yield from _said("reference", f"{reference['path']}: {_about(reference)}; {', '.join(facts)}")
    for name, one in numbers["hypotheses"].items():
        yield from _said("hypothesis", f"{name}: {_about(one)}")
    for step in numbers["normalisation"]:
        yield from _said("normalised", _step(step, names))
    yield from _said("costs", _COSTS[numbers["costs"]])
    for note in reference["notes"]:
        yield from _said("note", f"{reference['path']}: {note}")
    for name, one in numbers["hypotheses"].items():
        for note in one["notes"]:
            yield from _said("note", f"{name}: {note}")
    warned = dict.fromkeys(line for one in numbers["hypotheses"].values() for line in one["warnings"])
    for line in warned:
        yield from _said("WARNING", line)


def _about(one: Numbers) -> str:
    return f"{one['about']}, as its content looks" if one["guessed"] else str(one["about"])


def _step(step: Numbers, names: Mapping[str, str]) -> str:
    if step["name"] == "none":
        return f"none: {step['about']}"
    changed = ", ".join(f"{count:,} of {names[name]}" for name, count in step["changed_hypotheses"].items())
    return f"{step['name']}: {step['about']}; changed {step['changed_references']:,} references, {changed}"


def _said(title: str, text: str) -> list[str]:
    return wrap(
        text,
        _WIDTH,
        initial_indent=f"{title:<12}",
        subsequent_indent=" " * 12,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _rates(hypotheses: Mapping[str, Numbers], names: Mapping[str, str]) -> str:
    rows = [["", "WER", "95 % interval", "Corr", "Sub", "Del", "Ins", "CER", "S.Err"]]
    for name, one in hypotheses.items():
        score = one["score"]
        shares = [score[kind] / max(score["words"], 1) for kind in ("correct", *KINDS)]
        rows.append(
            [
                names[name],
                _percent(score["rate"]),
                bounds(score["low"], score["high"], 2),
                *map(_percent, (*shares, score["characters"]["rate"], score["sentence_rate"])),
            ]
        )
    first = next(iter(hypotheses.values()))["score"]
    legend = (
        f"in %; of {first['words']:,} words, {first['characters']['characters']:,} characters, "
        f"{counted(first['sentences'], 'sentence')}; interval: bootstrap over {first['interval_over']}s"
    )
    return f"{_grid(rows)}\n{legend}"


def _groups(hypotheses: Mapping[str, Numbers], names: Mapping[str, str]) -> Iterator[str]:
    """A table a column: all rates of one hypothesis, or the word error rates of several side by side."""
    first = next(iter(hypotheses.values()))["by"]
    for column, groups in first.items():
        others = [{row["group"]: row for row in one["by"][column]} for one in hypotheses.values()]
        shown, title = groups, f"by {column}"
        if len(groups) > _MOST_GROUPS:
            shown = sorted(groups, key=lambda row: -row["rate"])[:_MOST_GROUPS]
            title += f" (the {_MOST_GROUPS} of {len(groups)} with the highest rate)"
        if len(others) == 1:
            heading = [title, "sentences", "words", "WER", "95 % interval", "Sub", "Del", "Ins", "S.Err"]
            yield _grid([heading, *map(_group, shown)])
            continue
        heading = [title, "sentences", "words", *(f"WER {names[name]}" for name in hypotheses)]
        yield _grid([heading, *(_sides(row, others) for row in shown)])


def _sides(row: Numbers, others: Sequence[Mapping[str, Numbers]]) -> list[str]:
    rates = (_percent(rows[row["group"]]["rate"]) for rows in others)
    return [str(row["group"]), f"{row['utterances']:,}", f"{row['words']:,}", *rates]


def _group(row: Numbers) -> list[str]:
    shares = [row[kind] / max(row["words"], 1) for kind in KINDS]
    return [
        str(row["group"]),
        f"{row['utterances']:,}",
        f"{row['words']:,}",
        _percent(row["rate"]),
        bounds(row["low"], row["high"], 2),
        *map(_percent, (*shares, row["sentence_errors"] / row["utterances"])),
    ]


def _confusions(hypotheses: Mapping[str, Numbers], names: Mapping[str, str]) -> Iterator[str]:
    for name, one in hypotheses.items():
        found = one["confusions"]
        if not found or not any(found["kinds"].values()):
            continue
        columns = [[f"{kind} ({counted(found['kinds'][kind], 'kind')})"] for kind in KINDS]
        columns[0] += [f"{row['count']:>6,}  {row['reference']} -> {row['hypothesis']}" for row in found[KINDS[0]]]
        for column, kind in zip(columns[1:], KINDS[1:], strict=True):
            column += [f"{row['count']:>6,}  {row['word']}" for row in found[kind]]
        widths = [max(map(cell_len, column)) for column in columns]
        lines = [
            "   ".join(set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in zip_longest(*columns, fillvalue="")
        ]
        title = f"most frequent errors of {names[name]}\n" if len(hypotheses) > 1 else "most frequent errors\n"
        yield title + "\n".join(lines)


def _conclusions(numbers: Numbers, names: Mapping[str, str]) -> Iterator[str]:
    for one in numbers["comparisons"]:
        yield "\n".join(_comparison(one, names))
    for name, one in numbers["hypotheses"].items():
        if one["recovery"]:
            yield _recovery(names[name], one["recovery"])
    if numbers["estimate"]:
        yield "\n".join(_estimate(numbers["estimate"], names))


def _comparison(one: Numbers, names: Mapping[str, str]) -> Iterator[str]:
    of, than, found = names[one["of"]], names[one["than"]], one["bootstrap"]
    verdict = "no significant difference"
    if found["significantly_better"] or found["significantly_worse"]:
        verdict = f"significantly {'better' if found['significantly_better'] else 'worse'}"
    low, high = (f"{100 * found[name]:+.2f}" for name in ("low", "high"))
    p = found["p_worse"]
    worse = f"{p:.3f}" if 1 / RESAMPLES <= p <= 1 - 1 / RESAMPLES else ("< 0.001" if p < 0.5 else "> 0.999")
    yield f"{of} against {than}: {100 * found['difference']:+.2f} points [{low}, {high}], {verdict}"
    yield f"    paired bootstrap over {found['over']}s; share of resamples in which it is worse: {worse}"
    if one["matched_pairs"] is None:
        yield f"    no matched-pairs test: {one['matched_pairs_reason']}"
        return
    from nst_asr.mapsswe import MatchedPairs

    fields = {name: one["matched_pairs"][name] for name in MatchedPairs.__dataclass_fields__}
    yield from (f"    {line}" for line in wrap(MatchedPairs(**fields).describe(than, of), _WIDTH - 4))


def _recovery(name: str, found: Numbers) -> str:
    if found["rate"] is None:
        return f"recovery rate of {name}: none, {found['reason']}"
    line = f"recovery rate of {name}: {100 * found['rate']:.1f} % of the way from baseline to oracle"
    if found["low"] is None:
        return f"{line} ({found['reason']})"
    return f"{line} {bounds(found['low'], found['high'])}"


def _estimate(found: Numbers, names: Mapping[str, str]) -> Iterator[str]:
    from nst_asr.estimate import Estimate

    fields = {name: found[name] for name in Estimate.__dataclass_fields__}
    yield f"{found['path']} ({found['about']}), as {names[found['of']]} teaches:"
    for line in Estimate(**fields).describe().splitlines():
        yield from (f"    {each}" for each in wrap(line, _WIDTH - 4))


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def _grid(rows: Sequence[Sequence[str]]) -> str:
    """Columns, the first to the left; a line below the titles."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        right = (" " * (width - cell_len(cell)) + cell for cell, width in zip(row[1:], widths[1:], strict=True))
        lines.append("  ".join([set_cell_size(row[0], widths[0]), *right]).rstrip())
    return "\n".join([lines[0], "-" * max(map(cell_len, lines)), *lines[1:]])
