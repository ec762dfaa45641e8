"""RandAugment (Cubuk et al. 2020): N operations drawn from fourteen, all at one magnitude M.

B images, N operations.

The list is the paper's. The ranges are those of the code that trained EfficientNet and Noisy Student (tensorflow/tpu
and google-research/noisystudent), where level = M / 10 and M may exceed 10:

| operation | argument at magnitude M | sign drawn | limits here |
| --- | --- | --- | --- |
| Identity, AutoContrast, Equalize | none | | |
| Rotate | 30 M / 10 degrees | yes | |
| ShearX, ShearY | 0.3 M / 10 | yes | |
| TranslateX, TranslateY | `translate` M / 10 of the side | yes | |
| Color, Contrast, Brightness, Sharpness | factor 0.1 + 1.8 M / 10 | no | |
| Posterize | int(4 M / 10) bits kept | no | 1 to 8 |
| Solarize | values from int(256 M / 10) up inverted | no | 0 to 256 |

Deviations, and oddities that are kept:

- The authors' code has Invert and SolarizeAdd (and, in the EfficientNet version, Cutout) and no Identity: 15 or 16
  operations. Here it is the paper's fourteen; `NoisePlan.cutout` is a square on every image.
- The authors move by 100 M / 10 pixels at every resolution from 224 up, and by an eighth of the side on 32 x 32. Here
  it is a share of the side, 1 / 6 unless told, which is theirs at 600 pixels, the size that M = 27 went with. (Their
  100 pixels at 224, and M = 27, leave nothing but grey.)
- Beyond M = 10 the factors simply go on (4.96 at M = 27), as theirs do. Above M = 20 they would keep more than 8 bits
  and above M = 10 invert from beyond 256, with results that depend on how TensorFlow turns such numbers into uint8 (not
  reproduced); here nothing happens to the image then. Below M = 2.5 they would keep 0 bits; here it is 1.
- As theirs, Posterize and Solarize grow weaker as M grows, and a factor is 1, no change, at M = 5. So M = 0 is not free
  of noise: it inverts, keeps 1 bit, and takes nine tenths of colour, contrast and brightness. `random` and `linear`
  run through that range.
- Geometry is PIL's without interpolation, around the image's middle; grey 128 comes in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from nst_asr.config import Record
from nst_asr.vision import pixels

OPERATIONS = (  # by number, as in pixels.py
    "Identity",
    "AutoContrast",
    "Equalize",
    "Solarize",
    "Posterize",
    "Contrast",
    "Brightness",
    "Rotate",
    "ShearX",
    "ShearY",
    "TranslateX",
    "TranslateY",
    "Color",
    "Sharpness",
)
_SLOPE = np.array([0, 0, 0, 256, 4, 1.8, 1.8, 30, 0.3, 0.3, 1, 1, 1.8, 1.8])  # of the argument, by level = M / 10
_START = np.array([0, 0, 0, 0, 0, 0.1, 0.1, 0, 0, 0, 0, 0, 0.1, 0.1])
_SIGNED = np.isin(OPERATIONS, ["Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY"])
_MOVES = np.isin(OPERATIONS, ["TranslateX", "TranslateY"])


class RandAugmentPlan(Record):
    """How many operations an image meets, and how strong they are, on the authors' scale."""

    ops: int = Field(2, ge=1, le=14)  # N, drawn with replacement
    magnitude: float = Field(27.0, ge=0, le=100)  # M; level = M / 10
    schedule: Literal["constant", "random", "linear"] = "constant"  # M; even in [0, M] for each operation; 0 to M
    translate: float = Field(1 / 6, ge=0, le=10)  # share of the side that Translate moves by at M = 10

    @property
    def mean_magnitude(self) -> float:
        """Over operations and, where it rises, over training."""
        return self.magnitude if self.schedule == "constant" else self.magnitude / 2


@dataclass(frozen=True)
class Draws:
    """What happens to each image: operations, (B, N) int64, by number, and their arguments, (B, N) float64."""

    operations: np.ndarray
    arguments: np.ndarray


