"""Images in: files of any common format as RGB arrays, and a check that every one can be decoded.

`H` height, `W` width: an image is uint8, shape (H, W, 3), in the order R, G, B.
"""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image, UnidentifiedImageError

from nst_asr.progress import Progress
from nst_asr.stored import Place, locate
from nst_asr.unusable import Checked, sort_out

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
LARGEST = 89_478_485  # pixels of an image; what PIL warns of
_LARGEST_FILE = 1 << 28  # bytes
_RECORD = 3 * 32 * 32  # bytes: a raw image of CIFAR, planes R, G, B
_TOGETHER = 1024  # images that threads are given at a time
_FILTER = r"PIL\."


class ImageError(ValueError):
    """An image that cannot be used; the message names the file and what is wrong with it."""


def read(path: Path | str, smallest: int | None = None) -> np.ndarray:
    """The image in a file: uint8, shape (H, W, 3), RGB.

    JPEG, PNG, WebP, BMP, GIF and TIFF (the first frame), whatever else PIL reads, told by content, not by name;
    `archive.tar@OFFSET+LENGTH` is a member of a tar, `batch.bin@OFFSET+3072` a raw image of CIFAR-10's binary version.

    Grey and palette images become RGB; CMYK does without its colour profile (none is applied); of 16 bits the upper 8
    are kept; transparency is composited over white. EXIF orientation is not applied: the published ImageNet pipelines
    do not, and a net that was scored without turning is compared without. `smallest`: a JPEG may be decoded at a half,
    quarter or eighth of its size while its shorter side stays at least so many pixels, which is faster and not quite
    what shrinking the whole image gives. A damaged stretch inside a JPEG that its decoder bridges is not noticed.

    Raises ImageError for a file that is missing, empty, truncated, no image, or larger than `LARGEST` pixels. PIL's
    warnings (damaged EXIF) are ignored, by a filter for PIL alone that stays in the process: other ways, in Python
    3.11, are not safe in threads.
    """
    place = _located(path)
    if place.file.suffix == ".bin" and not place.whole:
        return _raw(path, place)
    _hush()
    try:
        return _decoded(place.content(), smallest)
    except UnidentifiedImageError:
        raise ImageError(f"{path}: not an image that can be read") from None
    except Image.DecompressionBombError:
        raise ImageError(f"{path}: more than {LARGEST} pixels; make it smaller") from None
    except MemoryError:
        raise
    except Exception as error:  # PIL's readers raise whatever their parsing of damaged bytes trips over
        raise ImageError(f"{path}: {_reason(error)}") from None


def check(rows: pl.DataFrame, *, decode: bool = True, threads: int = 4) -> Checked:
    """The rows whose image can be decoded, with a column `digest` (str: see `digest`), and the others with reasons.

    Rows as in `manifests`; their order is kept. Every image is decoded once. decode=False: those that have a digest
    already, as `nst-asr prepare-images` writes it, are only looked for, and the digest is believed.
    """
    known = rows["digest"] if "digest" in rows.columns and not decode else pl.repeat(None, len(rows), eager=True)
    digests, reasons = [], list[str | None]()
    with Progress("checking images", len(rows), "image") as progress:
        for answers in _examined(zip(rows["path"], known, strict=True), threads):
            good = [None if isinstance(answer, ImageError) else answer for answer in answers]
            digests.append(pl.Series("digest", good, pl.String))
            reasons += [str(answer) if isinstance(answer, ImageError) else None for answer in answers]
            progress.advance(len(answers))
    return sort_out(rows.with_columns(pl.concat(digests) if digests else pl.Series("digest", [], pl.String)), reasons)


def digest(image: np.ndarray) -> str:
    """32 hexadecimal digits that images of the same pixels and shape share: blake2b."""
    state = hashlib.blake2b(struct.pack("<QQ", *image.shape[:2]), digest_size=16)
    state.update(np.ascontiguousarray(image).data)
    return state.hexdigest()


def _examined(images: Iterable[tuple[str, str | None]], threads: int) -> Iterator[list[str | ImageError]]:
    """The digest of each image, or what is wrong with it, so many at a time; of path and known digest."""
    waiting = iter(images)
    with ThreadPoolExecutor(threads) as pool:
        while batch := list(islice(waiting, _TOGETHER)):
            yield list(pool.map(_examine, batch))


def _examine(image: tuple[str, str | None]) -> str | ImageError:
    path, known = image
    try:
        if known is not None:
            _located(path)
            return known
        return digest(read(path))
    except ImageError as error:
        return error


def _located(path: Path | str) -> Place:
    """Where the bytes of an image lie; ImageError where there are none, or too many to be an image."""
    try:
        place = locate(path)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise ImageError(f"{path}: {error}") from None
    if not place.length:
        raise ImageError(f"{path}: an empty file (0 bytes)")
    if place.length > _LARGEST_FILE:
        raise ImageError(f"{path}: {place.length} bytes; an image of at most {_LARGEST_FILE} is expected")
    return place


def _raw(path: Path | str, place: Place) -> np.ndarray:
    """A record of CIFAR's binary version: 32 x 32 pixels of R, then of G, then of B, row by row."""
    if place.length != _RECORD:
        raise ImageError(f"{path}: {place.length} bytes; a raw image in a .bin has {_RECORD} (3 x 32 x 32)")
    try:
        planes = np.frombuffer(place.content(), np.uint8).reshape(3, 32, 32)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from None
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _decoded(data: bytes, smallest: int | None) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        if image.width * image.height > LARGEST:
            raise ValueError(f"{image.width} x {image.height} pixels, more than {LARGEST}; make it smaller")
        if smallest is not None and image.format == "JPEG":
            image.draft(image.mode, (smallest, smallest))
        return np.array(_rgb(image))


def _rgb(image: Image.Image) -> Image.Image:
    """The image in mode RGB; ValueError where its values have no agreed range."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _upper_byte(image).convert("RGB")
    if image.mode == "F":
        raise ValueError("pixels that are fractions, of which nobody knows what is white; write it with 8 bits")
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return image.convert("RGB")


def _upper_byte(image: Image.Image) -> Image.Image:
    """Grey of 8 bits from grey of 16, which PIL itself would cut off at 255."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise ValueError(f"pixels from {values.min()} to {values.max()}, more than 16 bits; write it with 8")
    return Image.fromarray((values >> 8).astype(np.uint8))


def _hush() -> None:
    """Have warnings that come from PIL's modules ignored; PIL says with them what `read` says with an error."""
    first = warnings.filters[0] if warnings.filters else None
    if first is None or first[0] != "ignore" or getattr(first[3], "pattern", None) != _FILTER:
        warnings.filterwarnings("ignore", module=_FILTER)


def _reason(error: Exception) -> str:
    text = str(error)
    return f"damaged or truncated ({text or type(error).__name__})" if not isinstance(error, ValueError) else text
