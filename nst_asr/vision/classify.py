"""Class and confidence of single image files, from a model folder alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nst_asr.device import usable_device
from nst_asr.vision.geometry import centred
from nst_asr.vision.images import ImageError, read
from nst_asr.vision.model import load


@dataclass(frozen=True)
class Seen:
    """What was seen in a file, or why it could not be."""

    path: str
    label: str = ""
    confidence: float = 0.0  # probability of the class
    top: tuple[tuple[str, float], ...] = ()  # the most probable classes with their probabilities
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """All but the error."""
        return {name: value for name, value in asdict(self).items() if name != "error"}


def classify(model: Path, images: Sequence[Path], *, top: int = 5, device: str = "auto") -> Iterator[Seen]:
    """One `Seen` a file, in order; a file that cannot be read gives one with an error and the rest go on."""
    classifier = load(model, usable_device(device))
    for path in images:
        try:
            image = read(path)
        except ImageError as error:
            yield Seen(str(path), error=str(error))
            continue
        found = classifier.probabilities(centred([image], classifier.resolution, crop=classifier.crop))[0]
        shares, places = found.topk(min(top, len(classifier.classes)))
        best = tuple(zip((classifier.classes[i] for i in places.tolist()), shares.tolist(), strict=True))
        yield Seen(str(path), best[0][0], best[0][1], best)
