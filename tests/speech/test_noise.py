"""The student's noise: masks within their bounds, powers as asked, everything from the key."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from nst_asr import config
from nst_asr.config import ConfigError
from nst_asr.key import Key
from nst_asr.speech.audio import AudioError
from nst_asr.speech.noise import (
    AdditivePlan,
    NoisePlan,
    SpecAugmentPlan,
    add_noise,
    coloured,
    noised,
    spec_augment,
    speed,
)

FIXED = SpecAugmentPlan(frequency_masks=2, frequency_width=27, time_masks=2, time_width=40)
ADAPTIVE = SpecAugmentPlan(frequency_masks=1, frequency_width=10, time_masks=10, time_share=0.05)
MANY = SpecAugmentPlan(frequency_masks=0, time_masks=20, time_mask_rate=0.04, time_share=0.04)
RATE = 16000


def keys(count: int) -> list[Key]:
    return [Key(3)["noise", f"utt{i}"] for i in range(count)]


def ones(sizes: list[int], length: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.ones(len(sizes), length, 80), torch.tensor(sizes)


def runs(masked: np.ndarray) -> list[int]:
    """Lengths of the stretches that are True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], masked.astype(int), [0]])))
    return (edges[1::2] - edges[::2]).tolist()


@pytest.mark.parametrize("plan", [FIXED, ADAPTIVE, MANY])
def test_masks_never_touch_padding(plan: SpecAugmentPlan) -> None:
    sizes = [1, 7, 50, 199, 200, 0]
    mels, frames = ones(sizes, 200)
    for lap in range(20):
        found = spec_augment(mels, frames, plan, [key["lap", lap] for key in keys(6)])
        for row, size in zip(found, sizes, strict=True):
            assert (row[size:] == 1).all()
    assert (mels == 1).all()


@pytest.mark.parametrize("plan", [FIXED, ADAPTIVE, MANY])
def test_masks_stay_within_number_and_width(plan: SpecAugmentPlan) -> None:
    sizes = [30, 100, 400, 1000]
    mels, frames = ones(sizes, 1000)
    widest = dict.fromkeys(sizes, 0)
    for lap in range(50):
        found = spec_augment(mels, frames, plan, [key["lap", lap] for key in keys(4)])
        for row, size in zip(found.numpy(), sizes, strict=True):
            time = runs((row[:size] == 0).all(1))
            channels = runs((row[:size] == 0).all(0))
            # masks may touch or overlap: their sum bounds the sum of the runs, and no mask leaves gaps in itself
            assert len(time) <= plan.count(size)
            assert sum(time) <= plan.count(size) * plan.widest(size)
            if sum(time) < size:  # else every channel is masked throughout
                assert len(channels) <= plan.frequency_masks
                assert sum(channels) <= plan.frequency_masks * plan.frequency_width
            widest[size] = max([widest[size], *time])
    if plan is FIXED:
        assert widest[1000] > 30  # masks do get wide
        assert 1 <= widest[30] <= 30


@pytest.mark.parametrize(
    ("plan", "frames", "count", "widest"),
    [(FIXED, 100, 2, 40), (FIXED, 30, 2, 30), (ADAPTIVE, 100, 10, 5), (MANY, 100, 4, 4), (MANY, 1000, 20, 40)],
)
def test_number_and_width_of_time_masks_by_hand(plan: SpecAugmentPlan, frames: int, count: int, widest: int) -> None:
    assert (plan.count(frames), plan.widest(frames)) == (count, widest)


def test_the_masked_share_is_that_of_even_draws() -> None:
    # one mask of a width even on 0..40 covers 20 of 400 frames in the mean
    plan = SpecAugmentPlan(frequency_masks=0, time_masks=1, time_width=40)
    mels = torch.ones(1000, 400, 2)
    found = spec_augment(mels, torch.full((1000,), 400), plan, keys(1000))
    assert abs(float((found == 0).float().mean()) - 20 / 400) < 0.004


