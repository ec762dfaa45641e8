"""What a reader hears and sees of an utterance."""

import io
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
import torch
from PIL import Image

from nst_asr.report.preview import Preview, PreviewError
from nst_asr.speech import features, preview
from nst_asr.speech.ogg import checksum, same_always
from nst_asr.speech.preview import SECONDS, log_mel, opus, previews, resampled, spectrogram

RATE = 16000


def tone(hertz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    return np.asarray(0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate), np.float32)


def pitch(wave: np.ndarray, rate: int) -> float:
    """The strongest frequency, Hz."""
    return float(np.abs(np.fft.rfft(wave)).argmax() * rate / len(wave))


def sounds(run: Path, waves: dict[str, tuple[np.ndarray, int]], **columns: list[float]) -> Path:
    """A run folder whose pool are these waves, each in a file of its own."""
    for name, (wave, rate) in waves.items():
        soundfile.write(run / f"{name}.wav", wave, rate)
    pl.DataFrame({"id": list(waves), "path": [f"{name}.wav" for name in waves], **columns}).write_csv(
        run / "pool.tsv", separator="\t"
    )
    (run / "given.json").write_text(json.dumps({"manifests": {"unlabeled": str(run / "pool.tsv")}}))
    return run


def only(run: Path, size: float) -> Preview:
    (found,) = previews(run, {"a": size})
    assert isinstance(found, Preview)
    return found


@pytest.mark.parametrize("rate", [4000, 8000, 11025, 16000, 44100, 48000])
def test_the_sound_is_that_of_the_file_whatever_its_rate(tmp_path: Path, rate: int) -> None:
    found = only(sounds(tmp_path, {"a": (tone(440, 1.5, rate), rate)}), 1.5)
    assert found.sound is not None
    heard, its = soundfile.read(io.BytesIO(found.sound.content))
    assert len(heard) / its == pytest.approx(1.5, abs=0.001)
    assert pitch(heard, its) == pytest.approx(440, abs=2)
    assert found.seconds == pytest.approx(1.5, abs=0.001)
    assert found.whole
    assert found.sound.uri.startswith("data:audio/ogg;base64,T2dnUw")


def test_of_a_long_utterance_there_is_the_beginning_and_it_is_said(tmp_path: Path) -> None:
    wave = np.concatenate([tone(440, SECONDS), tone(1000, 5)])
    found = only(sounds(tmp_path, {"a": (wave, RATE)}), SECONDS + 5)
    assert found.sound is not None
    heard, its = soundfile.read(io.BytesIO(found.sound.content))
    assert (found.seconds, found.whole) == (SECONDS, False)
    assert len(heard) / its == pytest.approx(SECONDS, abs=0.001)
    assert pitch(heard, its) == pytest.approx(440, abs=2)
    assert found.size < 100_000


def test_a_stretch_of_a_file_is_heard_from_where_it_starts(tmp_path: Path) -> None:
    wave = np.concatenate([tone(300, 1), tone(800, 1), tone(2000, 1)])
    sounds(tmp_path, {"a": (wave, RATE)})
    rows = {"id": ["a"], "size": [1.0], "group": ["s"], "path": [str(tmp_path / "a.wav")], "start": [1.0]}
    pl.DataFrame(rows).write_csv(tmp_path / "pool.tsv", separator="\t")
    found = only(tmp_path, 1.0)
    assert found.sound is not None
    assert pitch(*soundfile.read(io.BytesIO(found.sound.content))) == pytest.approx(800, abs=5)


def test_previews_come_in_the_order_asked_for_and_are_always_the_same(tmp_path: Path) -> None:
    run = sounds(tmp_path, {f"u{place}": (tone(300 + 50 * place, 0.5), RATE) for place in range(12)})
    names = [f"u{place}" for place in (7, 3, 11, 0, 1, 2, 4, 5, 6, 8, 9, 10)]
    first, second = (list(previews(run, dict.fromkeys(names, 0.5))) for _ in range(2))
    assert first == second
    for name, found in zip(names, first, strict=True):
        assert isinstance(found, Preview)
        assert found.sound is not None
        heard, its = soundfile.read(io.BytesIO(found.sound.content))
        assert pitch(heard, its) == pytest.approx(300 + 50 * int(name[1:]), abs=5)


def test_what_is_not_asked_for_any_more_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = sounds(tmp_path, {f"u{place}": (tone(440, 0.1), RATE) for place in range(40)})
    seen = []
    monkeypatch.setattr(preview, "read", lambda path, *args, **more: seen.append(path) or tone(440, 0.1))
    found = previews(run, {f"u{place}": 0.1 for place in range(40)})
    next(found)
    found.close()
    assert 1 <= len(seen) < 20


