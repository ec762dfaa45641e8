"""Stage 7: the largest net before and after noisy student training, on corrupted and perturbed test images."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from nst_asr.store import StoreError, read_json
from recipes.cifar10.jobs import LABELS, SMALL, baseline, chain_name

STAGE = 7
RESULTS = "robustness.json"
_TOOLS = Path(__file__).resolve().parents[2] / "tools"


class MissingModelError(ValueError):
    """A model that stage 7 compares has not been trained; the message names it and the stage."""


def score(folder: Path, data: Path, number: int) -> None:
    """Write robustness.json in the folder of a seed: the tool's numbers, relative to the supervised baseline = 100.

    number: test images that are corrupted, or all where there are fewer. Raises MissingModelError, and StoreError where
    a tool fails.
    """
    models = [model for model in _models(folder) if _is_there(model)]
    images = min(number, read_json(data / "made-of.json")["images"]["test"])
    sets = data / f"robustness-{images}"
    _do("make_corrupted.py", str(data / "test.tsv"), str(sets), "--size", "32", "--number", str(images))
    against = ["--baseline", str(models[0]), "--json", str(folder / RESULTS)]
    where = ["--cifar-c", str(sets / "corrupted"), "--cifar-p", str(sets / "perturbed")]
    _do("score_robustness.py", *map(str, models), *where, *against)


def _models(folder: Path) -> list[Path]:
    """The baseline, then the last students of both chains."""
    last = f"gen{len(SMALL) - 1}/4-student"
    return [
        folder / baseline(SMALL[-1]) / "gen0/student",
        *(folder / chain_name(SMALL, kind) / last for kind in LABELS),
    ]


def _is_there(model: Path) -> bool:
    if not model.is_dir():
        raise MissingModelError(f"{model}: not trained yet; stage 2 trains the baselines, stage 3 the chains")
    return True


def _do(tool: str, *words: str) -> None:
    done = subprocess.run([sys.executable, str(_TOOLS / tool), *words], check=False)
    if done.returncode:
        raise StoreError(f"tools/{tool}: exit status {done.returncode}; its last words are above")
