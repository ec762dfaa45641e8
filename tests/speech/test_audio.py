"""Audio in: every container, rate and channel count gives the wave; what cannot be used is named with its reason."""

import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import soundfile

from nst_asr.key import Key
from nst_asr.speech.audio import AudioError, check, header, measured, pieces, read, resample
from nst_asr.stored import address

FORMATS: dict[str, dict[str, Any]] = {
    "wav": {},
    "flac": {},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": {},
}
each_format = pytest.mark.parametrize("suffix", FORMATS)


def tone(seconds: float = 1.0, rate: int = 16000, frequency: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def noise(samples: int) -> np.ndarray:
    return Key(0)["noise"].generator().normal(0, 0.1, samples).astype(np.float32)


def write(path: Path, wave: np.ndarray, rate: int = 16000) -> Path:
    if path.suffix == ".sph":
        path.write_bytes(sphere(wave))
    else:
        soundfile.write(path, wave, rate, **FORMATS[path.suffix[1:]])
    return path


def sphere(wave: np.ndarray, coding: str = "pcm", byte_format: str = "01") -> bytes:
    """A NIST SPHERE file of 16-bit samples at 16 kHz, by hand."""
    fields = f"""NIST_1A
   1024
sample_count -i {len(wave)}
sample_rate -i 16000
channel_count -i 1
sample_n_bytes -i 2
sample_byte_format -s2 {byte_format}
sample_sig_bits -i 16
sample_coding -s{len(coding)} {coding}
end_head
"""
    samples = np.round(wave * 32768).clip(-32768, 32767).astype("<i2" if byte_format == "01" else ">i2")
    return fields.encode().ljust(1024) + samples.tobytes()


def mp3(path: Path, rate: int, mode: str, level: float) -> Any:
    return soundfile.SoundFile(path, "w", rate, 1, bitrate_mode=mode, compression_level=level)


def untagged(path: Path, rate: int, mode: str, level: float, before: bytes = b"", after: bytes = b"") -> None:
    """A minute of mp3 without the frame that holds its length: quiet and loud, so that variable rates vary."""
    loudness = np.where(np.arange(60 * rate) // (20 * rate) % 2, 1, 0.003).astype(np.float32)
    with mp3(path, rate, mode, level) as file:
        file.write(noise(60 * rate) * loudness)
    content = path.read_bytes()
    second = content.index(content[:2], 170)
    assert content[:200].count(b"Xing") + content[:200].count(b"Info") == 1
    path.write_bytes(before + content[second:] + after)


def id3(size: int) -> bytes:
    """An ID3v2 tag of so many bytes; 0xFF in it looks like the sync of a frame."""
    sizes = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x04\x00\x00" + sizes + b"\xff\xfb\x90\x00".ljust(size, b"\xff")


def packed(archive: Path, *paths: Path) -> list[str]:
    """The addresses of files in a new tar."""
    with tarfile.open(archive, "w") as tar:
        for path in paths:
            tar.add(path, path.name)
    with tarfile.open(archive) as tar:
        return [address(archive, member.offset_data, member.size) for member in tar]


def rows(*paths: Path, size: float | None = 1.0, start: float = 0.0) -> pl.DataFrame:
    content = {
        "id": [path.stem for path in paths],
        "size": pl.Series([size] * len(paths), dtype=pl.Float32),
        "group": pl.Series([None] * len(paths), dtype=pl.String),
        "path": [str(path) for path in paths],
        "start": [start] * len(paths),
    }
    return pl.DataFrame(content)


@each_format
def test_every_container_gives_the_wave(suffix: str, tmp_path: Path) -> None:
    found = read(write(tmp_path / f"a.{suffix}", tone()), 16000)
    assert (found.dtype, found.shape) == (np.float32, (16000,))
    exact = suffix in ("wav", "flac")
    error = np.abs(found - tone())[200:-200].max()
    assert error < (1e-4 if exact else 0.05)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_any_rate_is_brought_to_the_models(rate: int, tmp_path: Path) -> None:
    found = read(write(tmp_path / "a.wav", tone(rate=rate), rate), 16000)
    assert len(found) == 16000
    assert np.abs(found - tone())[400:-400].max() < 5e-3


def test_channels_become_their_mean(tmp_path: Path) -> None:
    stereo = np.stack([tone(frequency=300), np.zeros(16000, np.float32), tone(frequency=500)], axis=1)
    found = read(write(tmp_path / "a.wav", stereo), 16000)
    np.testing.assert_allclose(found, stereo.mean(1), atol=1e-4)


@each_format
def test_a_stretch_is_that_part_of_the_whole(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"a.{suffix}", tone() * np.linspace(0, 1, 16000, dtype=np.float32))
    found, whole = read(path, 16000, start=0.25, seconds=0.5), read(path, 16000)
    assert len(found) == 8000
    np.testing.assert_allclose(found, whole[4000:12000], atol=1e-4 if suffix != "opus" else 0.02)
    assert len(read(path, 16000, start=0.25)) == 12000


def test_a_few_milliseconds_less_than_announced_are_forgiven(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone())
    assert len(read(path, 16000, seconds=1.01)) == 16000
    with pytest.raises(AudioError, match=r"1\.00 s long, but 1\.10 s were announced"):
        read(path, 16000, seconds=1.1)


@pytest.mark.parametrize(("start", "seconds"), [(2.0, None), (0.5, 0.0), (-1.0, 0.5), (1.005, 0.01)])
def test_stretches_outside_the_file_are_refused(start: float, seconds: float | None, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"a\.wav: "):
        read(write(tmp_path / "a.wav", tone()), 16000, start=start, seconds=seconds)


@each_format
@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.9999])
def test_a_truncated_file_is_an_error_even_if_only_its_header_is_read(
    suffix: str, share: float, tmp_path: Path
) -> None:
    path = write(tmp_path / f"a.{suffix}", tone() + np.random.default_rng(0).normal(0, 0.01, 16000).astype(np.float32))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(AudioError, match=rf"a\.{suffix}: "):
        read(path, 16000)
    assert [name for name, _ in check(rows(path, size=None)).bad] == ["a"]


