import itertools
import math

import pytest
import torch
from ctc_paths import label_probabilities

from nst_asr.speech.ctc import alignable, ctc_loss_sum, log_probability


def test_the_loss_of_two_even_frames_is_a_hand_worked_fraction() -> None:
    # P(a) over {aa, a-, -a} of nine equally probable paths; P(empty) = P(ab) = 1 / 9; P(aa) needs three frames
    losses = ctc_loss_sum(torch.zeros(3, 2, 3), torch.tensor([2, 2, 2]), [[1], [], [1, 2]])
    assert losses.tolist() == pytest.approx([math.log(3), math.log(9), math.log(9)])


def test_the_probability_of_every_label_equals_the_sum_over_its_paths() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 5, 3) * 2
    truth = label_probabilities(logits[0].log_softmax(-1))
    assert sum(truth.values()) == pytest.approx(1)
    labels = list(truth)
    count = len(labels)
    found = log_probability(logits.expand(count, -1, -1), torch.full((count,), 5), labels)
    assert found.tolist() == pytest.approx([math.log(truth[label]) for label in labels], abs=1e-4)


def test_padding_of_frames_and_tokens_changes_nothing() -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 9, 5)
    lengths, labels = torch.tensor([9, 4, 1]), [[1, 1, 4], [2], []]
    together = ctc_loss_sum(logits, lengths, labels)
    padded = torch.tensor([[1, 1, 4], [2, 3, 3], [3, 3, 3]])
    assert torch.equal(ctc_loss_sum(logits, lengths, padded, torch.tensor([3, 1, 0])), together)
    for b, label in enumerate(labels):
        alone = ctc_loss_sum(logits[b : b + 1, : lengths[b]], lengths[b : b + 1], [label])
        assert float(alone) == pytest.approx(float(together[b]), rel=1e-5)


def test_logits_need_not_be_normalised_and_half_precision_is_summed_in_float32() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 300, 5)
    lengths, labels = torch.tensor([300, 200]), [[1, 2] * 40, [3] * 30]
    loss = ctc_loss_sum(logits, lengths, labels)
    torch.testing.assert_close(ctc_loss_sum(logits + 7, lengths, labels), loss)
    coarse = ctc_loss_sum(logits.bfloat16(), lengths, labels)
    assert coarse.dtype == torch.float32
    torch.testing.assert_close(coarse, ctc_loss_sum(logits.bfloat16().float(), lengths, labels))


def test_weights_scale_each_utterance_and_its_gradient() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 6, 4, requires_grad=True)
    lengths, labels = torch.tensor([6, 6]), [[1, 2], [3]]
    plain = torch.autograd.grad(ctc_loss_sum(logits, lengths, labels).sum(), logits)[0]
    weighted = ctc_loss_sum(logits, lengths, labels, weights=torch.tensor([0.5, 2.0]))
    gradient = torch.autograd.grad(weighted.sum(), logits)[0]
    torch.testing.assert_close(gradient, plain * torch.tensor([0.5, 2.0])[:, None, None])


def test_the_gradient_is_that_of_finite_differences() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 4, 3)
    inputs = logits.clone().requires_grad_()
    gradient = torch.autograd.grad(ctc_loss_sum(inputs, torch.tensor([4]), [[1, 1]]).sum(), inputs)[0]

    def loss(t: int, v: int, change: float) -> float:
        moved = logits.double()
        moved[0, t, v] += change
        return -math.log(label_probabilities(moved[0].log_softmax(-1))[(1, 1)])

    for t, v in itertools.product(range(4), range(3)):
        assert float(gradient[0, t, v]) == pytest.approx((loss(t, v, 1e-4) - loss(t, v, -1e-4)) / 2e-4, abs=1e-4)


def test_a_label_is_alignable_just_when_its_loss_is_finite() -> None:
    labels = [list(label) for size in range(5) for label in itertools.product((1, 2), repeat=size)]
    for frames in range(1, 8):
        losses = ctc_loss_sum(torch.zeros(len(labels), frames, 3), torch.full((len(labels),), frames), labels)
        assert torch.isfinite(losses).tolist() == [alignable(frames, label) for label in labels]


def test_forced_blanks_between_repeats_count_as_frames() -> None:
    assert alignable(3, [1, 1])
    assert not alignable(2, [1, 1])
    assert alignable(2, [1, 2])
    assert alignable(0, [])


def test_a_tensor_of_tokens_without_lengths_is_refused() -> None:
    with pytest.raises(ValueError, match="token_lengths"):
        ctc_loss_sum(torch.zeros(1, 2, 3), torch.tensor([2]), torch.tensor([[1]]))


def test_the_log_probability_has_no_gradient() -> None:
    logits = torch.zeros(1, 2, 3, requires_grad=True)
    assert not log_probability(logits, torch.tensor([2]), [[1]]).requires_grad
