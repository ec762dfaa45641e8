"""A small run folder as the loop writes it, with numbers that are worked by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from nst_asr.corpus import Truth
from nst_asr.score import SCHEMA, Score

WORDS = 100  # of dev and of test, one an utterance
TRUTH = Truth(pl.DataFrame({"id": ["a", "b", "c", "elsewhere"], "label": ["one two", "three", "four", "five"]}))


def score_of(errors: int) -> Score:
    """`errors` wrong words in 100, one word an utterance."""
    columns: dict[str, Any] = {name: [0] * WORDS for name in SCHEMA}
    columns |= {"id": [f"u{place}" for place in range(WORDS)], "group": [None] * WORDS, "words": [1] * WORDS}
    columns |= {"substitutions": [int(place < errors) for place in range(WORDS)]}
    return Score(pl.DataFrame(columns, schema=SCHEMA))


def make_run(folder: Path, *, errors: tuple[int, ...] = (40, 25, 20), oracle: int | None = 10, seed: int = 0) -> Path:
    """A run whose generations have these numbers of errors on dev, and one more on test."""
    folder.mkdir(parents=True)
    (folder / "plan.yaml").write_text("recipe: digits\nseed: 0\n")
    part = {"rows": 10, "hours": 0.5, "fingerprint": "f"}
    about = {
        **{"recipe": "digits", "seed": seed, "command": "nst-asr run plan.yaml <&>", "commit": "abc"},
        **{"versions": {"python": "3.11"}, "hardware": {"cores": 2, "processor": "P"}},
        "corpus": {"labeled": part, "unlabeled": part | {"hours": 4.0}, "dev": part},
    }
    write(folder / "run.json", about)
    lines = [("gen0/student", 10.0, 800.0), ("gen1/4-student", 20.5, 900.0), ("gen1/4-student", 2.5, 700.0)]
    steps = [json.dumps({"step": name, "seconds": s, "peak_memory_mb": mb}) for name, s, mb in lines]
    (folder / "steps.jsonl").write_text("\n".join(steps) + '\n{"step": "gen1/5-sc')
    for number, wrong in enumerate(errors):
        at = folder / f"gen{number}"
        add_scores(at, "score.json" if number == 0 else "5-score.json", wrong)
        if number:
            add_generation(at, number)
    if oracle is not None:
        add_scores(folder / "oracle", "score.json", oracle)
    return folder


def add_scores(at: Path, name: str, errors: int) -> None:
    score_of(errors).write(at / name)
    score_of(errors + 1).write(at / "test.json")


def add_generation(at: Path, number: int) -> None:
    """Three labels: a has one of two words wrong and is rejected, b is right, c is right and used twice."""
    (at / "1-labels").mkdir()
    labels = {"id": ["a", "b"], "size": [1800.0, 3600.0], "label": ["one too", "three"]}
    types = {"size": pl.Float32}
    pl.DataFrame(labels, schema_overrides=types).write_parquet(at / "1-labels/part-00000.parquet")
    last = {"id": ["c"], "size": [7200.0], "label": ["four"]}
    pl.DataFrame(last, schema_overrides=types).write_parquet(at / "1-labels/part-00001.parquet")
    verdict = pl.Series("verdict", ["score", "kept", "kept"], dtype=pl.Enum(["kept", "empty", "score"]))
    scores = pl.Series("normalised_score", [-1.5, 0.5, 1.5], dtype=pl.Float32)
    pl.DataFrame([verdict, scores]).write_parquet(at / "2-verdicts.parquet")
    copies = {"copies": [0, 1, 2], "weight": [0.0, 1.0, 1.8]}
    pl.DataFrame(copies).write_parquet(at / "3-copies.parquet")
    write(at / "3-balance.json", {"kl_before": 0.04, "kl_after": 0.01, "hours": 5.0})
    step = {"rule": "score", "rows_alone": 1, "hours_alone": 0.5, "rows": 1, "hours": 0.5}
    waterfall = [step | {"left_rows": 2, "left_hours": 3.0}]
    write(at / "2-waterfall.json", {"rows": 3, "hours": 3.5, "waterfall": waterfall})
    dropout = {"component": "dropout", "teacher": 0.2, "student": 0.1, "less": True}
    write(at / "noise.json", [dropout, {"component": "time masks", "teacher": 0, "student": 2, "less": False}])
    write(at / "6-teacher.json", {"teacher": number, "rule": "best", "reason": "the student teaches next"})


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
