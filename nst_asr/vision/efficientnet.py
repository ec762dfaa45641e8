"""EfficientNets B0 to B8 and L2 as TensorFlow's checkpoints have them, through timm (Tan and Le 2019; Xie et al. 2020).

C classes, L blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import timm
from torch import nn

NAMES = (*(f"efficientnet_b{size}" for size in range(9)), "efficientnet_l2")
_MOMENTUM = 0.01  # Tan and Le 2019, section 5: the running statistics keep 0.99 at each update; torch counts the rest


@dataclass(frozen=True)
class Published:
    """How published weights see an image: its side in pixels, the centre crop's share, mean and std in [0, 1]."""

    resolution: int
    crop: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def efficientnet(name: str, classes: int, dropout: float = 0.0, survival: float = 1.0) -> nn.Module:
    """timm's tf_`name`, its weights drawn anew.

    Blocks survive with a probability that falls linearly with their place l = 0 ... L - 1, 1 - (l / L) (1 - survival),
    as in the official code: the last block's is a little above `survival`. Only branches with a skip connection are
    dropped.
    """
    net: nn.Module = timm.create_model(
        f"tf_{name}",
        pretrained=False,
        num_classes=classes,
        drop_rate=dropout,
        drop_path_rate=1 - survival,
        bn_momentum=_MOMENTUM,
    )
    return net


def published(name: str) -> Published:
    """What timm says of the noisy-student weights of `name`; of B8, which has none, of the RandAugment ones."""
    tag = "ra_in1k" if name == "efficientnet_b8" else "ns_jft_in1k"
    found: Any = timm.get_pretrained_cfg(f"tf_{name}.{tag}")
    return Published(found.input_size[-1], found.crop_pct, tuple(found.mean), tuple(found.std))
