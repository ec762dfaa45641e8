"""Images: whatever PIL can open becomes RGB of eight bits; what is damaged is named, and warns nobody."""

import contextlib
import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from nst_asr.stored import address
from nst_asr.vision.images import LARGEST, ImageError, check, digest, read
from tests.vision import pictures

RED = pictures.image("red", 0)


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "ppm"])
def test_a_lossless_image_is_its_pixels(tmp_path: Path, suffix: str) -> None:
    found = read(pictures.write(tmp_path / f"a.{suffix}", RED))
    assert found.dtype == np.uint8
    assert found.flags["C_CONTIGUOUS"]
    assert found.flags["WRITEABLE"]
    assert np.array_equal(found, RED)


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_a_lossy_image_is_what_pil_decodes(tmp_path: Path, suffix: str) -> None:
    path = pictures.write(tmp_path / f"a.{suffix}", RED)
    with Image.open(path) as image:
        assert np.array_equal(read(path), np.array(image.convert("RGB")))


def test_the_content_counts_not_the_name(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(pictures.encoded(RED, "PNG"))
    assert np.array_equal(read(tmp_path / "a.jpg"), RED)


def test_of_a_gif_the_first_frame_is_read(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read(tmp_path / "a.gif").tolist() == [[[255, 0, 0]] * 4] * 3


def test_grey_becomes_three_equal_channels(tmp_path: Path) -> None:
    grey = RED[..., 0]
    found = read(pictures.write(tmp_path / "a.png", grey))
    assert np.array_equal(found, np.stack([grey] * 3, axis=-1))


def test_one_bit_becomes_black_and_white(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(np.array([[False, True]])))
    assert read(path).tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_a_palette_becomes_its_colours(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    assert read(saved(tmp_path / "a.png", image)).tolist() == [[[10, 20, 30], [200, 100, 50]]]


@pytest.mark.parametrize("transparency", [0, b"\x00\x80"])
def test_a_transparent_palette_is_laid_on_white(tmp_path: Path, transparency: int | bytes) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    second = [200, 100, 50] if transparency == 0 else [227, 177, 152]
    found = read(saved(tmp_path / "a.png", image, transparency=transparency))
    assert found[0, 0].tolist() == [255, 255, 255]
    assert np.abs(found[0, 1].astype(int) - second).max() <= 1


def test_alpha_is_composited_over_white(tmp_path: Path) -> None:
    pixels = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]]], dtype=np.uint8)
    found = read(saved(tmp_path / "a.png", Image.fromarray(pixels)))
    # 51 / 255 = 0.2: 0.2 x 200 + 0.8 x 255 = 244, 0.2 x 100 + 204 = 224, 204
    assert np.abs(found[0].astype(int) - [[200, 100, 0], [255, 255, 255], [244, 224, 204]]).max() <= 1


def test_a_transparent_colour_of_an_image_without_alpha_is_white(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], dtype=np.uint8))
    path = saved(tmp_path / "a.png", image, transparency=(1, 2, 3))
    assert read(path).tolist() == [[[255, 255, 255], [4, 5, 6]]]


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert np.abs(read(saved(tmp_path / "a.jpg", image, quality=100)).astype(int) - [255, 0, 0]).max() <= 3
    assert read(saved(tmp_path / "a.tif", image)).tolist() == [[[255, 0, 0]] * 16] * 16


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_of_sixteen_bits_the_upper_eight_are_kept(tmp_path: Path, suffix: str) -> None:
    grey = np.array([[0, 255, 256, 0x1234, 0xFFFF]], dtype=np.uint16)
    found = read(saved(tmp_path / f"a.{suffix}", Image.fromarray(grey)))
    assert found[0, :, 0].tolist() == [0, 0, 1, 0x12, 0xFF]
    assert (found == found[..., :1]).all()


