"""The guesses of a model on the images of a manifest, as a table that can be scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from nst_asr.accuracy.guesses import Guesses
from nst_asr.device import usable_device
from nst_asr.progress import Progress
from nst_asr.vision.geometry import centred
from nst_asr.vision.images import read
from nst_asr.vision.model import load

_BATCH = 64


def classified(folder: Path, rows: pl.DataFrame, device: str) -> Guesses:
    """The classes that the model in a folder gives to images (id, path), with the probabilities of all its classes.

    Memory: 8 bytes a class and image. Raises StoreError, ConfigError, ImageError.
    """
    model = load(folder, usable_device(device))
    chances: list[np.ndarray] = []
    with Progress(folder.name, len(rows), "image") as progress:
        for start in range(0, len(rows), _BATCH):
            paths = rows["path"][start : start + _BATCH].to_list()
            images = centred([read(path) for path in paths], model.resolution, crop=model.crop)
            chances.append(model.probabilities(images).cpu().numpy().astype(np.float32))
            progress.advance(len(paths))
    shares = np.concatenate(chances)
    # a stable order: of equal probabilities the first class
    best = np.argsort(-shares, axis=1, kind="stable")[:, 0]
    places = np.broadcast_to(np.arange(shares.shape[1], dtype=np.int32), shares.shape)
    soft = {
        name: pl.Series(np.ascontiguousarray(part)).arr.to_list()
        for name, part in (("soft_index", places), ("soft_prob", shares))
    }
    table = pl.DataFrame({"id": rows["id"], "label": [model.classes[k] for k in best.tolist()], **soft})
    return Guesses(table, model.classes)
