"""What the review of the image task found."""

import numpy as np
import polars as pl
import pytest
import torch

from nst_asr import corpus
from nst_asr.corpus import fingerprint
from nst_asr.mix import MixPlan
from nst_asr.parallel import laid_out
from nst_asr.settle import _deciding
from nst_asr.vision.nets import NetPlan, build
from nst_asr.vision.noise import NoisePlan, noised
from nst_asr.vision.plan import PixelPlan, VisionTrain


def test_summed_gradients_lie_in_memory_as_the_weights_do_or_fused_optimisers_mix_them_up() -> None:
    torch.manual_seed(0)
    start = torch.randn(8, 4, 3, 3).to(memory_format=torch.channels_last)
    flat = torch.randn(start.numel())
    weight = torch.nn.Parameter(start.clone())
    weight.grad = laid_out(flat, weight.detach())
    assert weight.grad.stride() == weight.stride()
    torch.optim.SGD([weight], lr=1.0, fused=True).step()
    torch.testing.assert_close(weight.detach(), start - flat.view(8, 4, 3, 3))


def table(rows: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [f"i{n}" for n in range(rows)],
            "soft_prob": pl.Series([[0.5, 0.25, 0.25]] * rows, dtype=pl.List(pl.Float16)),
        }
    )


def test_a_fingerprint_is_made_in_pieces_and_does_not_depend_on_them(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [fingerprint(table(rows)) for rows in (0, 1, 7, 10)]
    monkeypatch.setattr(corpus, "_PIECE", 3)
    assert [fingerprint(table(rows)) for rows in (0, 1, 7, 10)] == whole
    assert len(set(whole)) == 4


@pytest.mark.parametrize("other", [{"ratio": 2.0}, {"pooled": True}])
def test_a_share_of_zero_is_said_too_and_does_not_give_way_to_a_ratio(other: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="both say how much of a batch is pseudo-labeled"):
        MixPlan.model_validate({"pseudo_share": 0.0} | other)


def test_a_mixture_plan_that_was_written_out_can_be_read_again() -> None:
    for plan in (MixPlan(), MixPlan(ratio=3.0), MixPlan(pooled=True), MixPlan(pseudo_share=0.0)):
        assert MixPlan.model_validate(plan.model_dump(mode="json")) == plan


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fit": {"updates": 4, "batch": 4.0, "warmup": 0, "recompute": True}}, "fit.recompute: not for images"),
        ({"fine_tune": {"fit": {"updates": 4, "batch": 4.0, "warmup": 0, "compile": True}}}, "fit.compile: not for"),
        ({"noise": {"cutout": 64}}, "cutout = 64 leaves nothing of 32 pixels"),
        ({"noise": {"crop": "pad", "pad": 32}}, "pad = 32 can move 32 pixels out of sight"),
    ],
)
def test_settings_that_images_have_no_use_for_are_refused(changes: dict[str, object], message: str) -> None:
    settings = {"model": {"name": "convnet5"}, "fit": {"updates": 4, "batch": 4.0, "warmup": 0}} | changes
    with pytest.raises(ValueError, match=message):
        VisionTrain.model_validate(settings)


def test_means_in_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="divide by 255"):
        PixelPlan(mean=(123.7, 116.3, 103.5))
    with pytest.raises(ValueError, match="divide by 255"):
        PixelPlan(std=(58.4, 57.1, 57.4))


def test_a_random_magnitude_counts_as_its_mean() -> None:
    augment = {"ops": 2, "magnitude": 9.0}
    parts = [
        NoisePlan.model_validate({"rand_augment": augment | {"schedule": schedule}}).components()
        for schedule in ("constant", "random", "linear")
    ]
    name = "RandAugment (operations x mean magnitude)"
    assert [part[name] for part in parts] == [18.0, 9.0, 9.0]


def test_class_names_that_are_called_like_settings_decide_too() -> None:
    plan = {"balance": {"per_class": {"workers": 5, "cat": 5}}, "workers": 2}
    assert _deciding(plan) == {"balance": {"per_class": {"workers": 5, "cat": 5}}}


def test_logits_are_exact_under_autocast() -> None:
    torch.manual_seed(0)
    for name in ("convnet5", "efficientnet_b0"):
        net = build(NetPlan(name=name), 7).eval()
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            logits = net(torch.randn(2, 3, 32, 32))
        assert logits.dtype == torch.float32


def test_student_and_teacher_see_the_same_part_of_an_image_that_is_no_square() -> None:
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, :8] = wide[:, -8:] = 255  # outside the central square
    for crop in ("none", "pad"):
        plan = NoisePlan(crop=crop, flip=0.0, pad=1)
        assert noised([wide], np.zeros(1, np.uint64), plan, 32).max() == 0
