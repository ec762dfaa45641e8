"""Names that no manifest can hold, told before any audio is opened."""

from __future__ import annotations

import re

from nst_asr.lines import ManifestError
from nst_asr.speech.corpora.utterance import Defect, Utterance

_TORN = re.compile(r"[\t\r\n]")
_NO_TEXT = re.compile("[\ud800-\udfff]")  # what Python makes of the bytes of a file name that is not UTF-8


def fit_to_write(each: Utterance | Defect, *, tsv: bool, truth: bool) -> Utterance | Defect:
    """The utterance as it is, or a Defect where its id, speaker or path cannot be written as UTF-8.

    Raises ManifestError for an empty id, and for a tab or line end where it would tear a line: in what goes to a `tsv`,
    and in the id where there is a list of the `truth`.
    """
    if isinstance(each, Defect):
        return Defect(_escaped(each.id), each.kind, _escaped(each.detail))
    if any(map(_NO_TEXT.search, (each.id, each.path, each.speaker or ""))):
        return Defect(_escaped(each.id), "a name that is not UTF-8", f"{_escaped(each.path)}; rename it (convmv)")
    if not each.id:
        raise ManifestError(f"{each.where}: an empty id; every utterance needs one of its own")
    written = {"id": each.id} | ({"path": each.path, "speaker": each.speaker or ""} if tsv else {})
    for name, text in written.items() if tsv or truth else ():
        if _TORN.search(text):
            way_out = "rename it" if truth else "use .parquet, or rename it"
            raise ManifestError(
                f"{each.where}: a tab or line end in the {name} {text!r} has no place in a TSV; {way_out}"
            )
    return each


def _escaped(text: str) -> str:
    """The text with the bytes that are not UTF-8 written as backslash, x and two digits."""
    return _NO_TEXT.sub(lambda found: f"\\x{ord(found.group()) & 0xFF:02x}", text)
