"""Relative positions: the shift and the scores are those of plain loops."""

import math

import pytest
import torch
from torch import Tensor

from nst_asr.speech.relative import RelativeAttention, relative_sinusoids, shift

CPU = torch.device("cpu")


def attention(seed: int = 0) -> RelativeAttention:
    """Two heads of four channels, in float64, its position vectors away from zero."""
    torch.manual_seed(seed)
    module = RelativeAttention(8, 2, 0.0).double().eval()
    torch.nn.init.normal_(module.content_bias)
    torch.nn.init.normal_(module.position_bias)
    return module


def sinusoid(distance: int, width: int) -> Tensor:
    """One distance's encoding, number by number."""
    angles = [distance / 10_000 ** (2 * i / width) for i in range(width // 2)]
    return torch.tensor([math.sin(a) for a in angles] + [math.cos(a) for a in angles], dtype=torch.float64)


def by_loops(module: RelativeAttention, x: Tensor) -> Tensor:
    """The module's output for one utterance (T, D) by equation: a loop over heads, queries and keys."""
    frames, width = x.shape
    size = width // module.heads
    q, k, v = module.qkv(module.norm(x)).split(width, dim=1)
    rows = []
    for i in range(frames):
        heads = []
        for h in range(module.heads):
            part = slice(h * size, (h + 1) * size)
            scores = []
            for j in range(frames):
                r = (module.distance.weight @ sinusoid(i - j, width))[part]
                content = (q[i, part] + module.content_bias[part]) @ k[j, part]
                position = (q[i, part] + module.position_bias[part]) @ r
                scores.append((content + position) / math.sqrt(size))
            heads.append(torch.stack(scores).softmax(0) @ v[:, part])
        rows.append(torch.cat(heads))
    return module.out(torch.stack(rows))


@pytest.mark.parametrize("frames", [1, 2, 3, 9])
def test_relative_attention_is_the_equation_by_plain_loops(frames: int) -> None:
    module = attention()
    x = torch.randn(2, frames, 8, dtype=torch.float64)
    found = module(x, relative_sinusoids(frames, 8, CPU).double(), None)
    for row, utterance in zip(found, x, strict=True):
        # the sinusoids are computed in float32
        torch.testing.assert_close(row, by_loops(module, utterance), rtol=1e-5, atol=1e-6)


def test_the_shift_puts_each_distance_in_its_place() -> None:
    for frames in (1, 2, 5):
        distances = torch.arange(frames, -frames, -1).expand(3, frames, 2 * frames)
        expected = torch.arange(frames)[:, None] - torch.arange(frames)
        assert torch.equal(shift(distances.contiguous()), expected.expand(3, -1, -1))


def test_the_encoding_of_every_distance_is_its_sines_and_cosines() -> None:
    rows = relative_sinusoids(4, 6, CPU)
    assert rows.shape == (8, 6)
    for row, distance in zip(rows, range(4, -4, -1), strict=True):
        torch.testing.assert_close(row.double(), sinusoid(distance, 6), rtol=0, atol=1e-6)


def test_the_positions_part_of_a_score_depends_on_the_distance_alone() -> None:
    module = attention()
    q = torch.randn(1, 2, 1, 4, dtype=torch.float64).expand(-1, -1, 12, -1)
    scores = module._by_distance(q, relative_sinusoids(12, 8, CPU).double())
    for distance in (-4, 0, 7):
        diagonal = scores.diagonal(distance, dim1=2, dim2=3)
        torch.testing.assert_close(diagonal, diagonal[..., :1].expand_as(diagonal))
    assert (scores[0, 0, 0, 3] - scores[0, 0, 3, 0]).abs() > 1e-3  # and on which of the two comes first


def test_frames_moved_together_in_time_are_attended_to_alike() -> None:
    module = attention()
    x = torch.randn(1, 5, 8, dtype=torch.float64)
    moved = torch.randn(1, 9, 8, dtype=torch.float64)
    moved[:, 3:8] = x
    real = torch.zeros(1, 9, dtype=torch.bool)
    real[:, 3:8] = True
    found = module(moved, relative_sinusoids(9, 8, CPU).double(), real)[:, 3:8]
    torch.testing.assert_close(found, module(x, relative_sinusoids(5, 8, CPU).double(), None), rtol=1e-6, atol=1e-8)


def test_what_is_in_padding_changes_nothing() -> None:
    module = attention()
    codes = relative_sinusoids(6, 8, CPU).double()
    real = torch.tensor([[True] * 4 + [False] * 2])
    x = torch.randn(1, 6, 8, dtype=torch.float64)
    other = x.clone()
    other[:, 4:] = 1e3
    assert torch.equal(module(x, codes, real)[:, :4], module(other, codes, real)[:, :4])


def test_the_gradients_are_those_of_finite_differences() -> None:
    module = attention()
    codes = relative_sinusoids(4, 8, CPU).double()
    real = torch.tensor([[True] * 4, [True] * 3 + [False]])
    x = torch.randn(2, 4, 8, dtype=torch.float64, requires_grad=True)
    weights = (module.content_bias, module.position_bias, module.distance.weight)

    def output(x: Tensor, *_weights: Tensor) -> Tensor:
        return module(x, codes, real)

    assert torch.autograd.gradcheck(output, (x, *weights))
