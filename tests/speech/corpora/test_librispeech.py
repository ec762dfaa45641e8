"""LibriSpeech's layout, with transcripts and without; other layouts are refused."""

from pathlib import Path

import pytest
from lhotse.recipes import prepare_librispeech

from nst_asr.lines import ManifestError
from nst_asr.speech.corpora.librispeech import librispeech
from nst_asr.speech.corpora.utterance import Defect
from tests.speech.small_corpora import record, utterances, write


def part(folder: Path, *, windows: bool = False) -> Path:
    """Two speakers, three chapters, two utterances each."""
    for speaker, chapter in ((19, 198), (19, 227), (103, 1240)):
        place = folder / str(speaker) / str(chapter)
        names = [f"{speaker}-{chapter}-{i:04d}" for i in range(2)]
        for name in names:
            record(place / f"{name}.flac", 0.5)
        lines = "".join(f"{name} SAY {name[-1]}\n" for name in names)
        write(place / f"{speaker}-{chapter}.trans.txt", lines, windows=windows)
    return folder


@pytest.mark.parametrize("windows", [False, True])
def test_the_first_folder_is_the_speaker(windows: bool, tmp_path: Path) -> None:
    found = utterances(librispeech(part(tmp_path, windows=windows), texts=True))
    assert [u.speaker for u in found] == ["103"] * 2 + ["19"] * 4
    assert (found[0].id, found[0].text) == ("103-1240-0000", "SAY 0")
    assert found[0].path == str(tmp_path / "103" / "1240" / "103-1240-0000.flac")


def test_it_says_what_lhotse_says(tmp_path: Path) -> None:
    part(tmp_path / "LibriSpeech" / "dev-clean")
    manifests = prepare_librispeech(tmp_path / "LibriSpeech", dataset_parts=["dev-clean"])["dev-clean"]
    expected = {
        s.id: (s.speaker, s.text, manifests["recordings"][s.id].sources[0].source) for s in manifests["supervisions"]
    }
    found = utterances(librispeech(tmp_path / "LibriSpeech" / "dev-clean", texts=True))
    assert {u.id: (u.speaker, u.text, u.path) for u in found} == expected


def test_without_transcripts_there_is_no_text(tmp_path: Path) -> None:
    record(tmp_path / "1" / "2" / "1-2-0000.flac")
    write(tmp_path / "1" / "2" / "1-2.trans.txt", "1-2-0000 SECRET\n1-2-0001 GONE\n")
    assert [u.text for u in utterances(librispeech(tmp_path, texts=False))] == [None]


def test_a_text_without_its_audio_is_a_defect(tmp_path: Path) -> None:
    (part(tmp_path) / "19" / "198" / "19-198-0001.flac").unlink()
    defects = [each for each in librispeech(tmp_path, texts=True) if isinstance(each, Defect)]
    assert [(each.id, each.kind) for each in defects] == [("19-198-0001", "text for no audio")]


def test_other_layouts_are_refused(tmp_path: Path) -> None:
    root = part(tmp_path / "root" / "train-clean-100").parent
    with pytest.raises(ManifestError, match=r"root is no part of LibriSpeech.*train-clean-100"):
        list(librispeech(root, texts=True))
    record(tmp_path / "flat" / "ann" / "a.flac")
    with pytest.raises(ManifestError, match=r"audio above the chapters' folders.*kind `folder`"):
        list(librispeech(tmp_path / "flat", texts=True))
    with pytest.raises(ManifestError, match="gone: no such folder"):
        list(librispeech(tmp_path / "gone", texts=True))


def test_an_id_with_two_texts_is_refused(tmp_path: Path) -> None:
    write(part(tmp_path) / "19" / "198" / "more.trans.txt", "19-198-0000 AGAIN\n")
    with pytest.raises(ManifestError, match=r"more.trans.txt, line 1: 19-198-0000 has a text already"):
        list(librispeech(tmp_path, texts=True))
