"""A neural language model: a self-contained folder with weights, tokenizer, net and lineage.

Legend: B sentences, U units, V vocabulary (unit 0 is the sentence's end).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from nst_asr import __version__, config, sealed
from nst_asr.speech.lm.nets import LSTM, State, Transformer, build
from nst_asr.speech.lm.objective import padded
from nst_asr.speech.lm.plan import NetPlan
from nst_asr.speech.lm.text import Text
from nst_asr.speech.tokenizer import Tokenizer
from nst_asr.store import StoreError, written_aside

_WEIGHTS = "weights.safetensors"
_FILES = (_WEIGHTS, "tokenizer.json", "tokenizer.model")
_DECIDING = ("net",)
_AT_ONCE = 8192  # units with their padding


@dataclass(frozen=True)
class NeuralLM:
    """log P(sentence), of whole sentences or one unit after the other. Evaluation mode, no dropout."""

    net: LSTM | Transformer
    tokenizer: Tokenizer

    def log_prob(self, sentences: Sequence[Sequence[int]]) -> np.ndarray:
        """log P of each sentence, nats, shape (N,), float64: the sum of log P(unit | those before), the end included.

        A sentence's figure does not depend on the others beyond rounding. Raises ValueError for what is no unit.
        """
        found = np.zeros(len(sentences))
        self._refuse_strange(sentences)
        for places in _batches([len(sentence) + 1 for sentence in sentences]):
            read, wanted = padded([sentences[place] for place in places])
            found[places] = self._sums(read, wanted)
        return found

    def start(self, count: int) -> tuple[Tensor, State]:
        """Log probabilities (B, V), nats, of the first unit of `count` sentences, and the state to go on from."""
        device = self.net.bias.device
        return self.step(self.net.start(count), torch.zeros(count, dtype=torch.long, device=device))

    def step(self, state: State, units: Tensor) -> tuple[Tensor, State]:
        """Log probabilities (B, V), nats, of what follows one more unit of each sentence: unit 0 is its end.

        The state's tensors have B first: a search picks the states of the hypotheses that it keeps by their places.
        """
        self.net.eval()
        with torch.inference_mode():
            logits, after = self.net.step(state, units)
            return logits.float().log_softmax(-1), after

    def perplexity(self, text: Text) -> dict[str, float]:
        """exp of the mean negative log probability: a unit, and a word; each sentence's end counts as one of either."""
        total = -float(self.log_prob([text[place].tolist() for place in range(len(text))]).sum())
        words, sentences = int(text.words.sum()), len(text)
        return {
            "sentences": sentences,
            "units": len(text.units),
            "words": words,
            "nats": total,
            "unit_perplexity": _exp(total / (len(text.units) + sentences)),
            "word_perplexity": _exp(total / (words + sentences)),
        }

    def save(self, folder: Path, lineage: dict[str, Any]) -> None:
        """Write the folder and seal it with its hash, the last file written."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: value.detach().float().cpu().contiguous() for name, value in self.net.state_dict().items()}
        with written_aside(folder / _WEIGHTS) as part:
            part.write_bytes(save(weights))
        self.tokenizer.save(folder)
        content = {
            "net": self.net.plan.model_dump(mode="json"),
            "parameters": sum(value.numel() for value in weights.values()),
            "lineage": lineage,
            "version": __version__,
        }
        sealed.seal(folder, content, _FILES, _DECIDING)

    def _sums(self, read: Tensor, wanted: Tensor) -> np.ndarray:
        self.net.eval()
        device = self.net.bias.device
        with torch.inference_mode():
            log_probs = self.net(read.to(device)).float().log_softmax(-1)
            real = wanted >= 0
            chosen = log_probs.gather(2, wanted.clamp(min=0).to(device)[..., None])[..., 0].cpu().double()
        return np.asarray((chosen * real).sum(1).numpy())

    def _refuse_strange(self, sentences: Sequence[Sequence[int]]) -> None:
        for sentence in sentences:
            if len(sentence) and not 0 < min(sentence) <= max(sentence) < self.tokenizer.size:
                raise ValueError(f"{list(sentence)}: not all are units of text: 1 to {self.tokenizer.size - 1}")


def load(folder: Path, device: torch.device | str = "cpu") -> NeuralLM:
    """The language model in a folder. Raises StoreError where the folder holds none."""
    sealed.refuse_unfinished(folder)
    sealed.refuse_altered(folder, _FILES, _DECIDING)
    try:
        content = json.loads((folder / sealed.DESCRIPTION).read_text(encoding="utf-8"))
        plan = config.parse(NetPlan, content["net"], str(folder / sealed.DESCRIPTION))
        tokenizer = Tokenizer.load(folder)
        net = build(plan, tokenizer.size)
        net.load_state_dict(load_file(folder / _WEIGHTS))
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise StoreError(f"{folder}: a damaged language model ({error})") from error
    return NeuralLM(net.to(device).eval(), tokenizer)


@lru_cache(maxsize=2)
def loaded(folder: Path, digest: str, device: str) -> NeuralLM:
    """A language model, read once; `digest` (its HASH) tells it from another that once lay in the same place."""
    return load(folder, device)


def fingerprint(folder: Path) -> str:
    """What names the model in lineage: the digest its folder was sealed with. Raises StoreError where it holds none."""
    sealed.refuse_unfinished(folder)
    return (folder / sealed.HASH).read_text(encoding="utf-8").strip()


def _exp(nats: float) -> float:
    return math.exp(min(nats, 700.0))  # beyond which there is no float


def _batches(sizes: Sequence[int]) -> Iterator[list[int]]:
    """Places of sentences in batches of like length, none over so many units padded unless it is one sentence."""
    batch: list[int] = []
    for place in np.argsort(sizes, kind="stable").tolist():
        if batch and sizes[place] * (len(batch) + 1) > _AT_ONCE:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
