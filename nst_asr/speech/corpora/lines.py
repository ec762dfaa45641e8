"""Lines of text files that may have been through Windows: UTF-8 with or without a byte order mark, either line end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nst_asr.speech.corpora.rows import ManifestError

_MARK = b"\xef\xbb\xbf"


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number (from 1) and text of each line that is not blank, without its line end; read as a stream.

    Raises ManifestError where there is no such file, and naming the line where it is not UTF-8.
    """
    refuse_no_file(path)
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            text = _decoded(path, number, raw.removeprefix(_MARK) if number == 1 else raw).rstrip("\r\n")
            if text and not text.isspace():
                yield number, text


def refuse_no_file(path: Path) -> None:
    """Raise ManifestError where there is no file of that name, and where it is a folder."""
    if path.is_dir():
        raise ManifestError(f"{path}: a folder, where a file is expected; name the file in it, or choose another kind")
    if not path.is_file():
        raise ManifestError(f"{path}: no such file")


def keyed_lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """Number, first word and rest of each line that is not blank: the first blank separates them, as in Kaldi's tables.

    The rest is stripped; what is inside it, blanks too, stays. Raises ManifestError as `numbered_lines` does.
    """
    for number, text in numbered_lines(path):
        key, *rest = text.split(maxsplit=1)
        yield number, key, rest[0].rstrip() if rest else ""


def _decoded(path: Path, number: int, raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        wide = number == 1 and raw[:2] in (b"\xff\xfe", b"\xfe\xff")
        if not wide and b"\0" in raw:
            raise ManifestError(
                f"{path}, line {number}: no text file (there are zero bytes in it); name the list, or for bare audio "
                "its folder, with the kind `folder`"
            ) from None
        raise ManifestError(
            f"{path}, line {number}: not UTF-8 text ({'it begins as UTF-16 does' if wide else error}); convert it: "
            f"iconv -f {'UTF-16' if wide else 'LATIN1'} -t UTF-8 {path.name} > new, with the encoding that it has"
        ) from None
