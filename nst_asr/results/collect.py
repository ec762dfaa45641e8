"""results.json: all that a table, a plot or another program needs of a run; docs/results.md says what is in it."""

from __future__ import annotations

from collections import defaultdict
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import polars as pl

from nst_asr.corpus import Truth
from nst_asr.course import about
from nst_asr.key import Key
from nst_asr.label_error import label_error
from nst_asr.recovery import recovery_rate
from nst_asr.results.conclusions import advice, verdict
from nst_asr.results.contents import contents
from nst_asr.results.costs import noted, spent
from nst_asr.results.diagnosis import diagnose
from nst_asr.results.earlier import earlier
from nst_asr.results.examples import examples
from nst_asr.results.filtering import filtering
from nst_asr.results.fusing import fusing
from nst_asr.results.gauging import gauging
from nst_asr.results.judged import judged, refuse_uneven
from nst_asr.results.laps import add_laps
from nst_asr.results.leaks import leaks
from nst_asr.results.plan_of import plan_of
from nst_asr.results.token_shares import token_shares
from nst_asr.results.training import training
from nst_asr.score import Score, compare, read_score
from nst_asr.side_by_side import readable
from nst_asr.store import StoreError, read_json, write_json

SCHEMA = 1  # grows when a key changes its meaning or goes away; new keys do not count
_ABOUT = (
    *("recipe", "seed", "command", "stage_commands", "commit", "versions", "hardware", "corpus", "terms"),
    "plan_from",
)
# what the teacher that is trained on labeled data alone has in the place of labels
_NO_LABELS: dict[str, Any] = {
    **{"labels": 0, "kept_rows": 0, "kept_hours": 0.0, "copies": 0, "copied_hours": 0.0},
    **{"kl_before": None, "kl_after": None, "label_error": None, "noise": None, "alarms": None},
    "examples": None,
    **{"filter": None, "gauge": None, "fusion": None, "tokens": None, "contents": None},
}


def write(run: Path, truth: Truth | None = None) -> dict[str, Any]:
    """What `collect` finds, also written to results.json in the run folder."""
    found = collect(run, truth)
    write_json(run / "results.json", found)
    return found


def collect(run: Path, truth: Truth | None = None) -> dict[str, Any]:
    """The results of the run folder `run`: its generations that have been scored, and the oracle where there is one.

    With the `truth` of a simulated pool the error of the labels is in it; without, what an earlier results.json in the
    folder says of it is kept (labels are made once). Raises StoreError where `run` is no run folder, or its teacher
    has not been scored yet; CorpusError where the truth is that of another pool.
    """
    about = about_run(run)
    if about["seed"] is None or about["corpus"] is None:
        raise StoreError(f"{run / 'run.json'}: no seed or no corpus in it, so nst-asr did not write it")
    scores, tests = _scores(run)
    costs, peak = _costs(run)
    oracle, oracle_test = _score(run / "oracle/score.json"), _score(run / "oracle/test.json")
    generations = [_generation(run, number, scores, tests, about["seed"], truth) for number in range(len(scores))]
    generations[0] |= {"hours": about["corpus"]["labeled"]["hours"]}
    for number, generation in enumerate(generations):
        generation["seconds"] = costs.get(f"gen{number}", {})
    add_laps(run, generations)
    found = {
        "schema": SCHEMA,
        **about,
        "planned_generations": _planned(run),
        "peak_memory_mb": peak,
        "seconds": round(sum(seconds for steps in costs.values() for seconds in steps.values()), 3),
        "generations": generations,
        "oracle": oracle
        and {
            **_summaries(oracle, oracle_test),
            "with_lm": _with_lm(run / "oracle", "score"),
            "seconds": costs.get("oracle", {}),
        },
        "relative_reduction": _reduction(scores, tests, about["seed"]),
        "recovery_rate": _recovery(scores, tests, oracle, oracle_test, about["seed"]),
        "text_overlap": _json(run / "text-overlap.json"),
        "leaks": leaks(run),
        "training": training(run, generations, about["corpus"]),
        **spent(run),
    }
    found |= {"diagnosis": diagnose(found)}
    return found | {"verdict": verdict(found), "advice": advice(found)}


def about_run(run: Path) -> dict[str, Any]:
    """What run.json says of a run: its recipe, seed, corpus and terms. Raises StoreError where there is none."""
    content = about(run)
    return {name: content.get(name) for name in _ABOUT}


def _scores(run: Path) -> tuple[list[Score], list[Score | None]]:
    """The scores on dev and on test of generation 0, 1, ... up to the last that has been scored on dev."""
    if not (run / "gen0/score.json").exists():
        raise StoreError(
            f"{run}: the teacher has not been scored yet; let the run go on, with the command that began it"
        )
    paths = [run / "gen0/score.json"]
    paths += takewhile(Path.exists, (run / f"gen{number}/5-score.json" for number in count(1)))
    return [read_score(path) for path in paths], [_score(path.with_name("test.json")) for path in paths]


def _planned(run: Path) -> int | None:
    """The students that the plan asks for; None where it does not say."""
    generations = plan_of(run).get("generations")
    return len(generations) if isinstance(generations, list) else None


def _score(path: Path) -> Score | None:
    return read_score(path) if path.exists() else None


def _costs(run: Path) -> tuple[dict[str, dict[str, float]], float | None]:
    """Seconds by folder and step, summed over restarts, and the peak memory in MiB."""
    costs: dict[str, dict[str, float]] = defaultdict(dict)
    peak = None
    for cost in noted(run):
        folder, _, step = cost["step"].partition("/")
        step = Path(step).stem
        costs[folder][step] = round(costs[folder].get(step, 0.0) + cost["seconds"], 3)
        peak = max(peak or 0.0, cost["peak_memory_mb"])
    return costs, peak


