"""Voiced audio without a token: what a label passes over."""

import numpy as np
import pytest

from nst_asr.speech.unspoken import unspoken
from nst_asr.speech.vad import speech_in

RATE = 16000
STRIDE = 0.04


def said(seconds: float, *stretches: tuple[float, float]) -> np.ndarray:
    """A faint noise in which somebody speaks from a time to another, seconds."""
    draw = np.random.default_rng(0)
    wave = 0.001 * draw.standard_normal(round(seconds * RATE))
    for begin, end in stretches:
        here = slice(round(begin * RATE), round(end * RATE))
        wave[here] += 0.1 * draw.standard_normal(here.stop - here.start)
    return wave.astype(np.float32)


def path(seconds: float, *times: float) -> np.ndarray:
    """Tokens, a frame each, at these times."""
    found = np.full(round(seconds / STRIDE), -1)
    for place, time in enumerate(times):
        found[round(time / STRIDE)] = place
    return found


def found(wave: np.ndarray, *times: float) -> float:
    return unspoken(wave, RATE, path(len(wave) / RATE, *times), STRIDE)


def test_what_is_voiced_is_found_to_a_few_hundredths_of_a_second() -> None:
    voiced, frame = speech_in(said(5, (1, 2), (3, 3.5)), RATE)
    assert frame == pytest.approx(0.01)
    assert voiced.sum() * frame == pytest.approx(1.5, abs=0.1)
    assert not voiced[:90].any()
    assert voiced[105:195].all()


def test_a_label_without_tokens_passes_over_all_that_is_voiced() -> None:
    assert found(said(5, (1, 2), (3, 3.5))) == pytest.approx(1.5, abs=0.1)


def test_pauses_do_not_count_and_silence_needs_no_token() -> None:
    assert found(said(6, (0.5, 1.0)), 0.76) == pytest.approx(0.24, abs=0.08)
    assert found(said(4)) == 0.0


def test_the_longest_gap_counts_between_before_and_after_the_tokens() -> None:
    wave = said(6, (1, 4))
    assert found(wave, 1.2, 2.0, 3.8) == pytest.approx(1.76, abs=0.08)
    assert found(wave, 3.0, 3.8) == pytest.approx(2.0, abs=0.08)
    assert found(wave, 1.2, 2.0) == pytest.approx(1.96, abs=0.08)


def test_a_token_in_every_frame_leaves_nothing() -> None:
    wave = said(3, (0.5, 2.5))
    assert unspoken(wave, RATE, np.arange(75), STRIDE) == 0.0


def test_a_word_that_is_left_out_of_the_label_shows() -> None:
    wave = said(5, (0.5, 1.0), (1.3, 1.8), (2.1, 3.1), (3.4, 3.9))
    times = (0.6, 0.8, 1.4, 1.6, 2.2, 2.4, 2.6, 2.8, 3.0, 3.5, 3.7)
    assert found(wave, *times) < 0.5
    assert found(wave, *(time for time in times if not 2 < time < 3.2)) > 1.0


@pytest.mark.parametrize("samples", [0, 10, 400])
def test_a_wave_too_short_for_a_frame_has_nothing_unspoken(samples: int) -> None:
    assert unspoken(np.zeros(samples, np.float32), RATE, np.full(1, -1), STRIDE) == 0.0