def test_pixels_without_an_agreed_range_are_refused(tmp_path: Path) -> None:
    for values in (np.array([[0.5]], dtype=np.float32), np.array([[70_000]], dtype=np.int32)):
        with pytest.raises(ImageError, match=r"a\.tif: pixels .*write it with 8"):
            read(saved(tmp_path / "a.tif", Image.fromarray(values)))


def test_an_image_of_one_pixel_is_an_image(tmp_path: Path) -> None:
    assert read(pictures.write(tmp_path / "a.png", np.full((1, 1, 3), 7, np.uint8))).tolist() == [[[7, 7, 7]]]


def test_the_orientation_of_exif_is_not_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    path = saved(tmp_path / "a.jpg", Image.new("RGB", (8, 4)), exif=exif)
    assert read(path).shape == (4, 8, 3)


@pytest.mark.parametrize(("smallest", "side"), [(64, 64), (65, 128), (32, 32), (16, 32), (128, 128), (500, 256)])
def test_a_jpeg_is_decoded_smaller_but_never_below_the_wanted_side(tmp_path: Path, smallest: int, side: int) -> None:
    pixels = np.zeros((256, 400, 3), np.uint8)
    assert read(pictures.write(tmp_path / "a.jpg", pixels), smallest).shape[0] == side
    assert read(pictures.write(tmp_path / "a.png", pixels), smallest).shape == (256, 400, 3)


def test_a_smaller_decoded_jpeg_resembles_the_whole_one_shrunk(tmp_path: Path) -> None:
    smooth = np.asarray(Image.fromarray(RED).resize((256, 256), Image.Resampling.BICUBIC))
    path = pictures.write(tmp_path / "a.jpg", smooth)
    with Image.open(path) as image:
        shrunk = np.asarray(image.reduce(4))
    assert np.abs(read(path, 64).astype(int) - shrunk).mean() < 2


def test_a_member_of_a_tar_is_read_where_it_lies(tmp_path: Path) -> None:
    data = pictures.encoded(RED)
    archive = pictures.tar(tmp_path / "a.tar", {"x.txt": b"hello", "a.png": data})
    assert np.array_equal(read(address(archive, 512 + 512 + 512, len(data))), RED)


def test_a_raw_record_is_three_planes(tmp_path: Path) -> None:
    planes = np.arange(3 * 32 * 32, dtype=np.int64).astype(np.uint8)
    (tmp_path / "b.bin").write_bytes(b"\x07" + planes.tobytes() + b"\x08")
    found = read(f"{tmp_path}/b.bin@1+3072")
    assert found.shape == (32, 32, 3)
    assert found[1, 2].tolist() == [34, (1024 + 34) % 256, (2048 + 34) % 256]
    with pytest.raises(ImageError, match=r"3000 bytes; a raw image in a \.bin has 3072"):
        read(f"{tmp_path}/b.bin@1+3000")
    with pytest.raises(ImageError, match="truncated: the archive has 3074 bytes"):
        read(f"{tmp_path}/b.bin@3+3072")


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("no image at all")
    (tmp_path / "empty.png").write_bytes(b"")
    for name, reason in (
        ("a.jpg", "not an image that can be read"),
        ("empty.png", r"an empty file \(0 bytes\)"),
        ("none.png", "no such file"),
        ("x.tar@5+5", "no such file as its archive"),
    ):
        with pytest.raises(ImageError, match=rf"{name.replace('+', '.')}: .*{reason}"):
            read(tmp_path / name)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_a_truncated_image_is_refused_wherever_it_ends(tmp_path: Path, kind: str) -> None:
    data = pictures.encoded(RED, kind)
    for share in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9):
        (tmp_path / "a").write_bytes(data[: int(share * len(data))])
        with pytest.raises(ImageError, match="/a: "):
            read(tmp_path / "a")


