"""Which token each frame carries: the most probable alignment of a label with log probabilities.

B batch, T frames (after subsampling), U tokens, V vocabulary; index 0 is the blank.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from nst_asr.speech.ctc import alignable
from nst_asr.speech.search import best_path


def align(log_probs: Tensor, lengths: Tensor, tokens: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """The place of the token that each frame carries in the label's most probable alignment, -1 for a blank; (T,).

    Raises ValueError naming the row of a label that has no alignment: too many tokens, or probability zero.
    """
    rows = zip(frames_of(log_probs, lengths), tokens, strict=True)
    return [_align(b, row, label) for b, (row, label) in enumerate(rows)]


def frames_of(log_probs: Tensor, lengths: Tensor) -> Iterator[np.ndarray]:
    """The frames of each utterance (T, V), float64, without padding; one copy to the host for the whole batch."""
    check(log_probs, lengths)
    values = log_probs.detach().cpu().double().numpy()
    return (values[b, :length] for b, length in enumerate(lengths.tolist()))


def check(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """True where a frame is real, (B, T). Raises ValueError where a real frame has no finite maximum."""
    B, T, _V = log_probs.shape
    if lengths.shape != (B,) or (B and int(lengths.max()) > T):
        raise ValueError(f"lengths {lengths.tolist()} do not fit log probabilities of shape {tuple(log_probs.shape)}")
    real = torch.arange(T, device=log_probs.device) < lengths.to(log_probs.device)[:, None]
    bad = real & ~torch.isfinite(log_probs.amax(dim=2))
    if bad.any():
        b, t = bad.nonzero()[0].tolist()
        raise ValueError(
            f"row {b}, frame {t}: its log probabilities are not numbers, or all minus infinity; the model's weights "
            "or its input are broken"
        )
    return real


def _align(b: int, row: np.ndarray, label: Sequence[int]) -> np.ndarray:
    if len(label) and not 0 < min(label) <= max(label) < row.shape[1]:
        raise ValueError(f"row {b}: tokens {list(label)} are not all in 1 ... {row.shape[1] - 1}; a blank is no token")
    path: np.ndarray = best_path(row, np.asarray(label, dtype=np.int32))
    if len(path) < len(row) or not alignable(len(row), label):
        raise ValueError(
            f"row {b}: {len(label)} tokens cannot be aligned with {len(row)} frames: too many of them, or their "
            "probability is zero; give the label that was decoded from these frames"
        )
    return path
