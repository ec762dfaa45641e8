import itertools
import math

import numpy as np
import pytest
import torch
from ctc_paths import collapse, label_probabilities
from torch import Tensor
from torchaudio.functional import forced_align

from nst_asr.config import ConfigError, parse
from nst_asr.speech.ctc import alignable, log_probability
from nst_asr.speech.decode import DecodePlan, align, beam_search, confidences, decode, greedy


def frames(best: list[int], vocabulary: int = 4, sure: float = 0.9) -> Tensor:
    """Log probabilities (1, frames, vocabulary): each frame gives `sure` to one token, the others share the rest."""
    probabilities = torch.full((1, len(best), vocabulary), (1 - sure) / (vocabulary - 1))
    for t, v in enumerate(best):
        probabilities[0, t, v] = sure
    return probabilities.log()


def noise(batch: int, length: int, vocabulary: int, seed: int, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(batch, length, vocabulary, generator=generator) * scale).log_softmax(-1)


def full(log_probs: Tensor) -> Tensor:
    return torch.full((log_probs.shape[0],), log_probs.shape[1])


def test_greedy_merges_repeats_and_then_removes_blanks() -> None:
    log_probs = frames([0, 1, 1, 0, 1, 2, 2, 3, 0])
    assert greedy(log_probs, torch.tensor([9])) == [[1, 1, 2, 3]]


def test_greedy_stops_at_each_length() -> None:
    log_probs = frames([1, 2, 2, 0, 3]).expand(5, -1, -1)
    assert greedy(log_probs, torch.tensor([5, 4, 2, 1, 0])) == [[1, 2, 3], [1, 2], [1, 2], [1], []]


def test_greedy_of_no_utterances_is_no_labels() -> None:
    assert greedy(torch.zeros(0, 3, 4), torch.zeros(0, dtype=torch.long)) == []


def test_greedy_equals_the_collapsed_best_path() -> None:
    log_probs = noise(20, 12, 4, seed=0)
    best = [collapse(tuple(row.tolist())) for row in log_probs.argmax(-1)]
    assert greedy(log_probs, full(log_probs)) == [list(label) for label in best]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("length", "vocabulary"), [(1, 3), (3, 4), (6, 3), (4, 2)])
def test_a_beam_that_holds_every_prefix_finds_every_label_with_its_probability(
    seed: int, length: int, vocabulary: int
) -> None:
    log_probs = noise(1, length, vocabulary, seed, scale=2.0)
    truth = label_probabilities(log_probs[0])
    found = beam_search(log_probs, full(log_probs), beam=sum((vocabulary - 1) ** u for u in range(length + 1)))[0]
    assert {tuple(h.tokens): math.exp(h.logprob) for h in found} == pytest.approx(truth)
    assert len(found) == len(truth)
    assert [h.logprob for h in found] == sorted((h.logprob for h in found), reverse=True)
    assert tuple(found[0].tokens) == max(truth, key=truth.__getitem__)


def test_the_beam_sums_alignments_where_greedy_follows_one() -> None:
    # Graves's example: the path blank-blank has 0.36, but `a` sums 0.24 + 0.24 + 0.16 = 0.64
    log_probs = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]).log()
    assert greedy(log_probs, torch.tensor([2])) == [[]]
    best = beam_search(log_probs, torch.tensor([2]), beam=2)[0]
    assert [h.tokens for h in best] == [[1], []]
    assert [math.exp(h.logprob) for h in best] == pytest.approx([0.64, 0.36])


def test_a_beam_of_one_keeps_one_prefix_and_all_its_alignments() -> None:
    # after frame 1 only the empty prefix (0.6) is kept, after frame 2 again (0.36 against 0.24)
    log_probs = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]).log()
    (only,) = beam_search(log_probs, torch.tensor([2]), beam=1)[0]
    assert (only.tokens, math.exp(only.logprob)) == ([], pytest.approx(0.36))
    (sure,) = beam_search(frames([1, 1, 0, 1]), torch.tensor([4]), beam=1)[0]
    assert sure.tokens == [1, 1]


def textbook(log_probs: Tensor, beam: int) -> list[tuple[tuple[int, ...], float]]:
    """Prefix beam search with a dictionary of prefixes and plain probabilities (Hannun et al. 2014, algorithm 1)."""
    kept = {(): (1.0, 0.0)}  # prefix -> probability of ending in a blank, and in its last token
    for frame in log_probs.double().exp().tolist():
        grown: dict[tuple[int, ...], list[float]] = {}
        for prefix, (blank, token) in kept.items():
            grown.setdefault(prefix, [0.0, 0.0])[0] += (blank + token) * frame[0]
            for v, p in enumerate(frame[1:], start=1):
                if prefix and prefix[-1] == v:
                    grown.setdefault(prefix, [0.0, 0.0])[1] += token * p
                    grown.setdefault((*prefix, v), [0.0, 0.0])[1] += blank * p
                else:
                    grown.setdefault((*prefix, v), [0.0, 0.0])[1] += (blank + token) * p
        best = sorted(grown, key=lambda prefix: -sum(grown[prefix]))[:beam]
        kept = {prefix: (grown[prefix][0], grown[prefix][1]) for prefix in best}
    return [(prefix, sum(parts)) for prefix, parts in kept.items()]


