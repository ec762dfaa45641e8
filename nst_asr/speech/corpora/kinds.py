"""The kinds of corpora that can be prepared, and what reads each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from nst_asr.speech.corpora.folder import audio_below, listed
from nst_asr.speech.corpora.kaldi import kaldi
from nst_asr.speech.corpora.lhotse_manifests import lhotse, supervisions_beside
from nst_asr.speech.corpora.librispeech import librispeech
from nst_asr.speech.corpora.nemo import nemo
from nst_asr.speech.corpora.shar import shar
from nst_asr.speech.corpora.utterance import Defect, Utterance

Reader = Callable[[Path, bool], Iterator[Utterance | Defect]]  # source, and whether texts are wanted


def _folder_or_list(source: Path, texts: bool) -> Iterator[Utterance | Defect]:
    return audio_below(source, texts=texts) if source.is_dir() else listed(source)


def _lhotse_with_pair(source: Path, _: bool) -> Iterator[Utterance]:
    return lhotse(source, supervisions_beside(source))


KINDS: dict[str, Reader] = {
    "folder": _folder_or_list,
    "kaldi": lambda source, texts: kaldi(source, texts=texts),
    "lhotse": _lhotse_with_pair,
    "librispeech": lambda source, texts: librispeech(source, texts=texts),
    "nemo": lambda source, _: nemo(source),
    "shar": lambda source, _: shar(source),
}
