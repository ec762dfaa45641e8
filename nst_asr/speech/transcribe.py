"""Text and confidence of single audio files, from a model folder alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nst_asr import config
from nst_asr.device import usable_device
from nst_asr.speech import ctc, decode
from nst_asr.speech.audio import AudioError, read
from nst_asr.speech.model import load
from nst_asr.speech.plan import Decode


@dataclass(frozen=True)
class Heard:
    """What was heard in a file, or why it could not be."""

    path: str
    text: str = ""
    confidence: float = 0.0  # in [0, 1]: mean over tokens of the maximum probability
    seconds: float = 0.0
    logprob: float = 0.0  # nats
    token_confidence: tuple[float, ...] = ()
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """All but the error."""
        return {name: value for name, value in asdict(self).items() if name != "error"}


def transcribe(model: Path, audio: Sequence[Path], *, beam: int = 1, device: str = "auto") -> Iterator[Heard]:
    """One `Heard` a file, in order; a file that cannot be read gives one with an error and the rest go on."""
    recogniser, plan = load(model, usable_device(device)), config.parse(Decode, {"beam": beam}, "--beam")
    for path in audio:
        try:
            wave = read(path, recogniser.features.rate)
        except AudioError as error:
            yield Heard(str(path), error=str(error))
            continue
        log_probs, lengths = recogniser.log_probs([wave])
        tokens = decode.decode(log_probs, lengths, plan)
        sure = decode.confidences(log_probs, lengths, tokens)[0]
        yield Heard(
            path=str(path),
            text=recogniser.tokenizer.decode(tokens[0]),
            confidence=sure.maximum,
            seconds=len(wave) / recogniser.features.rate,
            logprob=float(ctc.log_probability(log_probs, lengths, tokens)[0]),
            token_confidence=tuple(sure.tokens),
        )
