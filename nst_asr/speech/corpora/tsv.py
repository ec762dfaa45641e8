"""Lines of a TSV whose first line names its columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from nst_asr.speech.corpora.lines import numbered_lines
from nst_asr.speech.corpora.rows import ManifestError

COLUMNS = ("id", "path", "text", "speaker", "seconds")  # of a TSV that lists audio files


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
