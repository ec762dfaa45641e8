"""The LibriSpeech recipe, all of its stages, on tones laid out like LibriSpeech."""

import os
import subprocess
from pathlib import Path

import pytest
import soundfile

from nst_asr.given import read_plan
from nst_asr.key import Key
from nst_asr.speech.plan import SpeechPlan
from nst_asr.store import read_json
from tests.speech import tones

RECIPE = Path(__file__).parents[2] / "recipes" / "librispeech"
PARTS = "parts: {labeled: [train-a], unlabeled: [train-b], dev: [dev-a], test: [test-a, test-b]}\n"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "LibriSpeech"
    for part, speakers in {"train-a": "12", "train-b": "3456", "dev-a": "7", "test-a": "8", "test-b": "9"}.items():
        for speaker in speakers:
            write_chapter(folder / part / speaker / "10", f"{speaker}-10")
    (folder.parent / "plan.yaml").write_text(tones.PLAN + PARTS)
    return folder


def write_chapter(folder: Path, name: str) -> None:
    folder.mkdir(parents=True)
    lines = []
    for i in range(6):
        key = Key(0)[name, i]
        words = key["words"].generator().choice(list(tones.WORDS), 1 + i % 3).tolist()
        soundfile.write(folder / f"{name}-{i:04d}.flac", tones.utterance(words, key["wave"]), tones.RATE)
        lines.append(f"{name}-{i:04d} {' '.join(words)}\n")
    (folder / f"{name}.trans.txt").write_text("".join(lines))


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [str(RECIPE / "run.sh"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.slow
def test_all_stages_run_on_a_corpus_of_ones_own_and_may_be_given_again(corpus: Path, tmp_path: Path) -> None:
    words = ["--config", corpus.parent / "plan.yaml", "--corpus", corpus, "--exp", tmp_path / "exp", "--oracle", "yes"]
    first = run(*words)
    assert first.returncode == 0, first.stderr
    results = read_json(tmp_path / "exp" / "results.json")
    assert [entry["test"]["words"] > 0 for entry in results["generations"]] == [True, True]
    assert results["oracle"]["test"]
    assert results["generations"][1]["label_error"]
    again = run(*words, "--stage", "4", "--stop-stage", "4")
    assert again.returncode == 0, again.stderr
    assert "updates in" not in again.stderr


@pytest.mark.slow
def test_a_part_that_is_not_there_is_named_with_those_that_are(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(tones.PLAN + PARTS.replace("train-b", "train-c"))
    words = ["--config", tmp_path / "plan.yaml", "--corpus", corpus, "--exp", tmp_path / "exp"]
    missing = run(*words, "--stage", "1")
    assert missing.returncode == 1
    assert "train-c: no such part of the corpus" in missing.stderr
    assert "train-a, train-b" in missing.stderr
    nowhere = run(*words, "--stop-stage", "0")
    assert nowhere.returncode == 1
    assert "train-c: no such part of the corpus" in nowhere.stderr


@pytest.mark.parametrize(
    "words", [[], ["--config", "conf/none.yaml"], ["--config", "conf/smoke.yaml", "--oracle", "maybe"]]
)
def test_what_run_sh_cannot_follow_is_said(words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert "run.sh: " in done.stderr


@pytest.mark.parametrize("path", sorted((RECIPE / "conf").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_can_be_read_and_names_its_parts(path: Path) -> None:
    plan = read_plan(SpeechPlan, path)
    assert plan.parts
    assert plan.generations
