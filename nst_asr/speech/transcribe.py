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
from nst_asr.speech.beam import load as load_lm
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
    score: float | None = None  # nats: what the search maximised; None without a language model, as the next two
    lm_logprob: float | None = None  # nats: the language model's part, before its weight
    text_without_lm: str | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """All but the error, and what takes a language model where there is none."""
        known = asdict(self).items()
        return {name: value for name, value in known if name != "error" and not (name in _OF_LM and value is None)}


_BEAM, _WEIGHT = 16, 0.5  # with a language model
_OF_LM = ("score", "lm_logprob", "text_without_lm")


class TranscribeError(ValueError):
    """Options that do not go together; the message says which."""


def plan_of(
    beam: int | None = None,
    lm: Path | None = None,
    weight: float | None = None,
    bonus: float | None = None,
    lexicon: str | None = None,
) -> Decode:
    """The plan of the command line's options, None where one was not given. Raises TranscribeError and ConfigError."""
    if lm is None:
        given = {"--lm-weight": weight, "--lm-bonus": bonus, "--lexicon": lexicon}
        if idle := [name for name, value in given.items() if value is not None]:
            raise TranscribeError(f"{' and '.join(idle)} without a language model; give one with --lm")
        return config.parse(Decode, {} if beam is None else {"beam": beam}, "--beam")
    beam = _BEAM if beam is None else beam
    keys = {"path": lm, "weight": _WEIGHT if weight is None else weight, "bonus": bonus or 0.0}
    keys |= {
        "nbest": max(1, min(2, beam)),
        "lexicon": Path(lexicon) if lexicon not in (None, "vocabulary") else lexicon,
    }
    return config.parse(Decode, {"beam": beam, "lm": keys}, "--lm")


def transcribe(
    model: Path, audio: Sequence[Path], *, plan: Decode | None = None, device: str = "auto"
) -> Iterator[Heard]:
    """One `Heard` a file, in order; a file that cannot be read gives one with an error and the rest go on.

    plan: how labels are looked for; greedily unless given. Raises LMError and LexiconError for a language model that
    cannot be used, before any file is read.
    """
    recogniser, plan = load(model, usable_device(device)), plan or Decode()
    if plan.lm is not None:
        load_lm(plan.lm, recogniser.tokenizer)
    for path in audio:
        try:
            wave = read(path, recogniser.features.rate)
        except AudioError as error:
            yield Heard(str(path), error=str(error))
            continue
        log_probs, lengths = recogniser.log_probs([wave])
        (label,) = decode.labels(log_probs, lengths, plan, recogniser.tokenizer)
        tokens, alone = [label.tokens], label.tokens_without_lm
        sure = decode.confidences(log_probs, lengths, tokens)[0]
        yield Heard(
            path=str(path),
            text=recogniser.tokenizer.decode(tokens[0]),
            confidence=sure.maximum,
            seconds=len(wave) / recogniser.features.rate,
            logprob=float(ctc.log_probability(log_probs, lengths, tokens)[0]),
            token_confidence=tuple(sure.tokens),
            score=label.score,
            lm_logprob=label.lm_logprob,
            text_without_lm=None if alone is None else recogniser.tokenizer.decode(alone),
        )
