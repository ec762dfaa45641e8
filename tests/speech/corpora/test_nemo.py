"""NeMo's JSON lines: whole files and stretches; ids that are unique and stable; bad lines are named."""

import json
from pathlib import Path
from typing import Any

import pytest

from nst_asr.lines import ManifestError
from nst_asr.speech.corpora.nemo import nemo
from tests.speech.small_corpora import write


def manifest(folder: Path, *entries: dict[str, Any], windows: bool = False) -> Path:
    return write(folder / "m.json", "".join(json.dumps(entry) + "\n" for entry in entries), windows=windows)


@pytest.mark.parametrize("windows", [False, True])
def test_lines_are_utterances(windows: bool, tmp_path: Path) -> None:
    path = manifest(
        tmp_path,
        {"audio_filepath": "wav s/a.wav", "duration": 1.5, "text": "one", "speaker": 7},
        {"audio_filepath": str(tmp_path / "b.wav"), "duration": 2, "text": "", "offset": 0.0},
        {"audio_filepath": "/elsewhere/b.wav", "offset": 3.25, "duration": 1, "id": "mine", "lang": "en"},
        windows=windows,
    )
    first, second, third = nemo(path)
    assert (first.id, first.path, first.text, first.speaker) == ("wav s/a", str(tmp_path / "wav s/a.wav"), "one", "7")
    assert (first.start, first.seconds, first.announced) == (0.0, None, 1.5)
    assert (second.id, second.path, second.text) == ("b-0000000-0000200", str(tmp_path / "b.wav"), None)
    assert (second.start, second.seconds, second.announced) == (0.0, 2.0, None)
    assert (third.id, third.path, third.start, third.seconds) == ("mine", "/elsewhere/b.wav", 3.25, 1.0)


def test_stretches_of_one_file_have_names_of_their_own(tmp_path: Path) -> None:
    path = manifest(
        tmp_path,
        {"audio_filepath": "a.wav", "offset": 0.5, "duration": 1.25},
        {"audio_filepath": "a.wav", "offset": 1.75},
        {"audio_filepath": "/x/a.wav"},
    )
    assert [u.id for u in nemo(path)] == ["a-0000050-0000175", "a-0000175-end", "x/a"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{'audio_filepath'", "line 2: not JSON"),
        ('["a.wav"]', "line 2: list where a JSON object"),
        ('{"text": "one"}', "line 2: no audio_filepath"),
        ('{"audio_filepath": "a.wav", "duration": "1.5"}', "line 2: duration is '1.5', expected seconds"),
        ('{"audio_filepath": "a.wav", "duration": NaN}', "line 2: duration is nan"),
        ('{"audio_filepath": "a.wav", "offset": -1}', "line 2: offset is -1"),
        ('{"audio_filepath": "a.wav", "duration": true}', "line 2: duration is True"),
        ('{"audio_filepath": "a.wav", "text": ["one"]}', r"line 2: text is \['one'\], expected text"),
        ('{"audio_filepath": "a.wav", "shard_id": 3}', "line 2: an entry of NeMo's tarred data"),
    ],
)
def test_a_line_that_does_not_fit_is_named(line: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "m.json", '{"audio_filepath": "a.wav"}\n' + line + "\n")
    with pytest.raises(ManifestError, match=rf"m\.json, {message}"):
        list(nemo(path))