@pytest.mark.parametrize("suffix", ["ogg", "opus"])
def test_a_stream_cut_between_two_pages_is_an_error(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"a.{suffix}", np.random.default_rng(0).normal(0, 0.1, 80000).astype(np.float32))
    content = path.read_bytes()
    assert content.count(b"OggS") > 3
    path.write_bytes(content[: content.rfind(b"OggS")])
    with pytest.raises(AudioError, match="its last Ogg page does not end the stream"):
        read(path, 16000)


def test_a_streamed_wav_that_does_not_know_its_length_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone())
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    np.testing.assert_allclose(read(path, 16000), tone(), atol=1e-4)


def test_what_is_no_audio_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.flac").write_text("not audio at all\n" * 20)
    write(tmp_path / "silent.wav", np.zeros(0, np.float32))
    for name, reason in (
        ("none.wav", "no such file"),
        ("empty.wav", r"0 bytes"),
        ("text.flac", "not an audio file"),
        ("silent.wav", "no samples"),
    ):
        for look in (lambda path: read(path, 16000), header):
            with pytest.raises(AudioError, match=f"{name}: .*{reason}"):
                look(tmp_path / name)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(value: float, tmp_path: Path) -> None:
    wave = tone()
    wave[1234] = value
    soundfile.write(tmp_path / "a.wav", wave, 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"sample 1234 is (nan|inf)"):
        read(tmp_path / "a.wav", 16000)
    assert not check(rows(tmp_path / "a.wav")).bad
    ((name, reason),) = check(rows(tmp_path / "a.wav"), decode=True).bad
    assert name == "a"
    assert "sample 1234" in reason


def test_checking_keeps_the_good_in_order_and_names_the_bad(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "c.wav").touch()
    write(tmp_path / "d.wav", tone(0.5))
    good = [write(tmp_path / f"{name}.wav", tone()) for name in "abe"]
    for decode in (False, True):
        found = check(rows(good[0], tmp_path / "c.wav", good[1], tmp_path / "d.wav", good[2]), decode=decode)
        assert found.rows["id"].to_list() == ["a", "b", "e"]
        assert [name for name, _ in found.bad] == ["c", "d"]
        assert "0 bytes" in found.bad[0][1]
        assert "0.50 s long" in found.bad[1][1]
    assert "skipped c: " in caplog.text


