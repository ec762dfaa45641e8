"""Lines of text files that may have been through Windows: UTF-8 with or without a byte order mark, either line end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

_MARK = b"\xef\xbb\xbf"


class ManifestError(ValueError):
    """A manifest or corpus that cannot be used; the message names the file, the entry and the way out."""


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
    """Raise ManifestError where there is no file of that name, where it is a folder, and where it is a pipe."""
    if path.is_dir():
        raise ManifestError(f"{path}: a folder, where a file is expected; name the file in it, or choose another kind")
    if path.exists() and not path.is_file():
        raise ManifestError(f"{path}: a pipe, as it seems; write it into a file first, which is read more than once")
    if not path.is_file():
        raise ManifestError(f"{path}: no such file")


def tsv_lines(tsv: Path, needed: Sequence[str], known: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Number and cells, stripped, of each line but the first; read as a stream.

    The first line names the columns: all of `needed`, and none that is not `known`. Blank lines are passed over.
    Raises ManifestError naming the line that does not fit, or is not UTF-8.
    """
    lines = numbered_lines(tsv)
    _, first = next(lines, (1, ""))
    names = [name.strip() for name in first.split("\t")]
    if not set(needed) <= set(names) <= set(known) or len(set(names)) < len(names):
        raise ManifestError(
            f"{tsv}: the first line is {first!r}; with tabs between, it must name the columns "
            f"{' and '.join(needed)}, and may name {', '.join(name for name in known if name not in needed)}"
        )
    for number, line in lines:
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) != len(names):
            raise ManifestError(f"{tsv}, line {number}: {len(cells)} cells where the first line has {len(names)}")
        yield number, dict(zip(names, cells, strict=True))


def _decoded(path: Path, number: int, raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        wide = number == 1 and raw[:2] in (b"\xff\xfe", b"\xfe\xff")
        if not wide and b"\0" in raw:
            raise ManifestError(
                f"{path}, line {number}: no text file (there are zero bytes in it); name the list, or for bare files "
                "their folder, with the kind `folder`"
            ) from None
        raise ManifestError(
            f"{path}, line {number}: not UTF-8 text ({'it begins as UTF-16 does' if wide else error}); convert it: "
            f"iconv -f {'UTF-16' if wide else 'LATIN1'} -t UTF-8 {path.name} > new, with the encoding that it has"
        ) from None