def _generation(
    run: Path, number: int, scores: list[Score], tests: list[Score | None], seed: int, truth: Truth | None
) -> dict[str, Any]:
    """One entry of `generations`, without its seconds."""
    found: dict[str, Any] = {"generation": number, "teacher": None, "comparison": None, "succession": None}
    folder = run / f"gen{number}"
    found |= _summaries(scores[number], tests[number])
    found["with_lm"] = _with_lm(folder, "5-score" if number else "score")
    if number == 0:
        return found | _NO_LABELS
    teacher = teacher_of(run, number)
    with readable(folder):
        refuse_uneven(folder)
        amounts, errors = _amounts(folder), _label_error(run, number, truth)
        filtered = filtering(run, number)
        about = {
            "filter": filtered,
            "gauge": gauging(folder, filtered["cutoffs"] if filtered else ()),
            "fusion": fusing(folder),
            "tokens": token_shares(run, number),
            "contents": contents(run, number),
        }
    # the key of the loop's own comparison, so that the report shows what the decision was made on
    comparison = compare(scores[teacher], scores[number], Key(seed)["succeed", number])
    return {
        **found,
        "teacher": teacher,
        "comparison": comparison.to_json(),
        "succession": _json(folder / "6-teacher.json"),
        **amounts,
        "label_error": errors,
        "noise": _json(folder / "noise.json"),
        "alarms": (_json(folder / "3-alarms.json") or {}).get("alarms"),
        "examples": examples(run, number, teacher, truth),
        **about,
    }


def teacher_of(run: Path, number: int) -> int:
    """Which generation's model made the labels that generation `number` learnt from."""
    return 0 if number == 1 else int(read_json(run / f"gen{number - 1}/6-teacher.json")["teacher"])


def _summaries(dev: Score, test: Score | None) -> dict[str, Any]:
    return {"dev": dev.summary(), "test": test.summary() if test else None}


def _with_lm(folder: Path, scored: str) -> dict[str, Any] | None:
    """The same with a language model, and the weights that were found for it on dev; None where the plan has none."""
    dev = _score(folder / f"{scored}-lm.json")
    if dev is None:
        return None
    tuned = _json(folder / f"{scored.replace('score', 'fusion')}.json")
    weights = tuned and {name: tuned[name] for name in ("weight", "neural_weight", "bonus")}
    return {**_summaries(dev, _score(folder / "test-lm.json")), "weights": weights}


def _json(path: Path) -> Any:
    return read_json(path) if path.exists() else None


def _amounts(folder: Path) -> dict[str, Any]:
    """Rows and hours that were labeled, kept and used, and the KL divergence before and after balancing.

    Hours are added up in the order of rows: Polars would begin at several places, and end a last digit apart.
    """
    table = judged(folder).select(pl.col("size").cast(pl.Float64) / 3600, "kept", "copies").collect()
    hours, kept, copies = (column.to_numpy() for column in table)
    balance = read_json(folder / "3-balance.json")
    return {
        **{"labels": len(table), "hours": float(hours.sum())},
        **{"kept_rows": int(kept.sum()), "kept_hours": float(hours[kept].sum())},
        **{"copies": int(copies.sum()), "copied_hours": float((hours * copies).sum())},
        **{name: balance.get(name) for name in ("kl_before", "kl_after")},
        "balanced_by": balance.get("by"),
    }


def _label_error(run: Path, number: int, truth: Truth | None) -> dict[str, Any] | None:
    """The error of all labels with a known truth, and of those among them that were kept: no rate where none was."""
    if truth is None:
        return _earlier(run, number)
    before, after = label_error(judged(run / f"gen{number}").select("id", "label", "kept").collect(), truth.rows)
    return {"before": before.to_json(), "after": after.to_json()}


def _earlier(run: Path, number: int) -> dict[str, Any] | None:
    """The error of the labels that results.json already has, unless they were made or judged anew since."""
    path, verdict = run / "results.json", run / f"gen{number}" / "2-verdicts.parquet"
    if not path.exists() or path.stat().st_mtime_ns < verdict.stat().st_mtime_ns:
        return None
    entries = [entry for entry in earlier(run) if entry.get("generation") == number]
    return entries[0].get("label_error") if entries else None


def _reduction(scores: list[Score], tests: list[Score | None], seed: int) -> dict[str, Any] | None:
    """How much lower the last student's rate is than the first teacher's, as a share of the teacher's."""
    if len(scores) < 2:
        return None
    first, last, on = (tests[0], tests[-1], "test") if tests[0] and tests[-1] else (scores[0], scores[-1], "dev")
    assert first is not None
    assert last is not None
    rate = (first.rate - last.rate) / first.rate if first.rate else None
    return {"rate": rate, "on": on, "comparison": compare(first, last, Key(seed)["reduction"]).to_json()}


def _recovery(
    scores: list[Score], tests: list[Score | None], oracle: Score | None, oracle_test: Score | None, seed: int
) -> dict[str, Any] | None:
    """The recovery rate of the last student: on test where all three have been scored on it, else on dev."""
    if oracle is None or len(scores) < 2:
        return None
    key = Key(seed)["recovery"]
    if tests[0] and tests[-1] and oracle_test:
        return recovery_rate(tests[0], tests[-1], oracle_test, key).to_json() | {"on": "test"}
    return recovery_rate(scores[0], scores[-1], oracle, key).to_json() | {"on": "dev"}
