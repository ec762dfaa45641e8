"""Seconds, memory and size of the report of a large run: 100,000 pseudo-labels in each of three generations.

    python -m benchmarks.report [--rows 100000] [--generations 3] [--repeat 3] [--run DIR] [--without-truth]

A stand-in for a recogniser labels a pool of made-up sentences: it knows the truth, gets words wrong, more in the first
generations, and knows roughly how sure it is. All else is the real thing: label tables, gauge, calibration, filter,
balancing, alarms, scores on dev and test, an oracle, TensorBoard's scalars, as the loop writes them; the audio files,
of tones in noise, are shared by the utterances. The run is made in DIR, or a temporary folder, and found again there.
Then `nst-asr report` runs as a process of its own, which is what is timed; peak memory is that of this process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import soundfile

from nst_asr import config
from nst_asr import score as scoring
from nst_asr.corpus import Block, Corpus, Labeled, Truth, Unlabeled
from nst_asr.key import Key
from nst_asr.labels import SCHEMA
from nst_asr.mix import Mix
from nst_asr.plan import Decoding, Plan, TrainPlan, expand
from nst_asr.rows import write_rows
from nst_asr.run import Run, open_run
from nst_asr.score import Score
from nst_asr.stages import do_stages
from nst_asr.store import write_json
from nst_asr.task import Model, Shares

_VOCABULARY = 5_000  # words
_WORDS_A_SECOND = 2.5
_FILES = 64  # of audio, which the utterances share
_RATE = 16_000  # samples per second
_UPDATES, _LOGGED = 20_000, 20  # of a training, and from one of TensorBoard's points to the next
_HELD_OUT = 2_000  # utterances of dev, of test and of the labeled set
# runs a command from a small process: a child counts the memory of what started it as its own (Linux, at exec)
_WATCH = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**10]))
"""
_DOUBT = {0: -1.2, 1: -1.7, 2: -2.0, 3: -2.2}  # mean log odds of a wrong word, by the model's generation


class _Train(TrainPlan):
    """A training without noise."""


class _Plan(Plan[_Train, Decoding]):
    """A plan of the stand-in."""


@dataclass(frozen=True)
class StandIn:
    """Labels that are the truth with wrong words, and confidences that roughly say where."""

    model: Path
    truth: pl.DataFrame  # id, label

    @property
    def fingerprint(self) -> str:
        """The model's hash."""
        return Model(self.model).hash

    def __call__(self, block: Block) -> pl.DataFrame:
        """The label table's rows of the block."""
        rows = block.rows.select("id", "size", "group").join(self.truth, on="id", how="left", maintain_order="left")
        draw = Key(0)[self.fingerprint, rows["id"][0]].generator()
        length = rows["label"].str.count_matches(" ").to_numpy() + 1
        row = np.repeat(np.arange(len(rows)), length)
        doubt = _DOUBT[int(self.fingerprint)] + draw.normal(0, 1.2, len(rows))
        odds = doubt[row] + draw.normal(0, 0.7, len(row))
        wrong = draw.random(len(row)) < 1 / (1 + np.exp(-odds))
        true = rows["label"].str.split(" ").explode().str.slice(1).cast(pl.Int32).to_numpy()
        heard = np.where(wrong, draw.integers(0, _VOCABULARY, len(row)), true)
        sure = 1 / (1 + np.exp(1.5 * odds + draw.normal(0, 0.8, len(row))))
        words = pl.DataFrame({"row": row, "token": heard + 1, "sure": sure}).with_columns(
            pl.format("w{}", pl.col("token") - 1).alias("word"), pl.col("sure").cast(pl.Float32)
        )
        said = words.group_by("row", maintain_order=True).agg(
            label=pl.col("word").str.join(" "),
            tokens=pl.col("token").cast(pl.Int32),
            token_confidence="sure",
            token_entropy_confidence="sure",
            token_tsallis_confidence="sure",
            confidence=pl.col("sure").mean(),
            entropy_confidence=pl.col("sure").mean(),
            logprob=pl.col("sure").log().sum(),
        )
        table = rows.select("id", "size").hstack(said.drop("row")).with_columns(unspoken=pl.lit(0.2, pl.Float32))
        return table.match_to_schema(SCHEMA, missing_columns="insert")