@pytest.mark.parametrize("beam", [2, 3, 5, 8])
def test_a_small_beam_keeps_what_the_textbook_keeps(beam: int) -> None:
    log_probs = noise(30, 25, 4, seed=beam)
    for row, found in zip(log_probs, beam_search(log_probs, full(log_probs), beam), strict=True):
        expected = textbook(row, beam)
        assert [tuple(h.tokens) for h in found] == [prefix for prefix, _ in expected]
        assert [h.logprob for h in found] == pytest.approx([math.log(p) for _, p in expected])


@pytest.mark.parametrize("beam", [1, 2, 3, 5])
def test_a_small_beam_names_each_label_once_and_never_claims_more_than_its_probability(beam: int) -> None:
    log_probs = noise(40, 14, 4, seed=beam)
    for b, hypotheses in enumerate(beam_search(log_probs, full(log_probs), beam)):
        labels = [h.tokens for h in hypotheses]
        assert len({tuple(label) for label in labels}) == len(labels) == beam
        truth = log_probability(log_probs[b : b + 1].expand(beam, -1, -1), torch.full((beam,), 14), labels)
        assert all(h.logprob <= float(p) + 1e-4 for h, p in zip(hypotheses, truth, strict=True))


def test_a_wider_beam_finds_more_probable_labels() -> None:
    log_probs = noise(60, 20, 5, seed=0)

    def mean(beam: int) -> float:
        labels = decode(log_probs, full(log_probs), DecodePlan(beam=beam))
        return float(log_probability(log_probs, full(log_probs), labels).mean())

    assert mean(1) < mean(4) < mean(32)


def test_the_beam_stops_at_each_length_and_ignores_padding() -> None:
    log_probs = noise(4, 10, 4, seed=3)
    lengths = torch.tensor([10, 7, 1, 0])
    padded = log_probs.clone()
    for b, length in enumerate(lengths.tolist()):
        padded[b, length:] = math.nan
        alone = beam_search(log_probs[b : b + 1, :length], lengths[b : b + 1], 4)[0]
        assert beam_search(padded[b : b + 1], lengths[b : b + 1], 4)[0] == alone
    assert beam_search(padded, lengths, 4)[3][0].tokens == []


def test_the_beam_goes_through_hard_zeros() -> None:
    log_probs = torch.full((1, 3, 3), -math.inf)
    for t, v in enumerate([1, 0, 1]):
        log_probs[0, t, v] = 0.0
    (only,) = beam_search(log_probs, torch.tensor([3]), beam=4)[0]
    assert (only.tokens, only.logprob) == ([1, 1], 0.0)


def test_the_plan_chooses_between_greedy_and_beam() -> None:
    log_probs = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]).log()
    assert decode(log_probs, torch.tensor([2]), DecodePlan()) == [[]]
    assert decode(log_probs, torch.tensor([2]), DecodePlan(beam=2)) == [[1]]
    with pytest.raises(ConfigError, match="beam = 0"):
        parse(DecodePlan, {"beam": 0})


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_broken_log_probabilities_are_refused_with_their_place(value: float) -> None:
    log_probs = noise(2, 3, 4, seed=0)
    log_probs[1, 2] = value
    for search in (greedy, lambda rows, lengths: beam_search(rows, lengths, 2)):
        with pytest.raises(ValueError, match="row 1, frame 2"):
            search(log_probs, torch.tensor([3, 3]))
        search(log_probs, torch.tensor([3, 2]))


def test_lengths_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        greedy(noise(1, 3, 4, seed=0), torch.tensor([4]))


def path_score(row: Tensor, label: list[int], path: np.ndarray) -> float:
    """The log probability of a path given as places in the label."""
    return sum(float(row[t, label[u] if u >= 0 else 0]) for t, u in enumerate(path.tolist()))


@pytest.mark.parametrize("seed", range(6))
def test_the_alignment_is_the_most_probable_of_all_paths(seed: int) -> None:
    log_probs = noise(1, 6, 3, seed, scale=2.0)
    for label in ([], [1], [2, 1], [1, 1], [2, 2, 1]):
        (path,) = align(log_probs, torch.tensor([6]), [label])
        emitted = tuple(label[u] if u >= 0 else 0 for u in path.tolist())
        paths = [p for p in itertools.product(range(3), repeat=6) if collapse(p) == tuple(label)]
        best = max(paths, key=lambda p: sum(float(log_probs[0, t, v]) for t, v in enumerate(p)))
        assert emitted == best
        assert [u for u, _ in itertools.groupby(path.tolist()) if u >= 0] == list(range(len(label)))