def test_sizes_that_are_null_are_measured(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", tone(1.5, 8000), 8000)
    for found in (measured(rows(path, size=None)), check(rows(path, size=None)).rows):
        assert found["size"].to_list() == [1.5]
        assert found.schema["size"] == pl.Float32
    assert measured(rows(path, size=None, start=0.5))["size"].to_list() == [1.0]
    assert measured(rows(path, size=0.7))["size"].to_list() == [pytest.approx(0.7)]


def test_a_file_that_cannot_be_measured_is_left_to_the_check(tmp_path: Path) -> None:
    found = check(measured(rows(tmp_path / "none.wav", write(tmp_path / "a.wav", tone()), size=None)))
    assert found.rows["id"].to_list() == ["a"]
    assert [name for name, _ in found.bad] == ["none"]


def test_resampling_to_the_same_rate_changes_nothing() -> None:
    wave = tone()
    assert resample(wave, 8000, 8000) is wave
    assert len(resample(wave, 3, 2)) == 10667


def test_channels_of_pieces_become_their_mean_and_pieces_are_the_whole(tmp_path: Path) -> None:
    for suffix in FORMATS:
        wave = np.stack([noise(70000), np.zeros(70000, np.float32)], axis=1)
        path = write(tmp_path / f"a.{suffix}", wave)
        for seconds in (0.5, 1.7, 100.0):
            found = list(pieces(path, seconds))
            assert len(found[0]) == min(round(seconds * 16000), 70000)
            np.testing.assert_allclose(np.concatenate(found), read(path, 16000), atol=2e-6)


@pytest.mark.parametrize("suffix", [*FORMATS, "sph"])
def test_a_stretch_begins_at_its_very_sample(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"a.{suffix}", noise(160000))
    whole = read(path, 16000)
    draw = Key(0)["stretches"].generator()
    for start in draw.integers(0, 144000, 30):
        found = read(path, 16000, start=start / 16000, seconds=1.0)
        assert abs(found - whole[start : start + 16000]).max() < 2e-6, start


@pytest.mark.parametrize("mode", ["CONSTANT", "AVERAGE", "VARIABLE"])
@pytest.mark.parametrize(("rate", "level"), [(16000, 0.99), (24000, 0.99), (44100, 0.99), (44100, 0.3)])
def test_a_stretch_of_mp3_begins_at_its_very_sample(mode: str, rate: int, level: float, tmp_path: Path) -> None:
    """At the lowest bit rates, where a frame refers to the most frames before it."""
    with mp3(tmp_path / "a.mp3", rate, mode, level) as file:
        file.write(noise(10 * rate))
    with soundfile.SoundFile(tmp_path / "a.mp3") as file:
        whole = file.read(dtype="float32")
    rate = file.samplerate
    assert abs(header(tmp_path / "a.mp3").samples - len(whole)) <= 0.02 * rate
    for start in Key(0)["stretches"].generator().integers(0, len(whole) - rate, 8):
        found = read(tmp_path / "a.mp3", rate, start=start / rate, seconds=1.0)
        assert abs(found - whole[start : start + rate]).max() < 2e-6, start


def test_an_mp3_is_as_long_as_it_was_and_can_be_read_to_its_end(tmp_path: Path) -> None:
    for rate in (16000, 44100):
        path = write(tmp_path / "a.mp3", noise(3 * rate), rate)
        assert header(path).samples == len(read(path, rate)) == 3 * rate


def test_an_mp3_without_its_tag_is_measured_by_its_frames(tmp_path: Path) -> None:
    """The estimate of libsndfile, 0.28 s too long at 44.1 kHz, would make the whole of the file an error."""
    for trailer in (b"", b"TAG" + bytes(125)):
        untagged(tmp_path / "a.mp3", 44100, "CONSTANT", 0.9, before=id3(3000), after=trailer)
        found = header(tmp_path / "a.mp3")
        assert found.samples == 1152 * 2298
        assert len(read(tmp_path / "a.mp3", 44100)) == found.samples


def test_an_mp3_that_could_be_read_in_part_only_is_refused(tmp_path: Path) -> None:
    untagged(tmp_path / "a.mp3", 44100, "VARIABLE", 0.3)
    for act in (header, lambda path: read(path, 16000, seconds=1.0)):
        with pytest.raises(
            AudioError, match=r"a\.mp3: 60\.03 s of mp3, of which .* \(ffmpeg -i IN\.mp3 -c copy OUT\.mp3\)"
        ):
            act(tmp_path / "a.mp3")


def test_an_mp3_with_a_cover_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp3", tone())
    plain = read(path, 16000)
    path.write_bytes(id3(300000) + path.read_bytes())
    np.testing.assert_array_equal(read(path, 16000), plain)


def test_a_cut_mp3_is_an_error_by_its_header_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp3", noise(32000))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(AudioError, match=r"a\.mp3: truncated: \d+ bytes of sound of \d+"):
        header(path)


def test_a_shortened_sphere_file_is_refused_with_the_command_that_converts_it(tmp_path: Path) -> None:
    path = tmp_path / "two words.sph"
    path.write_bytes(sphere(noise(100), coding="pcm,embedded-shorten-v2.00"))
    command = re.escape(f"sph2pipe -f rif '{path}' '{tmp_path / 'two words.wav'}'")
    with pytest.raises(AudioError, match=f"a shortened SPHERE file .*sph2pipe undoes that: {command}$"):
        read(path, 16000)
    path.rename(tmp_path / "a.wav")
    with pytest.raises(AudioError, match=r"a\.wav \S+a\.riff\.wav$"):
        read(tmp_path / "a.wav", 16000)


def test_other_compressed_sphere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.sph").write_bytes(sphere(noise(100), coding="pcm,embedded-wavpack"))
    with pytest.raises(AudioError, match=r"a compressed SPHERE file .* w_decode"):
        header(tmp_path / "a.sph")


def test_sphere_under_the_name_of_wav_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(sphere(tone(), byte_format="10"))
    np.testing.assert_allclose(read(tmp_path / "a.wav", 16000), tone(), atol=1e-4)


def test_a_damaged_sphere_header_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.sph").write_bytes(sphere(tone()).replace(b"sample_count -i 16000", b"sample_count -i 16k00"))
    with pytest.raises(AudioError, match=r"a\.sph: a damaged SPHERE header"):
        header(tmp_path / "a.sph")


def test_a_flac_file_that_does_not_know_its_length_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", tone())
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)  # the 36 bits of the total number of samples (RFC 9639, section 8.2)
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"a\.flac: does not say how long it is"):
        header(path)


