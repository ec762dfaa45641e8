"""What a reader of a report sees of an image: the image, small."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from nst_asr.report.preview import Media, Preview, PreviewError, pool_manifest
from nst_asr.vision.images import ImageError, read
from nst_asr.vision.manifests import ManifestError, read_manifest

LONGEST = 192  # pixels of a picture's longer side at most
_SMALL = 64  # pixels of the longer side up to which every pixel is kept as it is
_QUALITY = 75  # of WebP, for larger ones


def previews(run: Path, sizes: Mapping[str, float]) -> Iterator[Preview | str]:
    """For each id of the pool its picture, or why there is none.

    Only these images are read. Raises PreviewError where there is no manifest any more.
    """
    path = pool_manifest(run)
    try:
        rows = read_manifest(path, labeled=False)
    except ManifestError as error:
        raise PreviewError(str(error)) from None
    places = dict(rows.filter(pl.col("id").is_in(list(sizes))).select("id", "path").iter_rows())
    for name in sizes:
        yield _preview(places[name]) if name in places else f"not in {path} any more"


def _preview(path: str) -> Preview | str:
    try:
        image = read(path, LONGEST)
    except ImageError as error:
        return str(error)
    picture = thumbnail(image)
    return Preview(Media("image/webp", _webp(picture)), picture.width, picture.height, "the image")


def thumbnail(image: np.ndarray) -> Image.Image:
    """The image, uint8 (H, W, 3), with its longer side at most `LONGEST`."""
    picture = Image.fromarray(image)
    picture.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return picture


def _webp(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=_QUALITY, lossless=max(picture.size) <= _SMALL)
    return file.getvalue()
