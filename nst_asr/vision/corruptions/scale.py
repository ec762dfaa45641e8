"""For which size of image a published strength was chosen."""

from __future__ import annotations

import numpy as np

SIDES = (32, 64, 224)  # CIFAR-10-C, Tiny-ImageNet-C, ImageNet-C


def published_side(image: np.ndarray) -> int:
    """The one of `SIDES` that is nearest in ratio to the shorter side of an image (H, W, ...)."""
    side = min(image.shape[:2])
    return min(SIDES, key=lambda published: abs(float(np.log(side / published))))
