"""scikit-learn's digits: 1,797 images of 8 x 8 pixels, written once as a tar of PNGs.

The test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak, UCI, 1998).
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from nst_asr.store import written_aside
from nst_asr.vision.corpora.picture import Picture, Reading
from nst_asr.vision.corpora.tars import members


def write_digits(archive: Path) -> Path:
    """The tar of the digits, made where it is not there: members CLASS/NUMBER.png, grey, values 0 to 16 times 255/16.

    scikit-learn brings the digits with it: nothing is fetched.
    """
    if archive.exists():
        return archive
    from sklearn.datasets import load_digits

    found = load_digits()
    grey = np.round(found.images * (255 / 16)).astype(np.uint8)
    with written_aside(archive) as part, tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:
        for number, (image, label) in enumerate(zip(grey, found.target, strict=True)):
            data = io.BytesIO()
            Image.fromarray(image).save(data, "PNG")
            member = tarfile.TarInfo(f"{label}/{number:04d}.png")
            member.size = data.tell()
            data.seek(0)
            tar.addfile(member, data)
    return archive


def digits(archive: Path, *, labeled: bool) -> Reading:
    """The digits in a tar that is written first where it is not there; ids are numbers 0000 to 1796, classes 0 to 9."""
    for each in members(write_digits(archive)):
        label, _, file = each.name.partition("/")
        yield Picture(file.removesuffix(".png"), each.path, label if labeled else None)
