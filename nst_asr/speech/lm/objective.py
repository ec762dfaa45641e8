"""What a language model's training minimises: cross-entropy of each sentence's units and its end.

Legend: B sentences, U units.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nst_asr.key import Key
from nst_asr.order import Indexed
from nst_asr.pieces import bounds, pieces
from nst_asr.speech.lm.nets import LSTM, Transformer
from nst_asr.speech.lm.plan import LMFit
from nst_asr.speech.lm.text import Text

_BOUNDARY = 0  # the sentence's beginning where it is read, its end where it is predicted
_IGNORED = -100
_WINDOW = 16  # batches among which sentences are sorted by length, to keep padding small


@dataclass(frozen=True)
class TextPiece:
    """Part of a batch. read, wanted: (B, U), padded; `wanted` is `read` one unit later, and the sentence's end."""

    ids: Sequence[str]
    read: Tensor
    wanted: Tensor
    count: float  # units to predict
    scalars: Mapping[str, float]

    @property
    def sizes(self) -> Mapping[str, float]:
        """None: text has one source."""
        return {}


@dataclass(frozen=True)
class TextObjective:
    """Cross-entropy over batches of sentences of like length; batch number `step` is a function of key and step."""

    model: LSTM | Transformer
    text: Text
    fit: LMFit
    key: Key
    device: torch.device

    @property
    def epoch(self) -> float:
        """Updates after which every sentence has been read once."""
        return float(self.text.sizes.sum() / self.fit.batch)

    def load(self, step: int, rank: int = 0, world: int = 1) -> list[TextPiece]:
        """This process's pieces of the batch."""
        places = self.batch(step)
        groups = pieces(self.text.sizes[places].astype(float), self.fit.accumulate * world)
        return [self._piece(places[group.start : group.stop]) for group in groups[rank::world]]

    def loss(self, piece: TextPiece) -> Tensor:
        """The negative log likelihood, nats, summed over the units and ends of the piece."""
        logits = self.model(piece.read.to(self.device))
        return functional.cross_entropy(
            logits.float().flatten(0, 1), piece.wanted.to(self.device).flatten(), ignore_index=_IGNORED, reduction="sum"
        )

    def batch(self, step: int) -> np.ndarray:
        """The sentences of a batch by their place in the text, the shortest first."""
        window, number = divmod(step, _WINDOW)
        return self._window(window)[number]

    @cached_property
    def _order(self) -> Indexed:
        return Indexed(self.text.sizes, self.key["order"])

    @cached_property
    def _window(self) -> Callable[[int], list[np.ndarray]]:
        return lru_cache(maxsize=2)(self._make_window)

    def _make_window(self, window: int) -> list[np.ndarray]:
        """The batches of a window: sentences in keyed order, sorted by length, dealt out, in keyed order again."""
        size, total = math.ceil(_WINDOW * self.fit.batch), int(self.text.sizes.sum())
        low, high = window * size, (window + 1) * size
        laps = range(low // total, (high - 1) // total + 1)
        drawn = [self._order.between(lap, max(low - lap * total, 0), min(high - lap * total, total)) for lap in laps]
        places = np.concatenate(drawn)
        places = places[np.lexsort((places, self.text.sizes[places]))]
        cuts = bounds(self.text.sizes[places], _WINDOW)
        turns = self.key["window", window].generator().permutation(_WINDOW)
        return [places[cuts[turn] : cuts[turn + 1]] for turn in turns]

    def _piece(self, places: np.ndarray) -> TextPiece:
        read, wanted = padded([self.text[place] for place in places])
        count = float((wanted != _IGNORED).sum())
        return TextPiece([f"sentence {place}" for place in places], read, wanted, count, {"units": count})


def padded(sentences: Sequence[Sequence[int] | np.ndarray]) -> tuple[Tensor, Tensor]:
    """What is read and what is wanted of each sentence, (B, U) each, int64; U is the longest and one more."""
    U = max(map(len, sentences)) + 1
    read = np.full((len(sentences), U), _BOUNDARY, np.int64)
    wanted = np.full((len(sentences), U), _IGNORED, np.int64)
    for row, sentence in enumerate(sentences):
        read[row, 1 : len(sentence) + 1] = sentence
        wanted[row, : len(sentence)] = sentence
        wanted[row, len(sentence)] = _BOUNDARY
    return torch.from_numpy(read), torch.from_numpy(wanted)
