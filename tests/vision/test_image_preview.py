"""What a reader sees of an image."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pictures import image, write
from PIL import Image

from nst_asr.report.preview import Preview, PreviewError
from nst_asr.stored import address
from nst_asr.vision.preview import LONGEST, previews


def pool(run: Path, paths: dict[str, str]) -> Path:
    """A run folder whose pool are these files."""
    pl.DataFrame({"id": list(paths), "path": list(paths.values())}).write_csv(run / "pool.tsv", separator="\t")
    (run / "given.json").write_text(json.dumps({"manifests": {"unlabeled": str(run / "pool.tsv")}}))
    return run


def shown(found: Preview | str) -> np.ndarray:
    assert isinstance(found, Preview)
    return np.array(Image.open(io.BytesIO(found.picture.content)))


def test_a_small_image_is_shown_to_the_pixel(tmp_path: Path) -> None:
    pixels = image("red", 1, 32)
    write(tmp_path / "a.png", pixels)
    (found,) = previews(pool(tmp_path, {"a": "a.png"}), {"a": 1.0})
    assert (shown(found) == pixels).all()
    assert isinstance(found, Preview)
    assert (found.width, found.height, found.sound, found.seconds) == (32, 32, None, None)
    assert found.picture.uri.startswith("data:image/webp;base64,")


def test_a_large_image_becomes_small_in_its_proportions(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    write(tmp_path / "a.jpg", np.kron(draw.integers(0, 255, (6, 8, 3)), np.ones((100, 100, 1))).astype(np.uint8))
    (found,) = previews(pool(tmp_path, {"a": "a.jpg"}), {"a": 1.0})
    assert shown(found).shape == (LONGEST * 6 // 8, LONGEST, 3)
    assert isinstance(found, Preview)
    assert found.size < 20_000


def test_an_image_in_a_tar_is_read_where_it_lies(tmp_path: Path) -> None:
    pixels = image("blue", 2, 16)
    write(tmp_path / "a.png", pixels)
    with tarfile.open(tmp_path / "shard.tar", "w") as archive:
        archive.add(tmp_path / "a.png", "a.png")
        archive.add(tmp_path / "a.png", "b.png")
    with tarfile.open(tmp_path / "shard.tar") as archive:
        member = archive.getmember("b.png")
    place = address(tmp_path / "shard.tar", member.offset_data, member.size)
    (found,) = previews(pool(tmp_path, {"b": place}), {"b": 1.0})
    assert (shown(found) == pixels).all()


def test_an_image_that_is_gone_or_damaged_says_so_and_the_others_are_there(tmp_path: Path) -> None:
    write(tmp_path / "a.png", image("red", 1))
    (tmp_path / "c.png").write_bytes(b"no image")
    run = pool(tmp_path, {"a": "a.png", "b": "b.png", "c": "c.png"})
    found = list(previews(run, dict.fromkeys(["b", "a", "c", "d"], 1.0)))
    assert found[0] == f"{run / 'b.png'}: no such file"
    assert isinstance(found[1], Preview)
    assert found[2] == f"{run / 'c.png'}: not an image that can be read"
    assert found[3] == f"not in {run / 'pool.tsv'} any more"


def test_without_a_manifest_there_is_one_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "given.json").write_text(json.dumps({"manifests": {"unlabeled": str(tmp_path / "gone.tsv")}}))
    with pytest.raises(PreviewError, match=r"gone\.tsv"):
        list(previews(tmp_path, {"a": 1.0}))
