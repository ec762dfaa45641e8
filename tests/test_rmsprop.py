"""RMSProp against timm's, which follows TensorFlow's, and against an update worked by hand."""

import pytest
import torch

from nst_asr.rmsprop import RMSprop


def weights() -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((3, 4), (5,), (2, 3, 1, 1))]


def test_the_first_update_is_the_hand_worked_one() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    weight.grad = torch.tensor([2.0])
    optimizer = RMSprop([{"params": [weight], "lr": 0.1}], momentum=0.9)
    optimizer.step()
    # v = 0.9 * 1 + 0.1 * 4 = 1.3
    assert float(weight.detach()) == pytest.approx(1 - 0.1 * 2 / (1.3 + 0.001) ** 0.5)


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_updates_are_those_of_timms_rmsprop_tf_whatever_the_rate_does(decay: float) -> None:
    RMSpropTF = pytest.importorskip("timm.optim").RMSpropTF  # noqa: N806 - a class
    ours, theirs = weights(), weights()
    mine = RMSprop([{"params": ours, "weight_decay": decay}], momentum=0.9)
    timms = RMSpropTF(theirs, lr=0.1, alpha=0.9, eps=1e-3, momentum=0.9, weight_decay=decay)
    generator = torch.Generator().manual_seed(1)
    for step in range(20):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        for optimizer in (mine, timms):
            for group in optimizer.param_groups:
                group["lr"] = 0.1 / (1 + step)
            optimizer.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_a_weight_without_a_gradient_is_left_alone_and_a_closure_refused() -> None:
    first, second = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
    first.grad = torch.ones(2)
    optimizer = RMSprop([{"params": [first, second], "lr": 0.1}])
    optimizer.step()
    assert torch.equal(second.detach(), torch.ones(2))
    with pytest.raises(ValueError, match="no closure"):
        optimizer.step(lambda: 0.0)
