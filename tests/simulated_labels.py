"""Labels of a recogniser that knows roughly how sure it is, with their truth: for tests of confidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from nst_asr.labels import SCHEMA


def simulate(count: int, seed: int = 0, speakers: int = 20, hard: float = -2.0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A label table and its truth (id, label, group). hard: mean log odds of a wrong word; some words are deleted."""
    draw = np.random.default_rng(seed)
    voice = draw.integers(0, speakers, count)
    length = draw.integers(1, 9, count)
    doubt = hard + draw.normal(0, 0.5, speakers)[voice] + draw.normal(0, 1.2, count)
    rows: list[dict[str, Any]] = []
    for place in range(count):
        chance = 1 / (1 + np.exp(-doubt[place] - draw.normal(0, 0.7, length[place])))
        truth = [f"w{word}" for word in draw.integers(0, 50, length[place])]
        wrong, lost = draw.random(length[place]) < chance, draw.random(length[place]) < 0.2 * chance
        heard = [f"x{word}" if bad else word for word, bad, gone in zip(truth, wrong, lost, strict=True) if not gone]
        # overconfident: the log odds are doubled, with noise
        sure = 1 / (1 + np.exp(2 * doubt[place] + draw.normal(0, 0.8, len(heard))))
        row = {"id": f"u{place:05d}", "size": length[place] * 0.4 + 0.2, "label": " ".join(heard)}
        row |= {"tokens": list(range(len(heard))), "token_confidence": sure.tolist()}
        row |= {"logprob": float(np.log(sure).sum()) - 0.1, "confidence": float(sure.mean()) if heard else 0.0}
        row |= {"token_tsallis_confidence": (sure**1.5).tolist(), "margin": max(0.0, -doubt[place] + draw.normal())}
        row |= {"lm_distance": max(0.0, 0.2 * doubt[place] + 0.4), "agreement": float(np.clip(chance.mean(), 0, 1))}
        row |= {"agreement": 1 - row["agreement"], "unspoken": 0.3 * float(lost.sum()) + 0.1}
        rows.append(row | {"truth": " ".join(truth), "group": f"s{voice[place]}"})
    table = pl.DataFrame(rows)
    columns = [pl.col(name) if name in table.columns else pl.lit(None).alias(name) for name in SCHEMA]
    labels = table.select(columns).cast(dict(SCHEMA))  # type: ignore[arg-type]
    return labels, table.select("id", "group", label="truth")
