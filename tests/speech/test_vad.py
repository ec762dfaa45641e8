"""Voice activity: bursts at known places come back as segments, whatever the level, the noise and the reading."""

import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nst_asr.key import Key
from nst_asr.speech.audio import AudioError
from nst_asr.speech.vad import VadPlan, loudness, segments

RATE = 8000
BURSTS = [(3.0, 4.5), (7.0, 7.3), (10.0, 14.0), (18.0, 18.6), (22.0, 25.0)]


def gaussian(seconds: float, level: float, name: str = "noise") -> np.ndarray:
    """White noise of `level` dB below full scale."""
    return Key(0)[name].generator().normal(0, 10 ** (level / 20), round(seconds * RATE))


def bursts(places: Sequence[tuple[float, float]], seconds: float, level: float = -20.0) -> np.ndarray:
    """Noise of `level` dB at the places, in the rhythm of syllables: four a second, 20 dB down between two."""
    wave = gaussian(seconds, level, "speech")
    time = np.arange(len(wave)) / RATE
    inside = np.zeros(len(wave))
    for start, end in places:
        inside[(time >= start) & (time < end)] = 1
    return wave * inside * (0.55 + 0.45 * np.cos(2 * np.pi * 4 * time))


def cut(wave: np.ndarray, path: Path, plan: VadPlan | None = None, piece: float = 60.0) -> list[tuple[float, float]]:
    soundfile.write(path / "a.wav", np.clip(wave, -1, 1), RATE, subtype="FLOAT")
    return segments(path / "a.wav", plan, piece=piece)


def assert_found(found: list[tuple[float, float]], places: list[tuple[float, float]], slack: float = 0.15) -> None:
    """One segment around each burst, with the margin of 0.2 s on either side."""
    assert len(found) == len(places)
    for (start, seconds), (begin, end) in zip(found, places, strict=True):
        assert start == pytest.approx(begin - 0.2, abs=slack)
        assert start + seconds == pytest.approx(end + 0.2, abs=slack)


@pytest.mark.parametrize("level", [-10.0, -40.0, -60.0])
@pytest.mark.parametrize("snr", [10.0, 20.0, 35.0])
def test_bursts_are_found_at_any_level_and_signal_to_noise_ratio(level: float, snr: float, tmp_path: Path) -> None:
    assert_found(cut(bursts(BURSTS, 30, level) + gaussian(30, level - snr), tmp_path), BURSTS)


def test_bursts_in_digital_silence_are_found(tmp_path: Path) -> None:
    assert_found(cut(bursts(BURSTS, 30), tmp_path), BURSTS)


@pytest.mark.parametrize("offset", [0.3, -0.5])
def test_an_offset_is_no_sound_and_hides_none(offset: float, tmp_path: Path) -> None:
    wave = bursts(BURSTS, 30) + gaussian(30, -50)
    assert cut(wave + offset, tmp_path) == cut(wave, tmp_path)
    assert cut(np.full(RATE * 10, offset), tmp_path) == []


@pytest.mark.parametrize("change", [20.0, -20.0])
def test_a_noise_that_becomes_louder_or_fainter_is_no_speech(change: float, tmp_path: Path) -> None:
    noise = gaussian(30, -45)
    noise[15 * RATE :] *= 10 ** (change / 20)
    assert_found(cut(bursts(BURSTS, 30, -10) + noise, tmp_path), BURSTS)


def test_rumble_is_hardly_ever_speech(tmp_path: Path) -> None:
    """Two minutes of power that falls with the square of the frequency, from 20 Hz: its level wanders by itself."""
    spectrum = np.fft.rfft(gaussian(120, 0.0)) / np.maximum(np.fft.rfftfreq(120 * RATE, 1 / RATE), 20.0)
    rumble = np.fft.irfft(spectrum)
    found = cut(rumble / rumble.std() * 0.03, tmp_path)
    assert sum(seconds for _, seconds in found) < 0.02 * 120


@pytest.mark.parametrize("level", [-80.0, -50.0, -20.0, -300.0])
def test_silence_and_steady_noise_give_no_segments(level: float, tmp_path: Path) -> None:
    assert cut(gaussian(40, level), tmp_path) == []


def test_clicks_are_no_speech(tmp_path: Path) -> None:
    wave = gaussian(30, -60)
    wave[RATE * 5 : RATE * 28 : RATE * 4] = 0.9
    assert cut(wave, tmp_path) == []


def test_a_bang_does_not_hide_the_speech_around_it(tmp_path: Path) -> None:
    wave = bursts(BURSTS, 30, -50) + gaussian(30, -80)
    wave[16 * RATE : 16 * RATE + 400] = 1.0 * (-1) ** np.arange(400)
    assert_found(cut(wave, tmp_path), BURSTS)


@pytest.mark.parametrize("samples", [0, 1, 79, 80, 400, 2000])
def test_a_very_short_file_of_noise_gives_no_segments(samples: int, tmp_path: Path) -> None:
    wave = gaussian(1, -20)[:samples]
    if samples:
        assert cut(wave, tmp_path) == []
    else:
        with pytest.raises(AudioError, match="no samples"):
            cut(wave, tmp_path)


