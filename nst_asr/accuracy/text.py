"""The numbers of `accuracies` as text and Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nst_asr.bootstrap import RESAMPLES
from nst_asr.reliability import Reliability

_SHOWN = 20  # classes in the printed table: those of the lowest recall


def text(found: Mapping[str, Any]) -> str:
    """All hypotheses, one after the other, and the comparisons."""
    parts = ["\n".join(_described(name, one)) + "\n" for name, one in found["hypotheses"].items()]
    parts += ["\n".join(_compared(one)) + "\n" for one in found["comparisons"]]
    return "\n".join(parts)


def _described(name: str, one: Mapping[str, Any]) -> Iterator[str]:
    drawn = "" if one["interval_over"] == "image" else f" (resampled over {one['interval_over']})"
    yield (
        f"{name}: top-1 {one['top1']:.2%} [{one['low']:.2%}, {one['high']:.2%}]{drawn}, "
        f"{one['wrong']} of {one['images']} wrong, mean recall of the classes {_share(one['mean_recall'])}"
    )
    if one.get("top5") is not None:
        yield f"top-5 {one['top5']:.2%}"
    proper = {"Brier score of all classes": one.get("brier"), "negative log-likelihood (nats)": one.get("nll")}
    if any(value is not None for value in proper.values()):
        yield ", ".join(f"{title} {value:.4f}" for title, value in proper.items() if value is not None)
    for name in ("top5_reason", "probabilities_reason"):
        if name in one:
            yield f"{name.partition('_')[0].replace('top5', 'top-5')}: {one[name]}"
    yield from _calibration(one)
    yield from _classes(one["classes"])
    if one["confusions"]:
        yield from ("", "| class | taken for | times |", "| --- | --- | ---: |")
        yield from (f"| {row['label']} | {row['heard']} | {row['times']} |" for row in one["confusions"])


def _calibration(one: Mapping[str, Any]) -> Iterator[str]:
    if "calibration_reason" in one:
        yield f"no calibration: {one['calibration_reason']}"
    if not one.get("calibration"):
        return
    content = {name: value for name, value in one["calibration"].items() if name != "confidence"}
    found = Reliability.from_json(content)
    yield f"mean confidence {one['calibration']['confidence']:.2%}; {found.describe()}"
    yield from ("", "| confidence | right | 95 % | images |", "| ---: | ---: | ---: | ---: |")
    for row in found.bins:
        yield f"| {row.probability:.1%} | {row.right:.1%} | {row.low:.1%} to {row.high:.1%} | {row.rows} |"


def _classes(rows: list[dict[str, Any]]) -> Iterator[str]:
    worst = sorted(rows, key=lambda row: (row["recall"] is None, row["recall"], row["class"]))[:_SHOWN]
    yield from ("", "| class | images | recall | precision |", "| --- | ---: | ---: | ---: |")
    for row in worst:
        yield f"| {row['class']} | {row['images']} | {_share(row['recall'])} | {_share(row['precision'])} |"
    if len(rows) > _SHOWN:
        yield f"\nthe {_SHOWN} of {len(rows)} classes with the lowest recall"


def _compared(one: Mapping[str, Any]) -> Iterator[str]:
    interval = f"[{100 * one['low']:+.2f}, {100 * one['high']:+.2f}], {_chance(one['p'])}"
    yield (
        f"{one['of']} against {one['than']}: {100 * one['gain']:+.2f} points {interval} "
        f"(bootstrap over {one['interval_over']}s)"
    )
    test = one["mcnemar"]
    method = test["method"] + ("" if test["mid_p"] is None else f"; mid-p {test['mid_p'] or 1e-300:.3g}")
    yield (
        f"McNemar's test: {test['second_only']} images right in {one['of']} alone, {test['first_only']} in "
        f"{one['than']} alone, p = {test['p'] or 1e-300:.3g} ({method})"
    )
    if one["interval_over"] != "image":
        yield f"McNemar's test takes images as independent; those of one {one['interval_over']} may not be"


def _chance(p: float) -> str:
    least = 2 / RESAMPLES
    return f"p = {p:.3f}" if p >= least else f"p < {least:g}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
