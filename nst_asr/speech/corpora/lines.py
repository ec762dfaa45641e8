"""Lines of Kaldi's tables: the first blank separates a key from the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nst_asr.lines import numbered_lines


def keyed_lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """Number, first word and rest of each line that is not blank: the first blank separates them, as in Kaldi's tables.

    The rest is stripped; what is inside it, blanks too, stays. Raises ManifestError as `numbered_lines` does.
    """
    for number, text in numbered_lines(path):
        key, *rest = text.split(maxsplit=1)
        yield number, key, rest[0].rstrip() if rest else ""