def test_random_damage_gives_an_image_or_an_image_error(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"):
        for _ in range(60):
            data = bytearray(pictures.encoded(RED, kind))
            for place in draw.integers(0, len(data), 3):
                data[place] = draw.integers(256)
            (tmp_path / "a").write_bytes(data)
            with contextlib.suppress(ImageError):
                assert read(tmp_path / "a").shape[2] == 3


def claimed(width: int, height: int) -> bytes:
    """A PNG that says it is so large, and has no such pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("factor", [1.1, 5])
def test_a_decompression_bomb_is_an_error_before_it_goes_off(tmp_path: Path, factor: float) -> None:
    (tmp_path / "a.png").write_bytes(claimed(10_000, int(LARGEST * factor / 10_000)))
    with pytest.raises(ImageError, match=rf"a\.png: .*more than {LARGEST}"):
        read(tmp_path / "a.png")


def damaged_exif(path: Path) -> Path:
    exif = Image.Exif()
    exif[0x010E] = "a description that is long enough to lie elsewhere"
    file = io.BytesIO()
    Image.fromarray(RED).save(file, "JPEG", exif=exif)
    data = file.getvalue()
    place = (
        data.index(struct.pack(">HH", 0x010E, 2)) if b"MM" in data[:40] else data.index(struct.pack("<HH", 0x010E, 2))
    )
    path.write_bytes(data[: place + 4] + b"\x70\x70\x70\x70" + data[place + 8 :])
    return path


def test_damaged_exif_warns_nobody(tmp_path: Path) -> None:
    path = damaged_exif(tmp_path / "a.jpg")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(path).shape == RED.shape
        assert read(path).shape == RED.shape
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Image.open(path).close()
    assert caught, "without `read`, PIL would have warned"


def test_pil_is_silenced_and_nobody_else(tmp_path: Path) -> None:
    read(pictures.write(tmp_path / "a.png", RED))
    with pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", stacklevel=1)


def test_a_digest_is_of_pixels_and_shape() -> None:
    assert digest(RED) == digest(RED.copy())
    assert digest(RED) != digest(RED[::-1])
    assert digest(RED) != digest(RED ^ 1)
    assert digest(np.zeros((2, 8, 3), np.uint8)) != digest(np.zeros((8, 2, 3), np.uint8))
    assert len(digest(RED)) == 32


def test_a_check_keeps_the_order_and_names_the_bad(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = pictures.rows(tmp_path, 3)
    (tmp_path / "red" / "0001.png").write_bytes(b"no")
    (tmp_path / "blue" / "0002.png").unlink()
    found = check(rows)
    assert [name for name, _ in found.bad] == ["red-0001", "blue-0002"]
    assert found.rows["id"].to_list() == [name for name in rows["id"] if name not in ("red-0001", "blue-0002")]
    assert found.rows["digest"][0] == digest(pictures.image("blue", 0))
    assert "skipped red-0001: " in caplog.text


def test_copies_in_another_lossless_format_have_one_digest(tmp_path: Path) -> None:
    paths = [pictures.write(tmp_path / name, RED) for name in ("a.png", "b.bmp")]
    rows = pl.DataFrame({"id": ["a", "b"], "path": [str(path) for path in paths]})
    assert check(rows).rows["digest"].n_unique() == 1


def test_known_digests_may_be_believed_where_the_file_is_there(tmp_path: Path) -> None:
    rows = pictures.rows(tmp_path, 2).with_columns(digest=pl.Series(["d0", None, "d2", "d3", "d4", "d5"]))
    (tmp_path / "blue" / "0000.png").write_bytes(b"not looked into")
    (tmp_path / "red" / "0000.png").unlink()
    found = check(rows, decode=False)
    assert found.rows["digest"].to_list() == ["d0", digest(pictures.image("green", 0)), "d3", "d4", "d5"]
    assert [name for name, _ in found.bad] == ["red-0000"]
    assert [name for name, _ in check(rows).bad] == ["blue-0000", "red-0000"]


def test_nothing_to_check_is_no_error() -> None:
    rows = pl.DataFrame(schema={"id": pl.String, "path": pl.String})
    assert check(rows).rows.schema["digest"] == pl.String
