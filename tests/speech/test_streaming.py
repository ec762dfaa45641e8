"""Training straight from lhotse Shar, block by block."""

from pathlib import Path

import pytest
from lhotse import CutSet, MonoCut, Recording, SupervisionSegment
from safetensors.numpy import load_file

from nst_asr import cli
from nst_asr.speech.corpora.manifests import read_manifest
from tests.speech import tones


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tones corpus, its labeled set and pool also as shards of four utterances, with manifests."""
    folder = tmp_path_factory.mktemp("corpus")
    tones.write_corpus(folder)
    for name, labeled in (("labeled", True), ("unlabeled", False)):
        rows = read_manifest(folder / f"{name}.tsv", labeled=labeled)
        (folder / f"{name}-shar").mkdir()
        cuts = CutSet.from_cuts(cut(row, labeled) for row in rows.iter_rows(named=True))
        cuts.to_shar(folder / f"{name}-shar", fields={"recording": "flac"}, shard_size=4)
        out = ["--out", str(folder / f"{name}.shar.tsv")] + ([] if labeled else ["--unlabeled"])
        assert cli.main(["prepare", "shar", str(folder / f"{name}-shar"), *out]) == 0
    return folder


def cut(row: dict[str, str], labeled: bool) -> MonoCut:
    recording = Recording.from_file(row["path"], recording_id=row["id"])
    text = row["label"] if labeled else None
    said = SupervisionSegment(row["id"], row["id"], 0.0, recording.duration, text=text, speaker=row["group"])
    return MonoCut(row["id"], 0.0, recording.duration, 0, recording=recording, supervisions=[said])


def test_shards_give_the_labels_and_weights_that_files_give(corpus: Path, tmp_path: Path) -> None:
    files, shards = tones.arguments(corpus, tmp_path / "files"), tones.arguments(corpus, tmp_path / "shards")
    for name in ("labeled", "unlabeled"):
        shards[shards.index(str(corpus / f"{name}.tsv"))] = str(corpus / f"{name}.shar.tsv")
    order = ["generation.mix.order=streamed", "generation.mix.block=4", "generation.mix.together=2"]
    assert cli.main([*files, *order, "--only", "generations"]) == 0
    assert cli.main([*shards, *order, "--only", "generations"]) == 0
    first, second = (load_file(tmp_path / exp / "gen1/4-student/weights.safetensors") for exp in ("files", "shards"))
    assert all((first[name] == second[name]).all() for name in first)
