"""report.html: what a run did and whether it worked, for people; one file that needs no network."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import polars as pl
import yaml

from nst_asr import plots, results_table
from nst_asr.corpus import Truth
from nst_asr.curves import curves
from nst_asr.gauge import Gauge
from nst_asr.measures import CALIBRATED
from nst_asr.reliability import Reliability
from nst_asr.results import collect, labels, verdicts
from nst_asr.risk import REFERENCE
from nst_asr.store import read_json, write_text, written_aside
from nst_asr.terms import Terms
from nst_asr.verdicts import KEPT

EXAMPLES = 5  # of each kind in a generation
MEASURES_SHOWN = 4  # the best ones, in the plot of risk and coverage
_TEMPLATE = "report.html.jinja"

Results = Mapping[str, Any]


def report(run: Path, truth: Truth | None = None) -> Path:
    """The path of report.html, written to the run folder beside plots/*.png.

    It tells of what has been scored so far, and can be written at any time. Raises StoreError as `results.collect`.
    """
    results = collect(run, truth)
    plan = (run / "plan.yaml").read_text(encoding="utf-8")
    images = _draw(run, results, yaml.safe_load(plan))
    context = {
        "results": results,
        "verdict": verdict(results),
        "heading": results_table.heading(results),
        "terms": results_table.terms_of(results),
        "rows": results_table.rows_of(results),
        "conclusions": results_table.conclusions(results),
        "generations": [_generation(run, entry, images) for entry in results["generations"] if entry["labels"]],
        "rates_plot": _embedded(images["rates"]),
        "learning_plot": _embedded(images["learning"]) if "learning" in images else None,
        "plan": plan,
    }
    path = run / "report.html"
    write_text(path, _environment().get_template(_TEMPLATE).render(context))
    return path


def verdict(results: Results) -> str:
    """One sentence: whether the last student is better than the teacher, by how much, and how sure that is."""
    found = results["relative_reduction"]
    if not found:
        return "No student has been scored yet, so there is nothing to judge."
    first, last = (results["generations"][place][found["on"]]["rate"] for place in (0, -1))
    rates = f"{results_table.percent(first)} became {results_table.percent(last)} on {found['on']}"
    if found["comparison"]["significantly_worse"]:
        return f"It did not work: the last student is significantly worse than the first teacher ({rates})."
    if not found["comparison"]["significantly_better"]:
        return f"Undecided: the difference between the last student and the first teacher may be chance ({rates})."
    fewer = results_table.percent(found["rate"], 0)
    return f"It worked: the last student makes {fewer} fewer errors than the first teacher ({rates}).{_share(results)}"


def _share(results: Results) -> str:
    """How far it is to the oracle, where that is known."""
    found = results["recovery_rate"]
    if not found or found["rate"] is None:
        return ""
    return f" That is {results_table.percent(found['rate'], 0)} of the way to the oracle."


def _environment() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["percent"] = results_table.percent
    return environment


def _draw(run: Path, results: Results, plan: Mapping[str, Any]) -> dict[str, bytes]:
    """The plots by name, also written to plots/."""
    images = {"rates": plots.rates_over_generations(results)}
    for entry in results["generations"]:
        if entry["labels"]:
            number = entry["generation"]
            kept, rejected = _normalised_scores(run / f"gen{number}")
            images[f"scores-gen{number}"] = plots.scores_kept_and_rejected(
                kept, rejected, _cutoff(plan, number), f"generation {number}"
            )
            if (run / f"gen{number}/0-risk.json").exists():
                images[f"confidence-gen{number}"] = _confidence(run / f"gen{number}", results_table.terms_of(results))
    trained = {name: curves(run / folder) for name, folder in _models(results).items()}
    if any(trained.values()):
        images["learning"] = plots.learning_curves(trained)
    for name, image in images.items():
        with written_aside(run / "plots" / f"{name}.png") as part:
            part.write_bytes(image)
    return images


def _confidence(folder: Path, terms: Terms) -> bytes:
    """The plot of what dev says of the measures: the best ones, the reference, and what calibration makes of them."""
    found, gauge = read_json(folder / "0-risk.json"), Gauge.from_json(read_json(folder / "0-gauge.json"))
    ranked = [risk["measure"] for risk in found["ranking"]["risks"]]
    shown = [name for place, name in enumerate(ranked) if place < MEASURES_SHOWN or name in (CALIBRATED, REFERENCE)]
    before, after = (Reliability.from_json(found[name]) if found[name] else None for name in ("before", "after"))
    return plots.risk_and_reliability({name: gauge.curves[name] for name in shown}, before, after, terms)


def _models(results: Results) -> dict[str, str]:
    """The name of each model in a plot, and its folder."""
    numbers = [entry["generation"] for entry in results["generations"]]
    students = {f"generation {n}": f"gen{n}/4-student" for n in numbers if n}
    return {"teacher": "gen0/student", **students, "oracle": "oracle/student"}


def _cutoff(plan: Mapping[str, Any], number: int) -> float | None:
    """The cut-off of the normalised score that the plan has for a generation."""
    generations = plan.get("generations") or []
    rules = generations[number - 1].get("filter") or {} if number <= len(generations) else {}
    cutoff: float | None = rules.get("score")
    return cutoff


def _normalised_scores(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The normalised scores of kept and of rejected labels; empty labels have none."""
    table = verdicts(folder).drop_nulls("normalised_score").collect()
    kept = (table["verdict"].cast(pl.String) == KEPT).to_numpy()
    scores = table["normalised_score"].to_numpy()
    return scores[kept], scores[~kept]


def _generation(run: Path, entry: Mapping[str, Any], images: Mapping[str, bytes]) -> dict[str, Any]:
    folder = run / f"gen{entry['generation']}"
    return {
        **entry,
        "waterfall": read_json(folder / "2-waterfall.json")["waterfall"],
        "less_noise": [part["component"] for part in entry["noise"] or () if part["less"]],
        "examples": _examples(folder),
        "plot": _embedded(images[f"scores-gen{entry['generation']}"]),
        "fusion": _fusion(folder),
        "risk": read_json(folder / "0-risk.json") if (folder / "0-risk.json").exists() else None,
        "confidence_plot": _embedded(images.get(f"confidence-gen{entry['generation']}", b"")),
        "expected": read_json(folder / "2-waterfall.json").get("expected"),
    }


def _fusion(folder: Path) -> dict[str, str] | None:
    """What dev said of the language model that the labels were made with, and the plot; None where none was tuned."""
    found, plot = folder / "0-fusion.json", folder / "0-fusion.png"
    if not (found.exists() and plot.exists()):
        return None
    return {"reason": read_json(found)["reason"], "plot": _embedded(plot.read_bytes())}


def _examples(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The surest and the least sure labels, by normalised score, of those kept and of those rejected."""
    columns = [labels(folder).select("id", "label"), verdicts(folder).select("verdict", "normalised_score")]
    rows = pl.concat(columns, how="horizontal").with_columns(pl.col("verdict").cast(pl.String))
    # ids break ties, so that the report of a run is always the same
    ranked = rows.sort("normalised_score", "id", descending=[True, False], nulls_last=True).collect()
    found = {}
    for name, group in (
        ("kept", ranked.filter(pl.col("verdict") == KEPT)),
        ("rejected", ranked.filter(pl.col("verdict") != KEPT)),
    ):
        surest = group.head(EXAMPLES)
        found[f"surest {name}"] = surest.to_dicts()
        found[f"least sure {name}"] = group.tail(min(EXAMPLES, len(group) - len(surest))).to_dicts()
    return {name: examples for name, examples in found.items() if examples}


def _embedded(image: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(image).decode()
