"""Shar folders: members of tars, addressed where they lie; shards that do not fit are refused."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from lhotse import CutSet, MonoCut, Recording, SupervisionSegment

from nst_asr.lines import ManifestError
from nst_asr.speech.audio import read
from nst_asr.speech.corpora.shar import shar
from nst_asr.speech.corpora.utterance import Defect
from tests.speech.small_corpora import record, utterances


def write_shar(folder: Path, *, cuts: int = 5, shard_size: int = 2, silent: bool = False) -> Path:
    """Cuts of half a second out of one recording; with `silent` the last has no audio."""
    recording = Recording.from_file(record(folder / "long.wav", 0.5 * cuts))
    made = [
        MonoCut(
            f"part/c.{i}",
            start=0.5 * i,
            duration=0.5,
            channel=0,
            recording=recording,
            supervisions=[SupervisionSegment(f"s{i}", "long", 0, 0.5, text=f"say {i}", speaker="ann")],
        )
        for i in range(cuts)
    ]
    if silent:
        made.append(MonoCut("silent", start=0, duration=1, channel=0))
    (folder / "shar").mkdir()
    CutSet.from_cuts(made).to_shar(folder / "shar", fields={"recording": "wav"}, shard_size=shard_size)
    return folder / "shar"


# lhotse leaves the tars open that it has read
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_wave_at_each_address_is_the_one_that_lhotse_reads(tmp_path: Path) -> None:
    folder = write_shar(tmp_path)
    found = utterances(shar(folder))
    expected = {cut.id: cut for cut in CutSet.from_shar(in_dir=folder)}
    assert [u.id for u in found] == list(expected) == [f"part/c.{i}" for i in range(5)]
    for utterance in found:
        wave = read(utterance.path, 8000, start=utterance.start, seconds=utterance.seconds)
        np.testing.assert_array_equal(wave, expected[utterance.id].load_audio()[0])
    assert [(u.text, u.speaker, u.announced) for u in found] == [(f"say {i}", "ann", 0.5) for i in range(5)]


def test_a_cut_without_audio_is_a_defect(tmp_path: Path) -> None:
    *good, last = shar(write_shar(tmp_path, cuts=4, silent=True))
    assert len(good) == 4
    assert isinstance(last, Defect)
    assert (last.id, last.kind) == ("silent", "no audio in its shard")


def test_a_shard_without_its_audio_is_refused(tmp_path: Path) -> None:
    archive = write_shar(tmp_path) / "recording.000001.tar"
    content = archive.read_bytes()
    archive.unlink()
    with pytest.raises(ManifestError, match=r"cuts.000001.jsonl.gz: its audio, recording.000001.tar, is not beside"):
        list(shar(archive.parent))
    (archive.parent / "recording.000001.tar.gz").write_bytes(gzip.compress(content))
    with pytest.raises(ManifestError, match=r"unpack recording.000001.tar.gz"):
        list(shar(archive.parent))


def test_audio_of_other_cuts_is_refused(tmp_path: Path) -> None:
    folder = write_shar(tmp_path, cuts=4)
    (folder / "recording.000001.tar").replace(folder / "recording.000000.tar")
    with pytest.raises(
        ManifestError, match=r"entry 1: the cut is part/c.0, the audio in recording.000000.tar .* part/c.2"
    ):
        list(shar(folder))


def test_a_shard_with_fewer_cuts_than_audio_is_refused(tmp_path: Path) -> None:
    folder = write_shar(tmp_path, cuts=2)
    cuts = folder / "cuts.000000.jsonl.gz"
    cuts.write_bytes(gzip.compress(gzip.decompress(cuts.read_bytes()).splitlines(keepends=True)[0]))
    with pytest.raises(ManifestError, match=r"entry 2: the cut is None, the audio .* part/c.1"):
        list(shar(folder))


def test_what_is_no_tar_is_said(tmp_path: Path) -> None:
    folder = write_shar(tmp_path, cuts=2)
    (folder / "recording.000000.tar").write_bytes(b"no tar" * 1000)
    with pytest.raises(ManifestError, match=r"recording.000000.tar: no uncompressed tar"):
        list(shar(folder))


def test_a_folder_without_cuts_is_no_shar_folder(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no Shar folder"):
        list(shar(tmp_path))