def test_an_utterances_masks_do_not_depend_on_its_batch() -> None:
    mels = torch.randn(4, 300, 80, generator=torch.Generator().manual_seed(0))
    frames = torch.tensor([300, 120, 250, 60])
    together = spec_augment(mels, frames, FIXED, keys(4))
    for place in (3, 1, 0, 2):
        size = int(frames[place])
        alone = spec_augment(mels[place : place + 1, :size], frames[place : place + 1], FIXED, [keys(4)[place]])
        assert torch.equal(together[place, :size], alone[0])
        assert not torch.equal(alone[0], mels[place, :size])
    shuffled = spec_augment(mels[[2, 0]], frames[[2, 0]], FIXED, [keys(4)[2], keys(4)[0]])
    assert torch.equal(shuffled, together[[2, 0]])


def test_the_same_key_masks_alike_and_another_otherwise() -> None:
    mels, frames = ones([300], 300)
    found = spec_augment(mels, frames, FIXED, [Key(1)["a"]])
    assert torch.equal(found, spec_augment(mels, frames, FIXED, [Key(1)["a"]]))
    assert not torch.equal(found, spec_augment(mels, frames, FIXED, [Key(1)["b"]]))
    assert not torch.equal(found, spec_augment(mels, frames, FIXED, [Key(2)["a"]]))


def test_no_masks_is_a_copy() -> None:
    mels, frames = ones([10], 20)
    found = spec_augment(mels, frames, SpecAugmentPlan(frequency_masks=0, time_masks=0), keys(1))
    assert torch.equal(found, mels)


def tone(frequency: float, samples: int = RATE) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(samples) / RATE).astype(np.float32)


def peak(wave: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(wave)).argmax() * RATE / len(wave))


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.1, 0.97])
def test_speed_changes_length_by_its_inverse_and_pitch_by_itself(factor: float) -> None:
    found = speed(tone(1000), factor)
    assert len(found) == int(np.ceil(RATE / factor))
    assert abs(peak(found) - 1000 * factor) < 1.5
    assert found.dtype == np.float32


@pytest.mark.parametrize("snr", [-5.0, 0.0, 13.5, 40.0])
@pytest.mark.parametrize("colour", ["white", "pink", "brown"])
def test_the_ratio_of_powers_is_the_one_asked_for(snr: float, colour: str) -> None:
    wave = 0.3 * tone(440)
    added = add_noise(wave, coloured(len(wave), RATE, colour, Key(0)), snr) - wave
    found = 10 * np.log10(np.mean(wave.astype(float) ** 2) / np.mean(added.astype(float) ** 2))
    assert abs(found - snr) < 0.01


@pytest.mark.parametrize(("colour", "fall"), [("white", 0.0), ("pink", 1.0), ("brown", 2.0)])
def test_the_power_of_coloured_noise_falls_as_it_should(colour: str, fall: float) -> None:
    power = np.abs(np.fft.rfft(coloured(64 * RATE, RATE, colour, Key(0)))) ** 2
    octave = [power[64 * low : 128 * low].mean() for low in (100, 200, 400, 800, 1600)]  # 64 bins a Hz
    np.testing.assert_allclose(-np.diff(np.log2(octave)), fall, atol=0.1)


def test_silence_stays_as_it_is() -> None:
    silent = np.zeros(100, np.float32)
    assert not add_noise(silent, coloured(100, RATE, "white", Key(0)), 10.0).any()
    assert np.array_equal(add_noise(tone(100, 50), silent[:50], 10.0), tone(100, 50))


def test_noise_on_waves_follows_from_the_key_alone() -> None:
    plan = NoisePlan(speed=(0.9, 1.0, 1.1), additive=AdditivePlan(probability=0.5))
    wave = tone(300, 4000)
    heard = [noised(wave, RATE, plan, key) for key in keys(60)]
    again = [noised(wave, RATE, plan, key) for key in keys(60)]
    assert all(np.array_equal(a, b) for a, b in zip(heard, again, strict=True))
    assert {len(h) for h in heard} == {3637, 4000, 4445}
    untouched = sum(np.array_equal(h, speed(wave, 4000 / len(h))) for h in heard)
    assert 15 <= untouched <= 45  # half of them, by the law of large numbers


