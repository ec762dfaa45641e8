"""Presets: what they stand for, and how many parameters come of it."""

import pytest
import torch

from nst_asr.config import ConfigError, parse
from nst_asr.speech.conformer import ConformerPlan
from nst_asr.speech.presets import PRESETS
from tools.model_sizes import PAPER, Preset, decoder_parameters, encoder_parameters


def test_a_preset_stands_for_its_keys_and_other_keys_win_over_it() -> None:
    assert parse(ConformerPlan, {"preset": "M"}) == ConformerPlan(
        width=256, blocks=16, heads=4, feed_forward=4, kernel=32, channels=256, positions="relative"
    )
    assert parse(ConformerPlan, {"preset": "L", "kernel": 31, "positions": "rotary"}) == ConformerPlan(
        width=512, blocks=17, heads=8, feed_forward=4, kernel=31, channels=512, positions="rotary"
    )
    assert ConformerPlan(preset="S") == parse(ConformerPlan, dict(PRESETS["S"]))


def test_what_is_written_down_is_the_preset_written_out() -> None:
    plan = ConformerPlan(preset="S", blocks=2)
    content = plan.model_dump(mode="json")
    assert "preset" not in content
    assert content["kernel"] == 32
    assert parse(ConformerPlan, content) == plan


def test_an_unknown_preset_is_refused_by_name() -> None:
    for name in ("XL", 3):
        with pytest.raises(ConfigError, match=f"preset = {name!r}: .*'S', 'M' or 'L'"):
            parse(ConformerPlan, {"preset": name})
    with pytest.raises(ConfigError, match="unknown key presett; did you mean preset"):
        parse(ConformerPlan, {"presett": "S"})


def test_a_model_described_before_there_were_presets_is_rotary() -> None:
    old = {"width": 144, "blocks": 16, "heads": 4, "feed_forward": 4, "kernel": 31, "channels": 64}
    assert parse(ConformerPlan, old) == ConformerPlan()
    assert ConformerPlan().positions == "rotary"


@pytest.mark.parametrize(("name", "millions"), [("S", 8.7), ("M", 27.3), ("L", 114.9)])
def test_the_encoders_are_of_the_size_that_the_papers_totals_leave_them(name: Preset, millions: float) -> None:
    assert encoder_parameters(ConformerPlan(preset=name)) == pytest.approx(millions * 1e6, rel=0.005)


@pytest.mark.parametrize("name", ["S", "M", "L"])
def test_with_the_papers_decoder_the_totals_are_within_six_percent_of_the_papers(name: Preset) -> None:
    plan, paper = ConformerPlan(preset=name), PAPER[name]
    total = encoder_parameters(plan) + decoder_parameters(plan.width, paper.decoder, 1000)
    assert total == pytest.approx(paper.total, rel=0.06)


def test_an_encoders_parameters_by_hand() -> None:
    # subsampling: 10 * 3, (9 * 3 + 1) * 3, 20 * 3 inputs to 4; a block: two feed-forwards, attention, convolution, norm
    subsampling = 30 + 84 + 60 * 4 + 4
    feed_forward = 8 + (4 + 1) * 8 + (8 + 1) * 4
    attention = 8 + (4 + 1) * 12 + (4 + 1) * 4 + 4 * 4 + 2 * 4  # the last two: distances, u and v
    convolution = 8 + (4 + 1) * 8 + (6 + 1) * 4 + 8 + (4 + 1) * 4
    plan = ConformerPlan(width=4, blocks=2, heads=2, feed_forward=2, kernel=6, channels=3, positions="relative")
    assert encoder_parameters(plan) == subsampling + 2 * (2 * feed_forward + attention + convolution + 8)


def test_a_decoders_parameters_are_those_of_its_modules() -> None:
    lstm = torch.nn.LSTM(6, 6)  # torch's has two biases for each gate, of which the count has one
    modules = [torch.nn.Embedding(11, 6), lstm, torch.nn.Linear(4, 6), torch.nn.Linear(6, 11)]
    total = sum(p.numel() for module in modules for p in module.parameters()) - lstm.bias_hh_l0.numel()
    assert decoder_parameters(4, 6, 10) == total