@pytest.mark.filterwarnings("ignore")
def test_the_alignment_is_as_probable_as_that_of_torchaudio() -> None:
    for seed in range(10):
        log_probs = noise(1, 40, 6, seed, scale=2.0)
        label = torch.randint(1, 6, (1, 12), generator=torch.Generator().manual_seed(seed))
        _, scores = forced_align(log_probs, label, blank=0)
        (path,) = align(log_probs, torch.tensor([40]), [label[0].tolist()])
        assert path_score(log_probs[0], label[0].tolist(), path) == pytest.approx(float(scores.sum()), rel=1e-5)


def test_a_label_that_cannot_be_aligned_is_refused_with_its_row() -> None:
    log_probs = noise(2, 3, 4, seed=0)
    with pytest.raises(ValueError, match="row 1: 3 tokens cannot be aligned with 3 frames"):
        align(log_probs, torch.tensor([3, 3]), [[1], [1, 1, 2]])
    impossible = log_probs.clone()
    impossible[0, :, 2] = -math.inf
    with pytest.raises(ValueError, match="row 0: 1 tokens cannot be aligned"):
        confidences(impossible, torch.tensor([3, 3]), [[2], [1]])
    with pytest.raises(ValueError, match=r"row 0: tokens \[0\] are not all in 1 \.\.\. 3"):
        align(log_probs, torch.tensor([3, 3]), [[0], [1]])
    with pytest.raises(ValueError, match="row 0: tokens"):
        align(log_probs, torch.tensor([3, 3]), [[4], [1]])


def test_whatever_is_alignable_is_aligned() -> None:
    labels = [list(label) for size in range(5) for label in itertools.product((1, 2), repeat=size)]
    for length in range(6):
        log_probs = torch.full((1, length, 3), -math.log(3))
        for label in labels:
            if alignable(length, label):
                assert len(align(log_probs, torch.tensor([length]), [label])[0]) == length


def test_confidences_are_hand_worked_means_over_the_frames_of_a_token() -> None:
    # token 1 on frames 0 and 1 with 0.8 and 0.5, a blank, token 2 on frame 3 with 1
    probabilities = torch.tensor([[[0.2, 0.8, 0.0], [0.25, 0.5, 0.25], [0.9, 0.1, 0.0], [0.0, 0.0, 1.0]]])
    (found,) = confidences(probabilities.log(), torch.tensor([4]), [[1, 2]])
    assert found.tokens == pytest.approx([0.65, 1.0])
    assert found.maximum == pytest.approx(0.825)
    first = -(0.2 * math.log(0.2) + 0.8 * math.log(0.8))
    second = 1.5 * math.log(2)
    expected = 1 - (first + second) / 2 / math.log(3)
    assert found.token_entropy == pytest.approx([expected, 1.0])
    assert found.entropy == pytest.approx((expected + 1) / 2)


def test_an_even_frame_has_no_entropy_confidence_and_one_in_v_of_the_maximum() -> None:
    (found,) = confidences(torch.full((1, 1, 4), 0.25).log(), torch.tensor([1]), [[3]])
    assert found.tokens == pytest.approx([0.25])
    assert found.entropy == pytest.approx(0.0, abs=1e-6)


def test_an_empty_label_has_no_confidence() -> None:
    (found,) = confidences(frames([0, 0]), torch.tensor([2]), [[]])
    assert (found.tokens, found.token_entropy, found.maximum, found.entropy) == ([], [], 0.0, 0.0)


@pytest.mark.parametrize("plan", [DecodePlan(), DecodePlan(beam=4)])
def test_confidences_lie_between_zero_and_one_and_do_not_see_the_batch(plan: DecodePlan) -> None:
    log_probs = noise(12, 15, 5, seed=1, scale=3.0)
    lengths = torch.arange(4, 16)
    labels = decode(log_probs, lengths, plan)
    together = confidences(log_probs, lengths, labels)
    for b, found in enumerate(together):
        values = [*found.tokens, *found.token_entropy, found.maximum, found.entropy]
        assert all(0 <= value <= 1 for value in values)
        assert len(found.tokens) == len(found.token_entropy) == len(labels[b])
        assert confidences(log_probs[b : b + 1, : lengths[b]], lengths[b : b + 1], [labels[b]]) == [found]


def test_surer_frames_are_surer_labels() -> None:
    path = [0, 1, 1, 0, 2, 3, 0]
    (sure,), (unsure,) = (confidences(frames(path, sure=p), torch.tensor([7]), [[1, 2, 3]]) for p in (0.95, 0.5))
    assert sure.maximum > unsure.maximum
    assert sure.entropy > unsure.entropy
    assert sure.tokens == pytest.approx([0.95] * 3)
