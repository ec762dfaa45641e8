"""How many utterances a corpus has, each with an id of its own, told before any audio is opened."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable

import numpy as np

from nst_asr.lines import ManifestError
from nst_asr.speech.corpora.utterance import Defect, Utterance

Corpus = Callable[[], Iterable[Utterance | Defect]]  # may be read several times


def count_unique(corpus: Corpus, source: str) -> int:
    """The number of utterances, with those that a reader found defects in.

    Raises ManifestError where there is no utterance, and where two have one id.

    Keeps 8 bytes of each id. Whatever a reader refuses is refused here, in seconds, not after hours of checking.
    """
    defects, collected, first = 0, array("q"), ""
    for each in corpus():
        if isinstance(each, Utterance):
            collected.append(hash(each.id))
        else:
            defects, first = defects + 1, first or f" but {each.id} ({each.reason})"
    if not collected:
        raise ManifestError(f"{source}: no utterance in it{first}; is it the right folder, and the right kind?")
    ordered = np.frombuffer(collected, np.int64)
    ordered.sort()
    _refuse_doubled(corpus, set(ordered[1:][ordered[1:] == ordered[:-1]].tolist()))
    return len(collected) + defects


def _refuse_doubled(corpus: Corpus, hashes: set[int]) -> None:
    """ManifestError for an id that occurs twice, told from two ids that only share a hash by reading once more."""
    seen: dict[str, Utterance] = {}
    for each in corpus() if hashes else ():
        if not isinstance(each, Utterance) or hash(each.id) not in hashes:
            continue
        if each.id in seen:
            raise ManifestError(
                f"{each.id} occurs twice: {seen[each.id].where} and {each.where}; make ids unique, or take one out"
            )
        seen[each.id] = each