def draw(plan: RandAugmentPlan, uniforms: np.ndarray, progress: float) -> Draws:
    """Operations and arguments from numbers in [0, 1), shape (B, 3 N); progress: share of training done."""
    which, sign, strength = uniforms.reshape(len(uniforms), 3, plan.ops).transpose(1, 0, 2)
    operations = (which * len(OPERATIONS)).astype(np.int64)
    share = {"constant": np.ones_like(strength), "random": strength, "linear": np.full_like(strength, progress)}
    found = arguments(operations, plan.magnitude * share[plan.schedule], plan.translate)
    return Draws(operations, np.where(_SIGNED[operations] & (sign < 0.5), -found, found))


def arguments(operations: np.ndarray, magnitudes: np.ndarray, translate: float = 1 / 6) -> np.ndarray:
    """The operations' arguments before any sign, float64, by the table above; both inputs of one shape."""
    slope = np.where(_MOVES[operations], translate, _SLOPE[operations])
    found = np.asarray(_START[operations] + np.asarray(magnitudes) / 10 * slope)
    found = np.where(operations == pixels.POSTERIZE, np.clip(np.floor(found), 1, 8), found)
    return np.asarray(np.where(operations == pixels.SOLARIZE, np.clip(np.floor(found), 0, 256), found))


@dataclass(frozen=True)
class Bin:
    """The place on torchvision's scale that comes nearest to an argument here, before any sign is drawn."""

    place: int  # its `magnitude`, 0 to 30
    here: float  # the argument, in this module's terms
    there: float  # torchvision's at that place, in the same terms


def table_for_torchvision(magnitude: float, translate: float = 1 / 6) -> dict[str, Bin]:
    """Operation -> the magnitude of torchvision.transforms.RandAugment (31 bins, 0 to 30) that comes nearest to M.

    Places, with `here/there` where torchvision cannot follow; operations without an argument have place 0:

    | operation | at place k of torchvision | M = 5 | M = 9 | M = 10 | M = 27 |
    | --- | --- | --- | --- | --- | --- |
    | Rotate | 30 k / 30 degrees | 15 | 27 | 30 | 30 (81/30) |
    | ShearX, ShearY | 0.3 k / 30 | 15 | 27 | 30 | 30 (0.81/0.3) |
    | TranslateX, TranslateY | 150 / 331 of the side, k / 30 of it | 15 | 27 | 30 | 30 (1.21/0.45) |
    | Color, Contrast, Brightness, Sharpness | factor 1 + or - 0.9 k / 30, even odds | 0 | 24 | 30 | 30 (4.96/1.9) |
    | Posterize | 8 - round(4 k / 30) bits | 27 (2/4) | 27 (3/4) | 27 | 0 |
    | Solarize | from 255 - 255 k / 30 up | 15 | 3 | 0 | 0 |

    torchvision has one magnitude for all operations, so no setting of it is the same noise: as M grows its factors go
    away from 1 on either side and its Posterize and Solarize grow stronger, where the authors' grow weaker.
    """
    numbers = np.arange(len(OPERATIONS))
    here = arguments(numbers, np.full(len(OPERATIONS), magnitude), translate).tolist()
    return {name: _nearest(name, argument) for name, argument in zip(OPERATIONS, here, strict=True)}


def _nearest(name: str, argument: float) -> Bin:
    share = np.linspace(0, 1, 31)
    scales = {
        "Rotate": 30 * share,
        "ShearX": 0.3 * share,
        "ShearY": 0.3 * share,
        "TranslateX": 150 / 331 * share,
        "TranslateY": 150 / 331 * share,
        "Posterize": 8 - np.round(4 * share),
        "Solarize": 255 - 255 * share,
        "AutoContrast": np.zeros(31),
        "Equalize": np.zeros(31),
        "Identity": np.zeros(31),
    }
    there = scales.get(name, 1 + (0.9 if argument >= 1 else -0.9) * share)
    place = int(np.abs(there - argument).argmin())
    return Bin(place, argument, float(there[place]))