def test_an_utterance_that_is_gone_or_damaged_says_so_and_the_others_are_there(tmp_path: Path) -> None:
    run = sounds(tmp_path, {name: (tone(440, 0.5), RATE) for name in ("a", "b", "c")})
    (run / "b.wav").unlink()
    (run / "c.wav").write_bytes(b"RIFF no more")
    found = list(previews(run, dict.fromkeys(["a", "b", "c", "d"], 0.5)))
    assert isinstance(found[0], Preview)
    assert found[1] == f"{run / 'b.wav'}: no such file"
    assert str(found[2]).startswith(f"{run / 'c.wav'}: ")
    assert found[3] == f"not in {run / 'pool.tsv'} any more"


def test_without_a_manifest_there_is_one_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(PreviewError, match=r"given\.json does not say where the manifest of the pool is"):
        list(previews(tmp_path, {"a": 1.0}))
    (tmp_path / "given.json").write_text(json.dumps({"manifests": {"unlabeled": str(tmp_path / "gone.tsv")}}))
    with pytest.raises(PreviewError, match=r"gone\.tsv"):
        list(previews(tmp_path, {"a": 1.0}))


def test_the_spectrogram_is_that_of_the_models_features() -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    plan = features.FeaturePlan(rate=RATE, mels=64, window=0.025, shift=0.02, low=0.0)
    expected, frames = features.log_mel(torch.from_numpy(wave)[None], torch.tensor([len(wave)]), plan)
    assert log_mel(wave, RATE) == pytest.approx(expected[0, : int(frames[0])].numpy(), abs=1e-3)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_a_tone_is_a_bright_line_at_its_height_which_does_not_depend_on_the_rate(rate: int) -> None:
    picture = spectrogram(tone(1000, 1.0, rate), rate).astype(int).sum(2)
    assert picture.shape == (64, 49)
    # 64 triangles whose tops are equally far apart in mels, up to 8 kHz; rows are counted from the top
    place = 65 * np.log10(1 + 1000 / 700) / np.log10(1 + 8000 / 700)
    assert (63 - picture.argmax(0) == round(place) - 1).all()


@pytest.mark.parametrize("rates", [(16000, 12000), (44100, 12000), (8000, 12000), (4000, 8000), (12000, 8000)])
def test_resampling_keeps_tones_below_the_limit_at_their_place_and_drops_others(rates: tuple[int, int]) -> None:
    old, new = rates
    found = resampled(tone(500, 1.0, old) + tone(0.49 * old, 1.0, old), old, new)
    expected = tone(500, 1.0, new) + (tone(0.49 * old, 1.0, new) if new > old else 0)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, abs=1e-3)


def test_silence_and_a_sound_shorter_than_a_window_have_a_picture() -> None:
    assert spectrogram(np.zeros(RATE, np.float32), RATE).shape == (64, 49, 3)
    assert spectrogram(np.zeros(10, np.float32), RATE).shape == (64, 1, 3)


def test_the_picture_can_be_opened_and_has_the_size_that_is_said(tmp_path: Path) -> None:
    found = only(sounds(tmp_path, {"a": (tone(440, 2.0), RATE)}), 2.0)
    picture = Image.open(io.BytesIO(found.picture.content))
    assert (picture.format, picture.size) == ("WEBP", (found.width, found.height))
    assert found.size == len(found.picture.uri) + len(found.sound.uri if found.sound else "")


def pages(stream: bytes) -> list[bytes]:
    starts = [place for place in range(len(stream)) if stream.startswith(b"OggS", place)]
    return [stream[start:end] for start, end in zip(starts, [*starts[1:], len(stream)], strict=True)]


def test_checksums_are_those_that_libogg_writes() -> None:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", samplerate=RATE, channels=1, format="OGG", subtype="OPUS") as out:
        out.write(tone(440, 0.5))
    for page in pages(file.getvalue()):
        (written,) = struct.unpack("<I", page[22:26])
        assert checksum(page[:22] + bytes(4) + page[26:]) == written


def test_the_stream_has_number_1_and_nothing_else_is_changed() -> None:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", samplerate=RATE, channels=1, format="OGG", subtype="OPUS") as out:
        out.write(tone(440, 0.5))
    before, after = pages(file.getvalue()), pages(same_always(file.getvalue()))
    assert [page[14:18] for page in after] == [struct.pack("<I", 1)] * len(before)
    assert [page[:14] + page[18:22] + page[26:] for page in after] == [
        page[:14] + page[18:22] + page[26:] for page in before
    ]


def test_what_is_no_ogg_is_refused() -> None:
    with pytest.raises(ValueError, match="byte 0 of 4 begins no Ogg page"):
        same_always(b"RIFF")


def test_sound_of_a_minute_can_be_written() -> None:
    heard, its = soundfile.read(io.BytesIO(opus(tone(440, 60), RATE)))
    assert len(heard) == pytest.approx(60 * its, abs=1)


def test_nothing_of_it_needs_torch() -> None:
    program = "import sys, nst_asr.speech.preview; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