def test_no_noise_on_waves_is_the_wave() -> None:
    wave = tone(300, 400)
    assert np.array_equal(noised(wave, RATE, NoisePlan(), Key(0)), wave)


def test_recorded_noise_is_cut_to_length_or_repeated(tmp_path: Path) -> None:
    hiss = coloured(RATE, RATE, "white", Key(5)) * 0.1
    soundfile.write(tmp_path / "hiss.wav", hiss, RATE, subtype="FLOAT")
    plan = NoisePlan(additive=AdditivePlan(probability=1.0, snr_low=10.0, snr_high=10.0, folder=str(tmp_path)))
    for samples in (8000, 3 * RATE):
        wave = tone(300, samples)
        added = noised(wave, RATE, plan, Key(1)) - wave
        assert abs(10 * np.log10(np.mean(wave**2) / np.mean(added**2)) - 10) < 0.01
        # what was added is the recording, at some place
        likeness = np.correlate(np.tile(hiss, 2), added[:4000], "valid")
        assert likeness.max() > 0.99 * np.linalg.norm(added[:4000]) * np.linalg.norm(hiss[:4000]) * 0.9


def test_a_folder_without_noise_is_named(tmp_path: Path) -> None:
    plan = NoisePlan(additive=AdditivePlan(probability=1.0, folder=str(tmp_path)))
    with pytest.raises(AudioError, match="no noise recordings"):
        noised(tone(300), RATE, plan, Key(0))


@pytest.mark.parametrize(
    ("quiet", "loud"),
    [
        (NoisePlan(), NoisePlan(dropout=0.2)),
        (NoisePlan(), NoisePlan(survival=0.8)),
        (NoisePlan(), NoisePlan(speed=(0.9, 1.0, 1.1))),
        (NoisePlan(additive=AdditivePlan()), NoisePlan(additive=AdditivePlan(snr_low=0.0))),
        (NoisePlan(additive=AdditivePlan()), NoisePlan(additive=AdditivePlan(probability=0.9))),
        (NoisePlan(spec_augment=FIXED), NoisePlan(spec_augment=SpecAugmentPlan(time_masks=10, time_share=0.05))),
        (NoisePlan(spec_augment=ADAPTIVE), NoisePlan(spec_augment=FIXED.model_copy(update={"time_masks": 20}))),
        (NoisePlan(), NoisePlan(spec_augment=MANY)),
    ],
)
def test_more_noise_is_a_larger_component_and_none_is_zero(quiet: NoisePlan, loud: NoisePlan) -> None:
    few, many = quiet.components(), loud.components()
    assert list(few) == list(many)
    assert all(few[name] <= many[name] for name in few)
    assert few != many
    assert set(NoisePlan(dropout=0.0).components().values()) == {0.0}


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        (SpecAugmentPlan, {"time_masks": 2}, "say how wide they may be"),
        (SpecAugmentPlan, {"time_share": 1.5}, "time_share = 1.5"),
        (AdditivePlan, {"snr_low": 30.0}, "snr_low = 30 is above snr_high = 25"),
        (AdditivePlan, {"colours": []}, "colours is empty"),
        (AdditivePlan, {"colours": ["blue"]}, "blue"),
        (NoisePlan, {"speed": [0.1]}, "speed = 0.1"),
        (NoisePlan, {"dropout": -0.1}, "dropout = -0.1"),
        (NoisePlan, {"spec_augment": {"time_width": 5, "frequncy_masks": 1}}, "did you mean frequency_masks"),
    ],
)
def test_plans_that_cannot_be_are_refused(kind: Any, content: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config.parse(kind, content)
