"""Presets: what they stand for, and how many parameters come of it."""

import pytest

from nst_asr.config import ConfigError, parse
from nst_asr.speech.conformer import ConformerPlan
from nst_asr.speech.presets import PRESETS


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
