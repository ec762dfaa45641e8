"""The error rate over generations, beside what each learnt from."""

from __future__ import annotations

from typing import Any

from nst_asr import results_table
from nst_asr.report.material import Material
from nst_asr.report.plots_generations import rates

NAME, TITLE = "generations", "Generations"


def context(material: Material) -> dict[str, Any]:
    """The keys of the rows, the columns that any row has, and the plot."""
    results = material.results
    generations = results["generations"]
    rows = [*(f"generations[{place}]" for place in range(len(generations))), *(["oracle"] if results["oracle"] else [])]
    return {
        "rows": rows,
        "last": len(generations) - 1,
        "has_test": any(entry["test"] for entry in generations),
        "has_lm": results_table.has_lm(results),
        "has_truth": any(entry["label_error"] for entry in generations),
        "best": min(range(len(generations)), key=lambda place: generations[place]["dev"]["rate"]),
        "plot": rates(results, material.terms),
    }