@pytest.mark.parametrize("suffix", [*FORMATS, "sph"])
def test_a_member_of_a_tar_is_read_as_the_file_it_was(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"a.{suffix}", noise(48000))
    other = write(tmp_path / f"b.{suffix}", tone())
    (_, second) = packed(tmp_path / "recording.000000.tar", other, path)
    assert header(second) == header(path)
    np.testing.assert_array_equal(read(second, 16000), read(path, 16000))
    np.testing.assert_array_equal(read(second, 8000, start=1.1, seconds=1.5), read(path, 8000, start=1.1, seconds=1.5))
    np.testing.assert_array_equal(np.concatenate(list(pieces(second, 0.7))), np.concatenate(list(pieces(path, 0.7))))
    table = rows(path, size=None).with_columns(path=pl.lit(second))
    assert measured(table)["size"].to_list() == [3.0]
    assert not check(table, decode=True).bad


@each_format
def test_a_member_with_bytes_missing_is_an_error_that_names_the_address(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"a.{suffix}", noise(48000))
    (member,) = packed(tmp_path / "a.tar", path)
    offset, length = map(int, member.split("@")[1].split("+"))
    short = address(tmp_path / "a.tar", offset, length - length // 3)
    with pytest.raises(AudioError, match=f"^{re.escape(short)}: "):
        read(short, 16000)


def test_what_is_no_member_is_said(tmp_path: Path) -> None:
    (member,) = packed(tmp_path / "a.tar", write(tmp_path / "a.wav", tone()))
    size = (tmp_path / "a.tar").stat().st_size
    for path, reason in (
        (f"{tmp_path}/b.tar@512+100", r"no such file as its archive \S+b\.tar"),
        (
            f"{tmp_path}/a.tar@512+{size}",
            f"truncated: the archive has {size} bytes, the member ends at byte {size + 512}",
        ),
        (f"{tmp_path}/a.tar@512+0", r"an empty file \(0 bytes\)"),
        (f"{tmp_path}/a.tar@x", "no such file"),
        (f"{tmp_path}/a.tar@0+600", "not an audio file"),
    ):
        with pytest.raises(AudioError, match=f"^{re.escape(path)}: {reason}"):
            header(path)
    assert header(member).samples == 16000


def test_a_file_that_is_named_like_a_member_comes_first(tmp_path: Path) -> None:
    packed(tmp_path / "a.tar", write(tmp_path / "a.wav", tone()))
    write(tmp_path / "b.wav", tone(0.5)).rename(tmp_path / "a.tar@512+32044")
    assert header(tmp_path / "a.tar@512+32044").samples == 8000


def test_no_other_bytes_of_the_archive_are_needed(tmp_path: Path) -> None:
    (_, member, _) = packed(tmp_path / "a.tar", *(write(tmp_path / f"{name}.flac", noise(16000)) for name in "abc"))
    offset, length = map(int, member.split("@")[1].split("+"))
    wave = read(member, 16000)
    content = bytearray((tmp_path / "a.tar").read_bytes())
    content[:offset] = bytes(offset)
    content[offset + length :] = bytes(len(content) - offset - length)
    (tmp_path / "a.tar").write_bytes(content)
    np.testing.assert_array_equal(read(member, 16000), wave)
