"""The last layer in full precision, whatever autocast does to the others.

B batch, D features, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ExactLinear(nn.Linear):
    """A linear layer that computes in float32 under autocast too.

    Logits of bfloat16 come in steps of 1/16: classes would tie, and confidences move by more than a hundredth.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Logits (B, C), float32, of features (B, D)."""
        with torch.autocast(features.device.type, enabled=False):
            return functional.linear(features.float(), self.weight, self.bias)


def exact(layer: nn.Linear) -> ExactLinear:
    """A layer with the same weights that computes exactly."""
    made = ExactLinear(layer.in_features, layer.out_features, device="meta")
    made.weight, made.bias = layer.weight, layer.bias
    return made