@dataclass(frozen=True)
class Made:
    """The stand-in's task."""

    truth: pl.DataFrame
    names: tuple[str, ...]

    def train(self, data: Mix, plan: _Train, *, init: Path | None, out: Path, key: Key) -> Model:
        """A folder with a hash, a tokenizer and the scalars of a training."""
        from torch.utils.tensorboard import SummaryWriter

        generation = int(out.parent.name[3:]) if out.parent.name.startswith("gen") else max(_DOUBT)
        with SummaryWriter(str(out / "tensorboard")) as events:
            for update in range(_LOGGED, _UPDATES + 1, _LOGGED):
                scalars = {"loss": 5 * 0.9998**update + 0.3, "learning_rate": 1e-3, "gradient_norm": 2.0}
                for name, value in (scalars | {"pseudo_share": 0.5, "size_per_second": 900.0}).items():
                    events.add_scalar(name, value, update)
        write_json(out / "tokenizer.json", {"kind": "word", "names": self.names})
        (out / "HASH").write_text(str(generation))
        return Model(out)

    def labeler(self, teachers: Sequence[Model], plan: Decoding) -> StandIn:
        """The first teacher."""
        return StandIn(teachers[0].path, self.truth)

    def tune(self, teachers: Sequence[Model], dev: Labeled, plan: Decoding) -> dict[str, Any]:
        """Nothing is left open."""
        return {"plan": plan.model_dump(mode="json")}

    def score(self, model: Model, data: Labeled, plan: Decoding) -> Score:
        """The errors on held-out data."""
        heard = StandIn(model.path, data.rows.select("id", "label"))(Block(0, data.rows.drop("label")))
        return scoring.score(data.rows.select("id", "group", "label"), heard.select("id", "label"))

    def shares(self, data: Labeled, teachers: Sequence[Model]) -> Shares:
        """How often each word occurs in the labeled set."""
        numbers = data.rows["label"].str.split(" ").explode().str.slice(1).cast(pl.Int32).to_numpy() + 1
        return Shares(np.bincount(numbers, minlength=len(self.names)), self.names)


def main() -> None:
    """Print a line for each report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="pseudo-labels of a generation")
    parser.add_argument("--generations", type=int, default=3, choices=range(1, len(_DOUBT)))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--run", type=Path, help="where the run is made, or found again")
    parser.add_argument("--without-truth", action="store_true", help="of the pool: nothing is told of true errors")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = options.run or Path(folder) / "run"
        if not (place / "whole").exists():
            make_run(place, options.rows, options.generations)
            (place / "whole").touch()
        print("| rows | generations | seconds | of processor | peak MiB | report.html, MB |\n|" + " ---: |" * 6)
        for _ in range(options.repeat):
            print(measure(place, options), flush=True)


def measure(place: Path, options: argparse.Namespace) -> str:
    """A line of the table: one report, by a process of its own."""
    command = [sys.executable, "-m", "nst_asr.cli", "report", str(place / "exp")]
    command += [] if options.without_truth else ["--truth", str(place / "truth.tsv")]
    (place / "exp/results.json").unlink(missing_ok=True)  # a report makes it anew in any case
    watched = subprocess.run([sys.executable, "-c", _WATCH, *command], check=True, capture_output=True, text=True)
    seconds, busy, peak = json.loads(watched.stdout)
    size = (place / "exp/report.html").stat().st_size / 1e6
    cells = [f"{options.rows:,}", str(options.generations), f"{seconds:.1f}", f"{busy:.1f}", f"{peak:.0f}"]
    return f"| {' | '.join([*cells, f'{size:.2f}'])} |"


def make_run(place: Path, rows: int, generations: int) -> None:
    """A finished run in `place/exp`, its manifests and the pool's truth beside it."""
    place.mkdir(parents=True, exist_ok=True)
    durations = _write_audio(place / "audio")
    sets = {name: _utterances(name, _HELD_OUT, durations, place) for name in ("labeled", "dev", "test")}
    pool = _utterances("unlabeled", rows, durations, place)
    for name, table in sets.items():
        write_rows(place / f"{name}.tsv", table)
    write_rows(place / "unlabeled.tsv", pool.drop("label"))
    write_rows(place / "truth.tsv", pool.select("id", text="label"))
    corpus = Corpus(Labeled(sets["labeled"]), Unlabeled(pool.drop("label")), Labeled(sets["dev"], "dev"))
    test, truth = Labeled(sets["test"], "test"), Truth(pool.select("id", "label"))
    plan = _plan(generations)
    task = Made(
        pl.concat([table.select("id", "label") for table in (*sets.values(), pool)]),
        ("<blank>", *(f"w{number}" for number in range(_VOCABULARY))),
    )
    given: tuple[Labeled | Unlabeled, ...] = (corpus.labeled, corpus.unlabeled, corpus.dev, test)
    data = {part.name: part for part in given}
    run: Run = open_run(place / "exp", plan, {**data, "truth": truth})
    manifests = {name: str((place / f"{name}.tsv").absolute()) for name in (*sets, "unlabeled")}
    write_json(place / "exp/given.json", {"manifests": manifests, "allow_overlap": False})
    do_stages(task, corpus, test, truth, plan, run, ("teacher", "generations", "oracle", "test"))


