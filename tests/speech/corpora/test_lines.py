"""Lines of text files: numbered, whatever wrote them; what is not UTF-8 is named."""

from pathlib import Path

import pytest

from nst_asr.lines import ManifestError, numbered_lines
from nst_asr.speech.corpora.lines import keyed_lines
from tests.speech.small_corpora import write


@pytest.mark.parametrize("windows", [False, True])
def test_blank_lines_are_passed_over_but_counted(windows: bool, tmp_path: Path) -> None:
    path = write(tmp_path / "t", "a  b\n\n \t\nc \n", windows=windows)
    assert list(numbered_lines(path)) == [(1, "a  b"), (4, "c ")]


@pytest.mark.parametrize("windows", [False, True])
def test_the_first_blank_parts_key_and_rest(windows: bool, tmp_path: Path) -> None:
    path = write(tmp_path / "t", "u1 /a b/c  d.wav\nu2\tx\nu3\n", windows=windows)
    assert list(keyed_lines(path)) == [(1, "u1", "/a b/c  d.wav"), (2, "u2", "x"), (3, "u3", "")]


def test_the_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes("u1 one\nu2 zw\u00f6lf\n".encode("latin-1"))
    with pytest.raises(ManifestError, match=r"text, line 2: not UTF-8 .*0xf6.*iconv"):
        list(numbered_lines(path))


def test_utf16_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes("u1 one\n".encode("utf-16"))
    with pytest.raises(ManifestError, match=r"line 1: not UTF-8 text .it begins as UTF-16.*iconv -f UTF-16"):
        list(numbered_lines(tmp_path / "text"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="gone: no such file"):
        list(numbered_lines(tmp_path / "gone"))
