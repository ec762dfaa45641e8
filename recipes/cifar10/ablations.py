"""Stage 6: one generation each, beside the whole recipe at the same number of updates of the same size.

Unless it says otherwise the teacher is the smallest net and the student the largest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from recipes.cifar10.jobs import (
    HARD,
    SILENT,
    SMALL,
    Conf,
    Job,
    as_teacher,
    generation,
    student_of,
    taught,
    teacher,
    teacher_name,
)

PREFIX = "ablation-"
WHOLE = f"{PREFIX}whole"
SMALLEST, LARGEST = SMALL[0], SMALL[-1]
EDGES = (0.0, 0.5, 0.8, 0.95, 1.0)  # of the bins of confidence; each holds its lower edge, the last one both
THRESHOLDS = (0.0, 0.5, 0.8, 0.95)
RATIOS = (1, 3, 7)


def ablations(conf: Conf) -> list[Job]:
    """The teachers, the whole recipe, and everything beside it; some may be the whole recipe by another name."""
    found = [*_noise(conf), *_filters(conf), *_bins(conf), *_mixtures(conf), *_sizes(conf), *_starts(conf)]
    return [teacher(SMALLEST, conf), teacher(LARGEST, conf), _job("whole", conf), *found]


def _job(name: str, conf: Conf, *settings: str, change: Mapping[str, Any] | None = None, **others: Any) -> Job:
    """change: of the student's noise; others: fields of the job, and first, last: the nets of teacher and student."""
    first, last = others.pop("first", SMALLEST), others.pop("last", LARGEST)
    turn = generation(last, conf)
    turn["student"]["noise"] |= change or {}
    changes = (*as_teacher(first, conf), *settings, taught([turn]))
    return Job(PREFIX + name, changes, **{"pool": "all", "teacher": teacher_name(first)} | others)


def _noise(conf: Conf) -> list[Job]:
    return [
        _job("no-rand-augment", conf, change={"rand_augment": None}),
        _job("no-dropout", conf, change={"dropout": 0.0}),
        _job("no-stochastic-depth", conf, change={"survival": 1.0}),
        _job("no-noise", conf, change=SILENT),
        _job("teacher-noised", conf, variant=("noised_teacher.py",)),
    ]


def _filters(conf: Conf) -> list[Job]:
    return [_job(f"confidence-{least:g}", conf, f"generation.filter.confidence={least}") for least in THRESHOLDS]


def _bins(conf: Conf) -> list[Job]:
    """The labels of one bin of confidence alone."""
    found = []
    for low, high in pairwise(EDGES):
        bounds = [f"generation.filter.confidence={low}"]
        bounds += [f"generation.filter.confidence_below={high}"] if high < 1 else []
        for kind, settings in (("soft", ()), ("hard", HARD)):
            found.append(_job(f"only-{low:g}-to-{high:g}-{kind}", conf, *bounds, *settings))
    return found


def _mixtures(conf: Conf) -> list[Job]:
    ratios = [_job(f"ratio-{ratio}", conf, f"generation.mix={json.dumps({'ratio': ratio})}") for ratio in RATIOS]
    losses = {"pooled": "pooled", "ratio-weighted": "ratio", "equally-weighted": 1.0}
    return [
        *ratios,
        # all rows as often as each other, whatever their source; the others keep the ratio and weigh the two losses
        _job("pooled", conf, 'generation.mix={"pooled": true}', "generation.student.loss.pseudo=pooled"),
        *(
            _job(f"loss-{name}", conf, f"generation.student.loss.pseudo={weight}")
            for name, weight in losses.items()
            if name != "pooled"
        ),
        _job("balanced", conf, f"generation.balance={json.dumps(_balanced(conf))}"),
        _job("not-balanced", conf, 'generation.balance={"by": "none"}'),
    ]


def _sizes(conf: Conf) -> list[Job]:
    return [
        _job("pool-1of16", conf, pool="1of16"),
        _job("pool-1of4", conf, pool="1of4"),
        _job("teacher-largest", conf, first=LARGEST),  # the nets are equal, and large
        _job("student-smallest", conf, last=SMALLEST),  # equal, and small
    ]


def _starts(conf: Conf) -> list[Job]:
    return [
        # beside teacher-largest, which is the same from scratch
        _job("teacher-largest-warm", conf, "generation.init=teacher", first=LARGEST),
        _job("pre-training", conf, *_pre_training(conf)),
    ]


def _pre_training(conf: Conf) -> tuple[str, ...]:
    """Pre-training on pseudo-labels, then all layers fine-tuned on labeled images, under the same noise.

    Together as many updates as joint training has, parted by its ratio, so that either kind of image is seen as often;
    fine-tuning has a tenth of the peak rate, or it would be a training from nothing.
    """
    fit, ratio = dict(student_of(conf)["fit"]), conf["generations"][-1].get("mix", {}).get("ratio") or 3
    second = max(1, round(fit["updates"] / (1 + ratio)))
    first = max(1, fit["updates"] - second)
    share = second / fit["updates"]
    warmup = fit.get("warmup", 100)
    fine = fit | {"updates": second, "warmup": int(warmup * share), "peak_rate": fit.get("peak_rate", 1e-3) / 10}
    return (
        "generation.student.first=pseudo",
        f"generation.student.fit.updates={first}",
        f"generation.student.fit.warmup={int(warmup * (1 - share))}",
        f"generation.student.fine_tune={json.dumps({'fit': fine, 'layers': 'all', 'noise': True})}",
    )


def _balanced(conf: Conf) -> dict[str, Any]:
    given = conf["generations"][-1].get("balance", {})
    return dict(given) if given.get("by") == "classes" else {"by": "classes"}
