"""Audio in: every container, rate and channel count gives the wave; what cannot be used is named with its reason."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import soundfile

from nst_asr.speech.audio import AudioError, check, header, measured, read, refuse_if_too_many, resample

FORMATS: dict[str, dict[str, Any]] = {
    "wav": {},
    "flac": {},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
}
each_format = pytest.mark.parametrize("suffix", FORMATS)


def tone(seconds: float = 1.0, rate: int = 16000, frequency: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write(path: Path, wave: np.ndarray, rate: int = 16000) -> Path:
    soundfile.write(path, wave, rate, **FORMATS[path.suffix[1:]])
    return path


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


def test_too_large_a_share_of_bad_files_stops() -> None:
    bad = [(f"utt{i}", "no such file") for i in range(7)]
    refuse_if_too_many(bad, 700)
    refuse_if_too_many([], 0)
    with pytest.raises(AudioError, match=r"7 of 699 .*0\.01") as caught:
        refuse_if_too_many(bad, 699)
    assert "utt4: no such file" in str(caught.value)
    assert "and 2 more" in str(caught.value)


def test_resampling_to_the_same_rate_changes_nothing() -> None:
    wave = tone()
    assert resample(wave, 8000, 8000) is wave
    assert len(resample(wave, 3, 2)) == 10667