def _plan(generations: int) -> _Plan:
    content = {
        "recipe": "stand-in",
        "label": {},
        "teacher": {"fit": {"updates": _UPDATES, "batch": 600.0, "warmup": 0}},
        "generation": {"filter": {"repeat": {}, "target_error": 0.1}, "balance": {"by": "tokens"}},
        "generations": generations,
    }
    return config.parse(_Plan, expand(content))


def _utterances(name: str, count: int, durations: np.ndarray, place: Path) -> pl.DataFrame:
    """Rows of a manifest with their true labels: sentences whose words are as frequent as a language's (Zipf)."""
    draw = Key(0)["utterances", name].generator()
    file = draw.integers(0, _FILES, count)
    length = np.maximum(1, draw.poisson(_WORDS_A_SECOND * durations[file]))
    share = 1 / np.arange(1, _VOCABULARY + 1)
    words = draw.choice(_VOCABULARY, int(length.sum()), p=share / share.sum())
    table = pl.DataFrame({"row": np.repeat(np.arange(count), length), "word": words})
    texts = table.group_by("row", maintain_order=True).agg(pl.format("w{}", "word").str.join(" "))
    return pl.DataFrame(
        {
            "id": [f"{name}-{number:07d}" for number in range(count)],
            "size": durations[file],
            "group": [f"{name}-{voice}" for voice in draw.integers(0, 200, count)],
            "path": [str((place / f"audio/{number}.flac").absolute()) for number in file],
            "start": np.zeros(count),
            "label": texts["word"],
        },
        schema_overrides={"size": pl.Float32},
    )


def _write_audio(folder: Path) -> np.ndarray:
    """The seconds of the files that are written: tones in noise, 2 to 16 s."""
    folder.mkdir(exist_ok=True)
    draw = Key(0)["audio"].generator()
    durations = np.round(draw.uniform(2, 16, _FILES), 2)
    for number, seconds in enumerate(durations):
        time_ = np.arange(round(seconds * _RATE)) / _RATE
        pitch = np.interp(time_, np.arange(18), draw.uniform(90, 300, 18))
        wave = np.sin(2 * np.pi * np.cumsum(pitch) / _RATE) * (0.1 + 0.1 * np.sin(5 * time_))
        soundfile.write(folder / f"{number}.flac", wave + draw.normal(0, 0.01, len(wave)), _RATE)
    return durations


if __name__ == "__main__":
    main()
