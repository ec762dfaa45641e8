"""Whisper's own normaliser of English, from whichever package brings it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import cast

from nst_asr.scoring.texts import ScoringError

_SOURCES = (("whisper_normalizer.english", "whisper-normalizer"), ("whisper.normalizers", "openai-whisper"))


def whisper_english() -> tuple[Callable[[str], str], str]:
    """The EnglishTextNormalizer of whisper-normalizer, else of openai-whisper (slow to start: it loads torch).

    And the name and version of the package, since versions differ in what they do. Raises ScoringError where there is
    neither. Source: Radford et al. 2022, "Robust speech recognition via large-scale weak supervision", appendix C.
    """
    for module, package in _SOURCES:
        try:
            found = import_module(module)
        except ImportError:
            continue
        return cast(Callable[[str], str], found.EnglishTextNormalizer()), f"{package} {version(package)}"
    raise ScoringError(
        "normalisation whisper-english: it is done by a package that is not installed: "
        "pip install whisper-normalizer (or openai-whisper)"
    )
