"""A training step as a benchmark times it: features, SpecAugment, forward, CTC, backward, AdamW.

B utterances, N samples, T frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from nst_asr.key import Key
from nst_asr.speech.audio import read
from nst_asr.speech.corpora.manifests import read_manifest
from nst_asr.speech.ctc import ctc_loss_sum
from nst_asr.speech.features import FeaturePlan, FeatureStatistics, log_mel
from nst_asr.speech.model import pad
from nst_asr.speech.noise import SpecAugmentPlan, spec_augment

_TOKENS_PER_SECOND = 3.5  # about what 512 pieces make of read English


@dataclass(frozen=True)
class Batch:
    """Utterances padded to the longest: waves (B, N), their lengths (B,) in samples, and made-up labels."""

    waves: Tensor
    lengths: Tensor
    labels: list[list[int]]

    @property
    def seconds(self) -> float:
        """Seconds of audio, padding not counted."""
        return int(self.lengths.sum()) / FeaturePlan().rate


def synthetic(utterances: int, seconds: float, vocabulary: int) -> Batch:
    """Utterances of white noise, all of one length: nothing is padded."""
    samples = round(seconds * FeaturePlan().rate)
    draw = Key(0)["benchmark", "waves"].generator()
    waves = 0.1 * torch.from_numpy(draw.standard_normal((utterances, samples), dtype="float32"))
    return _batch(waves, torch.full((utterances,), samples), vocabulary)


def bucketed(corpus: Path, seconds: float, batches: int, vocabulary: int) -> list[Batch]:
    """Batches of real utterances of like length, `seconds` of audio each at most; the shortest, the longest and those
    evenly between. Raises ValueError where the corpus has too few.
    """
    rows = read_manifest(corpus, labeled=False)
    groups: list[list[tuple[str, float, float]]] = [[]]
    for path, start, size in rows.sort("size").select("path", "start", "size").iter_rows():
        if groups[-1] and (len(groups[-1]) + 1) * size > seconds:  # as padded: this one is the longest so far
            groups.append([])
        groups[-1].append((path, start, size))
    if len(groups) < batches:
        raise ValueError(
            f"{corpus}: its {len(rows)} utterances fill {len(groups)} batches of {seconds:g} s; asked for {batches}"
        )
    chosen = [groups[round(place * (len(groups) - 1) / max(batches - 1, 1))] for place in range(batches)]
    rate = FeaturePlan().rate
    waves = [[read(path, rate, start=start, seconds=size) for path, start, size in group] for group in chosen]
    return [_batch(*pad(group), vocabulary) for group in waves]


class Trainer:
    """A model in training. Calling it makes one step, and gives the loss, in nats a token.

    model: (features (B, T, F), frames (B,)) -> (logits (B, T', V), lengths (B,)).
    """

    def __init__(self, model: nn.Module, device: torch.device, *, bfloat16: bool) -> None:
        self.model = model.to(device).train()
        self.device = device
        self.bfloat16 = bfloat16
        self.features = FeaturePlan()
        self.statistics = FeatureStatistics(torch.full((80,), -7.0), torch.full((80,), 2.0))
        self.masks = SpecAugmentPlan(time_masks=10, time_share=0.05)  # Gulati et al. 2020, section 3.1
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.98), fused=True)
        self.steps = 0

    def __call__(self, batch: Batch) -> Tensor:
        """The loss of the step, still on its device."""
        logits, lengths = self.forward(batch)
        loss = ctc_loss_sum(logits, lengths, batch.labels).sum() / sum(map(len, batch.labels))
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.steps += 1
        return loss.detach()

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits and their lengths, from waves."""
        keys = [Key(0)["step", self.steps, place] for place in range(len(batch.labels))]
        with torch.no_grad():
            mels, frames = log_mel(batch.waves.to(self.device), batch.lengths.to(self.device), self.features)
            mels = spec_augment(self.statistics.normalise(mels, frames), frames, self.masks, keys)
        with torch.autocast(self.device.type, dtype=torch.bfloat16) if self.bfloat16 else nullcontext():
            logits, lengths = self.model(mels, frames)
        return logits, lengths

    def operations(self, batches: Sequence[Batch]) -> float:
        """Floating-point operations of a step on each of these: three times those of the forward pass' products.

        Meant for a GPU: of the subsampling by products that a CPU does, torch's counter sees some only.
        """
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            for batch in batches:
                self.forward(batch)
        return 3.0 * float(counter.get_total_flops())


def _batch(waves: Tensor, lengths: Tensor, vocabulary: int) -> Batch:
    draw = Key(0)["benchmark", "labels"].generator()
    counts = [max(1, int(_TOKENS_PER_SECOND * samples / FeaturePlan().rate)) for samples in lengths.tolist()]
    return Batch(waves, lengths, [draw.integers(1, vocabulary, count).tolist() for count in counts])