def test_speech_without_a_pause_is_kept_whole_and_cut_at_its_quietest(tmp_path: Path) -> None:
    """75 s of syllables, of which two are much fainter: at 25 s and at 47 s."""
    wave = bursts([(0, 75)], 75, -15) + gaussian(75, -60)
    for dip in (25, 47):
        wave[round((dip - 0.06) * RATE) : round((dip + 0.06) * RATE)] *= 0.003
    found = cut(wave, tmp_path)
    starts = [start for start, _ in found]
    ends = [start + seconds for start, seconds in found]
    assert starts[0] == 0.0
    assert ends[-1] == pytest.approx(75, abs=0.15)
    np.testing.assert_allclose(starts[1:], ends[:-1], atol=1e-6)
    np.testing.assert_allclose(starts[1:3], [25, 47], atol=0.06)
    assert max(seconds for _, seconds in found) <= 30.0


def test_the_cut_is_made_in_the_longest_pause_of_the_later_half(tmp_path: Path) -> None:
    """Pauses of 0.8 s at 10 s, 0.4 s at 18 s, 0.6 s at 24 s, 0.4 s at 28 s; the whole is 40 s."""
    places = [(1.0, 10.0), (10.8, 18.0), (18.4, 24.0), (24.6, 28.0), (28.4, 40.0)]
    found = cut(bursts(places, 42, -15) + gaussian(42, -60), tmp_path)
    assert_found(found, [(1.0, 24.0), (24.6, 40.0)])
    plan = VadPlan(left_out=0.5)
    assert_found(cut(bursts(places, 42, -15) + gaussian(42, -60), tmp_path, plan), [(1, 10), (10.8, 24), (24.6, 40)])


@pytest.mark.parametrize("longest", [2.0, 7.5, 30.0])
def test_segments_are_short_enough_apart_and_cover_all_speech(longest: float, tmp_path: Path) -> None:
    draw = Key(0)["places"].generator()
    edges = np.cumsum(draw.uniform(0.25, 3.0, 120))
    places = [(float(begin), float(end)) for begin, end in edges.reshape(-1, 2)]
    seconds = edges[-1] + 1
    found = cut(bursts(places, seconds, -15) + gaussian(seconds, -60), tmp_path, VadPlan(longest=longest))
    starts, lengths = np.array(found).T
    assert lengths.max() <= longest + 1e-9
    assert (starts[1:] - (starts + lengths)[:-1]).min() >= -1e-9
    time = np.arange(0, seconds, 0.01)
    kept = sum(((time >= start) & (time < start + length)).astype(int) for start, length in found)
    spoken = sum(((time >= begin + 0.03) & (time < end - 0.1)).astype(int) for begin, end in places)
    assert not (spoken & (kept != 1)).any()


def test_the_size_of_the_pieces_has_no_bearing(tmp_path: Path) -> None:
    wave = bursts(BURSTS, 30, -20) + gaussian(30, -40)
    whole = cut(wave, tmp_path, piece=100.0)
    power = loudness(tmp_path / "a.wav", piece=100.0).power
    assert len(whole) == len(BURSTS)
    for piece in (0.013, 0.5, 7.77):
        assert segments(tmp_path / "a.wav", piece=piece) == whole
        np.testing.assert_array_equal(loudness(tmp_path / "a.wav", piece=piece).power, power)


@pytest.mark.parametrize(("rate", "channels", "suffix"), [(11025, 1, "wav"), (44100, 2, "flac"), (16000, 1, "mp3")])
def test_times_are_the_files_own_at_any_rate_and_container(
    rate: int, channels: int, suffix: str, tmp_path: Path
) -> None:
    wave = bursts(BURSTS, 30) + gaussian(30, -60)
    steps = np.arange(30 * rate) * RATE // rate
    soundfile.write(tmp_path / f"a.{suffix}", np.stack([wave[steps]] * channels, axis=1), rate)
    assert_found(segments(tmp_path / f"a.{suffix}"), BURSTS)


def test_speech_from_the_first_sample_to_the_last_stays_within_the_file(tmp_path: Path) -> None:
    wave = bursts([(0, 2), (6, 8.005)], 8.005) + gaussian(8.005, -60)
    (first, second) = cut(wave, tmp_path)
    assert first[0] == 0.0
    assert sum(second) == pytest.approx(8.005, abs=0.03)
    assert sum(second) <= 8.005


def test_what_is_read_is_not_held(tmp_path: Path) -> None:
    """Five minutes of stereo at 16 kHz are 38 MB once decoded, a piece of two seconds is a quarter of one."""
    with soundfile.SoundFile(tmp_path / "a.flac", "w", 16000, 2) as file:
        for _ in range(60):
            file.write(np.stack([gaussian(10, -40)] * 2, axis=1))
    segments(tmp_path / "a.flac", piece=2.0)
    tracemalloc.start()
    segments(tmp_path / "a.flac", piece=2.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6


def test_a_plan_of_nothing_but_margins_is_refused() -> None:
    with pytest.raises(ValueError, match=r"longest = 2 s is mostly margin \(0\.6 s"):
        VadPlan(longest=2.0, margin=0.6)
