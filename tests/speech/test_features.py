"""Log-mel features: torchaudio agrees, padding has no say, statistics are those of all frames."""

import numpy as np
import pytest
import torch
from torchaudio.transforms import MelSpectrogram

from nst_asr import config
from nst_asr.config import ConfigError
from nst_asr.speech.features import (
    FLOOR,
    FeatureError,
    FeaturePlan,
    FeatureStatistics,
    frame_count,
    log_mel,
    statistics,
)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def lengths(*values: int) -> torch.Tensor:
    return torch.tensor(values)


def test_log_mel_is_torchaudios() -> None:
    wave, plan = noise(1, 16000), FeaturePlan()
    theirs = MelSpectrogram(16000, 512, 400, 160, f_min=20.0, n_mels=80, center=False)
    # torchaudio lays the window into the middle of the 512 samples of its transform
    expected = theirs(torch.nn.functional.pad(wave, (56, 56))).clamp(min=FLOOR).log().mT
    found, frames = log_mel(wave, lengths(16000), plan)
    assert found.shape == expected.shape == (1, 98, 80)
    assert frames.tolist() == [98]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("frequency", [300.0, 1000.0, 3000.0])
def test_a_tone_is_loudest_in_the_channel_around_its_frequency(frequency: float) -> None:
    wave = torch.sin(2 * torch.pi * frequency * torch.arange(8000) / 16000)[None]
    found, _ = log_mel(wave, lengths(8000), FeaturePlan())
    mel = 2595 * np.log10(1 + np.array([20.0, frequency, 8000.0]) / 700)  # O'Shaughnessy's scale
    expected = (mel[1] - mel[0]) / (mel[2] - mel[0]) * 81 - 1
    assert abs(float(found.mean(1).argmax()) - expected) < 1


@pytest.mark.parametrize("rubbish", [0.0, 100.0, float("nan")])
def test_what_lies_behind_an_utterance_does_not_change_its_frames(rubbish: float) -> None:
    sizes = [16000, 400, 399, 5000, 1]
    batch = torch.full((5, 17000), rubbish)
    waves = [noise(size, seed=size) for size in sizes]
    for row, wave in zip(batch, waves, strict=True):
        row[: len(wave)] = wave
    found, frames = log_mel(batch, lengths(*sizes), FeaturePlan())
    for place, wave in enumerate(waves):
        alone, count = log_mel(wave[None], lengths(len(wave)), FeaturePlan())
        assert frames[place] == count[0] == alone.shape[1]
        # a matrix product of another size may round otherwise
        torch.testing.assert_close(found[place, : int(count)], alone[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (1, 1), (400, 1), (559, 1), (560, 2), (16000, 98)])
def test_frames_are_windows_that_lie_in_the_wave(samples: int, frames: int) -> None:
    assert frame_count(samples, FeaturePlan()) == frames
    _, found = log_mel(torch.zeros(1, 20000), lengths(samples), FeaturePlan())
    assert found.tolist() == [frames]


def test_silence_lies_on_the_floor() -> None:
    found, _ = log_mel(torch.zeros(1, 1000), lengths(1000), FeaturePlan())
    assert torch.equal(found, torch.full_like(found, FLOOR).log())


def test_features_are_float32_under_autocast() -> None:
    wave = noise(1, 4000)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, _ = log_mel(wave, lengths(4000), FeaturePlan())
    assert torch.equal(found, log_mel(wave, lengths(4000), FeaturePlan())[0])


def test_statistics_are_those_of_all_frames_however_they_are_batched() -> None:
    mels, frames = log_mel(noise(6, 16000), lengths(16000, 8000, 12000, 400, 16000, 9000), FeaturePlan())
    every = torch.cat([mel[:count] for mel, count in zip(mels, frames.tolist(), strict=True)]).double()
    for cut in (1, 4):
        parts = zip(mels.split(cut), frames.split(cut), strict=True)
        found = statistics(parts)
        torch.testing.assert_close(found.mean.double(), every.mean(0))
        torch.testing.assert_close(found.std.double(), every.std(0, correction=0))


def test_normalised_frames_have_mean_zero_and_deviation_one_and_padding_is_zero() -> None:
    mels, frames = log_mel(noise(2, 16000), lengths(16000, 8000), FeaturePlan())
    found = statistics([(mels, frames)]).normalise(mels, frames)
    valid = torch.cat([found[0, :98], found[1, :48]])
    torch.testing.assert_close(valid.mean(0), torch.zeros(80), atol=1e-4, rtol=0)
    torch.testing.assert_close(valid.std(0, correction=0), torch.ones(80), atol=1e-4, rtol=0)
    assert not found[1, 48:].any()


def test_normalising_survives_nan_in_the_padding() -> None:
    plain = FeatureStatistics(torch.zeros(80), torch.ones(80))
    mels = torch.full((1, 5, 80), float("nan"))
    mels[:, :2] = 1.0
    assert plain.normalise(mels, lengths(2)).sum() == 160


def test_statistics_of_nothing_and_of_silence_are_refused() -> None:
    with pytest.raises(FeatureError, match="no frame"):
        statistics([])
    with pytest.raises(FeatureError, match="never changes"):
        statistics([log_mel(torch.zeros(1, 16000), lengths(16000), FeaturePlan())])


def test_more_channels_than_frequencies_are_refused() -> None:
    with pytest.raises(FeatureError, match=r"mels = 200: channel .* take fewer channels"):
        log_mel(noise(1, 8000), lengths(8000), FeaturePlan(mels=200))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"high": 9000.0}, "high = 9000 Hz"),
        ({"low": 500.0, "high": 400.0}, "low = 500 Hz"),
        ({"shift": 1e-5}, "too short"),
        ({"mel": 40}, "did you mean mels"),
    ],
)
def test_plans_that_cannot_be_are_refused(content: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config.parse(FeaturePlan, content)
