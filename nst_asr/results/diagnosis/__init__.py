"""Why a run failed, as far as results.json tells: findings, those that explain most first.

Each rule looks for one reason that is known to undo self-training. A rule that finds nothing, or cannot tell because a
figure is null, says nothing. docs/report.md says what each looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from nst_asr.results.diagnosis import labels, language_model, models, students
from nst_asr.results.diagnosis.case import LIMITS as LIMITS
from nst_asr.results.diagnosis.case import Case, Finding, Limits, Results
from nst_asr.results_table import terms_of

RULES: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    language_model.leaked_text,
    models.collapsed,
    labels.strict_filter,
    labels.loose_filter,
    labels.worse_labels,
    students.less_noise,
    models.useless_pool,
    students.no_gain,
    students.unfinished,
    students.standstill,
    labels.idle_balance,
    labels.alarms,
)
_ORDER = ("cause", "warning")


def diagnose(results: Results, limits: Limits = LIMITS) -> list[dict[str, Any]]:
    """The findings on a run's results.json, as plain values: causes first, each kind in the order of `RULES`."""
    case = Case(results, limits, terms_of(results))
    found = [finding for rule in RULES for finding in rule(case)]
    return [finding.to_json() for finding in sorted(found, key=lambda finding: _ORDER.index(finding.severity))]
