"""The student's noise on images: crop, flip, RandAugment, a grey square. Only training uses it.

Every draw follows from one seed an image, not from what else is in the batch. B images, S the side of what comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from nst_asr.config import Record
from nst_asr.vision import pixels, windows
from nst_asr.vision.draws import uniforms
from nst_asr.vision.geometry import CROP_DRAWS, ImageShapeError, centred, randomly_cropped
from nst_asr.vision.randaugment import RandAugmentPlan, draw

_CROP, _FLIP, _AUGMENT, _CUTOUT = range(4)  # streams of draws


class NoisePlan(Record):
    """All the noise that a model is trained under, the model's own (dropout, stochastic depth) included."""

    rand_augment: RandAugmentPlan | None = None
    cutout: int = Field(0, ge=0)  # side of a grey square, pixels at the training resolution (authors: 16 on 32 x 32)
    flip: float = Field(0.5, ge=0, le=1)  # probability of a mirror image
    crop: Literal["none", "pad", "resized"] = "none"
    pad: int = Field(4, ge=0)  # pixels of black around the image before it is cropped back, for crop: pad
    area: float = Field(0.08, gt=0, le=1)  # lowest share of the image that is kept, for crop: resized
    dropout: float = Field(0.0, ge=0, lt=1)  # probability, before the classifier
    survival: float = Field(1.0, gt=0, le=1)  # of the last block; 1 = no stochastic depth

    def components(self) -> dict[str, float]:
        """Component -> strength; larger is noisier, 0 is none. What a student's noise is compared by."""
        augment = self.rand_augment
        return {
            "RandAugment (operations x mean magnitude)": augment.ops * augment.mean_magnitude if augment else 0.0,
            "cutout (side, pixels)": float(self.cutout),
            "flip (share of the rarer side)": round(min(self.flip, 1 - self.flip), 6),
            "crop after padding (pixels)": float(self.pad) if self.crop == "pad" else 0.0,
            "crop, resized (1 - lowest share of area)": round(1 - self.area, 6) if self.crop == "resized" else 0.0,
            "dropout": self.dropout,
            "stochastic depth (1 - survival)": round(1 - self.survival, 6),
        }


def noised(
    images: Sequence[np.ndarray] | np.ndarray,
    seeds: np.ndarray,
    plan: NoisePlan,
    resolution: int,
    progress: float = 1.0,
) -> np.ndarray:
    """The images as training sees them: uint8 (B, S, S, 3), S = resolution.

    images: uint8 (H, W, 3) of any sizes, or one array (B, H, W, 3). seeds: (B,) uint64. progress: share of training
    done, for magnitudes that rise. Row i depends on images[i] and seeds[i] alone. In order: crop, flip, RandAugment,
    cutout, as in the authors' ImageNet code. (On 32 x 32 theirs crops and flips last, and pads with the image's mirror
    image.) With `pad` and without a crop it begins with the central square, as a labeler does, resized where it has
    another size. Raises ImageShapeError.
    """
    seeds = np.asarray(seeds)
    if len(seeds) != len(images) or seeds.dtype != np.uint64:
        raise ImageShapeError(f"{len(images)} images but {len(seeds)} seeds of {seeds.dtype}: give each a uint64")
    found = _cropped(images, seeds, plan, resolution)
    if plan.rand_augment:
        drawn = draw(plan.rand_augment, uniforms(seeds, _AUGMENT, 3 * plan.rand_augment.ops), progress)
        pixels.augment(found, drawn.operations, drawn.arguments)
    if plan.cutout:
        # the middle is even over the image, so a square may be cut off at its border (DeVries & Taylor 2017)
        corners = np.floor(uniforms(seeds, _CUTOUT, 2) * resolution).astype(np.int64) - plan.cutout // 2
        windows.cut(found, corners, plan.cutout)
    return found


def _cropped(
    images: Sequence[np.ndarray] | np.ndarray, seeds: np.ndarray, plan: NoisePlan, resolution: int
) -> np.ndarray:
    """Crop and flip. A copy: what comes in is never written to."""
    flip = uniforms(seeds, _FLIP, 1)[:, 0] < plan.flip
    if plan.crop == "resized":
        return randomly_cropped(images, uniforms(seeds, _CROP, CROP_DRAWS), flip, resolution, plan.area)
    pad = plan.pad if plan.crop == "pad" else 0
    corners = np.floor(uniforms(seeds, _CROP, 2) * (2 * pad + 1)).astype(np.int64) - pad
    return np.asarray(windows.shifted(centred(images, resolution), corners, flip))
