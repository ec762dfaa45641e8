"""A speech task small enough for tests: words are tones, a voice is a level and a tempo."""

from pathlib import Path

import numpy as np
import soundfile

from nst_asr.key import Key

RATE = 4000
WORDS = {"low": 300.0, "mid": 700.0, "high": 1300.0}

PLAN = """
recipe: tones
features: {rate: 4000, mels: 12}
tokenizer: {kind: word}
label: {beam: 1}
block: 8
teacher:
  model: {width: 16, blocks: 2, heads: 2, kernel: 5, channels: 4}
  fit: {updates: 60, batch: 8, peak_rate: 0.01, warmup: 5, checkpoint_every: 7, threads: 1, log_every: 10}
  noise:
    dropout: 0.1
    spec_augment: {frequency_masks: 1, frequency_width: 2, time_masks: 1, time_share: 0.1}
generation:
  mix: {pseudo_share: 0.5}
  student:
    fit: {updates: 20, batch: 14}
    noise: {survival: 0.8, speed: [0.9, 1.0, 1.1], additive: {snr_low: 10.0, snr_high: 20.0}}
generations: 1
"""


def utterance(words: list[str], key: Key) -> np.ndarray:
    """The words as tones with gaps, float32 at RATE."""
    draw = key.generator()
    parts = [np.zeros(200)]
    for word in words:
        t = np.arange(int(draw.uniform(600, 900))) / RATE
        parts += [np.sin(2 * np.pi * WORDS[word] * draw.uniform(0.95, 1.05) * t) * 0.3, np.zeros(300)]
    wave = np.concatenate(parts)
    return np.asarray(wave + 0.01 * draw.standard_normal(len(wave)), dtype=np.float32)


def write_set(folder: Path, name: str, count: int, speakers: int, *, labeled: bool = True) -> Path:
    """A TSV manifest with its audio below `folder`; the truth of an unlabeled set goes to NAME.truth.tsv."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    lines, truth = [], []
    for i in range(count):
        key = Key(0)[name, i]
        words = key["words"].generator().choice(list(WORDS), 1 + i % 3).tolist()
        soundfile.write(folder / name / f"{i}.flac", utterance(words, key["wave"]), RATE)
        text = " ".join(words)
        truth.append(f"{name}-{i}\t{text}")
        lines.append(f"{name}-{i}\t{name}/{i}.flac\t{name}-{i % speakers}" + (f"\t{text}" if labeled else ""))
    header = "id\tpath\tspeaker" + ("\ttext" if labeled else "")
    (folder / f"{name}.tsv").write_text("\n".join([header, *lines]) + "\n")
    if not labeled:
        (folder / f"{name}.truth.tsv").write_text("\n".join(["id\ttext", *truth]) + "\n")
    return folder / f"{name}.tsv"


def write_corpus(folder: Path) -> dict[str, Path]:
    """All the sets of a run."""
    return {
        "labeled": write_set(folder, "labeled", 12, 2),
        "unlabeled": write_set(folder, "unlabeled", 20, 4, labeled=False),
        "dev": write_set(folder, "dev", 9, 3),
        "test": write_set(folder, "test", 9, 3),
    }


def arguments(folder: Path, exp: Path) -> list[str]:
    """The command line that runs everything on the corpus in `folder`."""
    (folder / "plan.yaml").write_text(PLAN)
    sets = [
        word for name in ("labeled", "unlabeled", "dev", "test") for word in (f"--{name}", str(folder / f"{name}.tsv"))
    ]
    truth = ["--truth", str(folder / "unlabeled.truth.tsv")]
    return ["run", str(folder / "plan.yaml"), "--exp", str(exp), *sets, *truth, "--device", "cpu"]
