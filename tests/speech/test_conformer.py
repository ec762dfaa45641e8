from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from nst_asr.config import ConfigError, parse
from nst_asr.speech.attention import rotary_angles, rotate
from nst_asr.speech.conformer import Conformer, ConformerPlan
from nst_asr.speech.convolution import Convolution
from nst_asr.speech.dropout import Dropout
from nst_asr.speech.subsampling import Subsampling, inside, subsampled_lengths
from nst_asr.survivals import survivals

MELS, VOCABULARY = 10, 7
PLAN = ConformerPlan(width=16, blocks=3, heads=2, feed_forward=2, kernel=7, channels=4)


RELATIVE = PLAN.model_copy(update={"positions": "relative", "kernel": 8})


def conformer(
    plan: ConformerPlan = PLAN, *, dropout: float = 0.0, survival: float = 1.0, recompute: bool = False, seed: int = 0
) -> Conformer:
    torch.manual_seed(seed)
    return Conformer(plan, MELS, VOCABULARY, dropout=dropout, survival=survival, recompute=recompute)


def batch(lengths: list[int], filling: float, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Random features whose padding is full of `filling`."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(len(lengths), max(lengths), MELS, generator=generator)
    for row, length in zip(features, lengths, strict=True):
        row[length:] = filling
    return features, torch.tensor(lengths)


LENGTHS = [61, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 31, 32, 33, 60, 61]


@pytest.mark.parametrize("plan", [PLAN, RELATIVE], ids=["rotary", "relative"])
@pytest.mark.parametrize("training", [False, True])
def test_a_padded_batch_gives_each_utterance_its_unpadded_output(training: bool, plan: ConformerPlan) -> None:
    model = conformer(plan).train(training)
    features, lengths = batch(LENGTHS, filling=1e4)
    logits, found = model(features, lengths)
    assert found.tolist() == [(length + 3) // 4 for length in LENGTHS]
    for b, length in enumerate(LENGTHS):
        alone, _ = model(features[b : b + 1, :length], lengths[b : b + 1])
        torch.testing.assert_close(logits[b, : found[b]], alone[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("plan", [PLAN, RELATIVE], ids=["rotary", "relative"])
def test_a_padded_batch_gives_the_gradients_of_its_utterances(plan: ConformerPlan) -> None:
    model = conformer(plan)
    features, lengths = batch([21, 9, 2], filling=1e4)

    def gradients(parts: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
        model.zero_grad()
        for part, sizes in parts:
            logits, found = model(part, sizes)
            for row, size in zip(logits, found, strict=True):
                row[:size].square().sum().backward(retain_graph=True)
        return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]

    together = gradients([(features, lengths)])
    apart = gradients([(features[b : b + 1, :n], lengths[b : b + 1]) for b, n in enumerate(lengths.tolist())])
    assert len(together) == len(list(model.parameters()))
    for found, expected in zip(together, apart, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_an_utterance_is_the_same_among_other_utterances_and_in_another_order() -> None:
    model = conformer().eval()
    features, lengths = batch([40, 17, 25], filling=0.0)
    order = torch.tensor([2, 0, 1])
    logits, _ = model(features, lengths)
    permuted, _ = model(features[order], lengths[order])
    torch.testing.assert_close(permuted[1, :10], logits[0, :10])
    torch.testing.assert_close(permuted[0, :7], logits[2, :7])


def test_every_utterance_has_a_frame_to_attend_to() -> None:
    real = inside(torch.tensor([3, 1, 0]), 3)
    assert real is not None
    assert real.tolist() == [[True, True, True], [True, False, False], [True, False, False]]
    assert inside(torch.tensor([3, 3]), 3) is None


def test_an_utterance_without_frames_harms_nobody() -> None:
    model = conformer()
    features, lengths = batch([20, 1], filling=0.0)
    lengths[1] = 0
    logits, found = model(features, lengths)
    assert found.tolist() == [5, 0]
    logits[0].sum().backward()
    assert torch.isfinite(logits).all()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("mels", [1, 2, 3, 9, 10])
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 18, 19])
def test_subsampling_by_products_is_that_by_convolutions_and_so_are_its_gradients(frames: int, mels: int) -> None:
    torch.manual_seed(0)
    layer = Subsampling(mels, 5, 8, 0.0).double()
    lengths = torch.tensor([frames, max(frames - 3, 1), 1])
    features = torch.randn(3, frames, mels, dtype=torch.float64)
    features[torch.arange(frames) >= lengths[:, None]] = 0.0
    found, expected = layer.by_products(features, lengths), layer.by_convolutions(features, lengths)
    torch.testing.assert_close(found, expected)
    weights = [*layer.first.parameters(), *layer.second.parameters()]
    direction = torch.randn_like(found)
    for a, b in zip(*(torch.autograd.grad(y, weights, direction) for y in (found, expected)), strict=True):
        torch.testing.assert_close(a, b)


def test_a_step_in_bfloat16_on_a_cpu_is_near_that_in_float32() -> None:
    model = conformer(dropout=0.1)
    logits = []
    for enabled in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            logits.append(model(*batch([30, 21], filling=0.0))[0].float())
    logits[1].sum().backward()
    torch.testing.assert_close(logits[1], logits[0], rtol=0.1, atol=0.1)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize("frames", range(1, 20))
def test_subsampled_lengths_are_those_of_the_output(frames: int) -> None:
    logits, lengths = conformer()(*batch([frames], filling=0.0))
    assert logits.shape == (1, int(lengths[0]), VOCABULARY)
    assert torch.equal(subsampled_lengths(torch.tensor([frames])), lengths)


@pytest.mark.parametrize("lengths", [[21, 20], [-1, 20], [20]])
def test_lengths_that_do_not_fit_are_refused(lengths: list[int]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        conformer()(torch.zeros(2, 20, MELS), torch.tensor(lengths))


@pytest.mark.parametrize("plan", [PLAN, RELATIVE], ids=["rotary", "relative"])
def test_every_weight_has_a_gradient(plan: ConformerPlan) -> None:
    model = conformer(plan, dropout=0.1, survival=0.9)
    logits, _ = model(*batch([30, 21], filling=0.0))
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_evaluation_is_the_same_whatever_the_noise() -> None:
    features, lengths = batch([30, 21], filling=0.0)
    clean, _ = conformer().eval()(features, lengths)
    noised, _ = conformer(dropout=0.5, survival=0.3).eval()(features, lengths)
    assert torch.equal(clean, noised)


def test_noise_follows_the_seed() -> None:
    model = conformer(dropout=0.2, survival=0.5)
    features, lengths = batch([30, 21, 30, 30], filling=0.0)

    def logits(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return model(features, lengths)[0].detach()

    assert torch.equal(logits(3), logits(3))
    assert not torch.equal(logits(3), logits(4))


def test_survival_falls_linearly_from_block_to_block() -> None:
    assert survivals(4, 0.8) == pytest.approx([0.95, 0.9, 0.85, 0.8])
    assert survivals(2, 1.0) == [1.0, 1.0]
    for last in (0.0, -0.1, 1.1):
        with pytest.raises(ValueError, match="survival"):
            survivals(4, last)


def one_block(survival: float) -> tuple[Conformer, Conformer]:
    """A model of one block, its gate in front of the head alone; and the same one in evaluation mode."""
    plan = PLAN.model_copy(update={"blocks": 1})
    torch.manual_seed(0)
    noised = Conformer(plan, MELS, VOCABULARY, survival=survival)
    clean = Conformer(plan, MELS, VOCABULARY)
    clean.load_state_dict(noised.state_dict())
    return noised.train(), clean.eval()


def test_stochastic_depth_keeps_the_expectation() -> None:
    noised, clean = one_block(survival=0.6)
    features, _ = batch([9], filling=0.0)
    copies = 20_000
    with torch.no_grad():
        drawn, _ = noised(features.expand(copies, -1, -1), torch.full((copies,), 9))
        expected, _ = clean(features, torch.tensor([9]))
    # the gate has variance p (1 - p) / p^2 = 2 / 3: four standard errors
    error = (drawn.mean(0) - expected[0]).abs()
    assert (error <= 4 * drawn.std(0) / copies**0.5 + 1e-5).all()
    assert drawn.std(0).max() > 0.1


def dropped_and_kept(clean: Conformer, features: Tensor, survival: float) -> tuple[Tensor, Tensor]:
    """The logits of one utterance, unpadded, whose only block was dropped, and those of one whose block survived."""
    with torch.no_grad():
        x, lengths = clean.subsampling(features, torch.tensor([features.shape[1]]))
        y = clean.blocks[0](x, rotary_angles(int(lengths[0]), 8, x.device), None)
        return clean.head(x)[0], clean.head(x + (y - x) / survival)[0]


def test_a_gate_keeps_or_drops_a_whole_block_for_each_utterance_alone() -> None:
    noised, clean = one_block(survival=0.6)
    features, lengths = batch([9, 24, 3, 16] * 50, filling=1e4)
    logits, found = noised(features, lengths)
    survivors = 0
    for b, size in enumerate(found.tolist()):
        states = dropped_and_kept(clean, features[b : b + 1, : lengths[b]], 0.6)
        near = [bool(torch.allclose(logits[b, :size], state, atol=1e-4)) for state in states]
        assert sum(near) == 1
        survivors += near[1]
    assert 90 <= survivors <= 150  # 120 expected, standard deviation 7


def test_a_batch_of_which_nobody_survives_goes_through_with_gradients_of_zero() -> None:
    noised, _ = one_block(survival=1e-9)
    logits, _ = noised(*batch([20, 9], filling=0.0))
    logits.sum().backward()
    assert torch.isfinite(logits).all()
    assert all(p.grad is not None and not p.grad.any() for p in noised.blocks.parameters())


def test_rotated_dot_products_depend_on_distance_alone() -> None:
    torch.manual_seed(0)
    q, k = torch.randn(8).double(), torch.randn(8).double()
    angles = rotary_angles(20, 8, torch.device("cpu")).double()
    products = rotate(q.expand(20, 8), angles) @ rotate(k.expand(20, 8), angles).T
    for distance in (-3, 0, 5):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), rtol=1e-5, atol=1e-5)
    assert products[0, 0] == pytest.approx(float(q @ k))
    assert not torch.allclose(products[0, 0], products[0, 5])


def test_position_matters_to_attention() -> None:
    model = conformer().eval().blocks[0].attention
    x = torch.randn(1, 6, 16)
    order = torch.tensor([0, 1, 2, 3, 5, 4])
    angles = rotary_angles(6, 8, x.device)
    assert not torch.allclose(model(x, angles, None)[0, 0], model(x[:, order], angles, None)[0, 0], atol=1e-5)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(share: float) -> None:
    torch.manual_seed(0)
    count = 400_003  # no multiple of four
    y = Dropout(share).train()(torch.ones(count))
    dropped = float((y == 0).double().mean())
    assert dropped == pytest.approx(share, abs=4 * (share * (1 - share) / count) ** 0.5 + 1e-5)
    assert y[y != 0].unique().tolist() == pytest.approx([1 / (1 - share)], rel=1e-4)


def test_dropout_treats_all_places_alike() -> None:
    # four numbers share one 64-bit draw: none of the four may be favoured, nor tied to its neighbour
    torch.manual_seed(0)
    kept = Dropout(0.3).train()(torch.ones(200_000, 4)) != 0
    assert kept.double().mean(0).tolist() == pytest.approx([0.7] * 4, abs=0.005)
    correlation = torch.corrcoef(kept.double().T) - torch.eye(4)
    assert correlation.abs().max() < 0.01


@pytest.mark.parametrize("swish", [False, True])
def test_dropout_drops_the_same_numbers_backwards(swish: bool) -> None:
    x = torch.randn(1000, requires_grad=True)
    torch.manual_seed(0)
    y = Dropout(0.4, swish=swish).train()(x)
    found = torch.autograd.grad(y.sum(), x)[0]
    torch.manual_seed(0)
    factors = Dropout(0.4).train()(torch.ones(1000))
    assert 0.3 < float((factors == 0).double().mean()) < 0.5
    clean = x * x.sigmoid() if swish else x
    torch.testing.assert_close(y, clean * factors)
    torch.testing.assert_close(found, torch.autograd.grad(clean.sum(), x)[0] * factors)


def test_dropout_does_nothing_in_evaluation() -> None:
    x = torch.randn(100)
    assert torch.equal(Dropout(0.4).eval()(x), x)
    torch.testing.assert_close(Dropout(0.4, swish=True).eval()(x), x * x.sigmoid())
    torch.testing.assert_close(Dropout(0.0, swish=True).train()(x), x * x.sigmoid())
    for share in (-0.1, 1.0):
        with pytest.raises(ValueError, match="dropout"):
            Dropout(share)


def test_dropout_is_in_every_place_the_paper_has_it() -> None:
    model = conformer(dropout=0.1)
    places = [name for name, module in model.named_modules() if isinstance(module, Dropout)]
    assert len(places) == 1 + PLAN.blocks * (2 + 1 + 1 + 2)
    assert not [name for name, module in model.named_modules() if isinstance(module, nn.Dropout)]
    assert "subsampling.dropout" in places
    assert all(first != second for first, second in pairwise(places))


def test_a_plan_says_what_is_wrong_with_it() -> None:
    with pytest.raises(ConfigError, match="width 100 must be a multiple of 2 x heads = 8"):
        parse(ConformerPlan, {"width": 100, "heads": 4})
    with pytest.raises(ConfigError, match=r"positions = 'learnt'.*'rotary' or 'relative'"):
        parse(ConformerPlan, {"positions": "learnt"})
    with pytest.raises(ValueError, match="vocabulary"):
        Conformer(PLAN, MELS, 1)


def test_it_learns_to_read_out_its_input() -> None:
    model = conformer()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    lengths = torch.full((16,), 24)
    for _ in range(50):
        target = torch.randint(0, VOCABULARY, (16, 6))
        features = nn.functional.one_hot(target, MELS).float().repeat_interleave(4, dim=1)
        logits, _ = model(features, lengths)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 1.4  # 1.95 is what guessing costs


def step(model: Conformer, seed: int) -> tuple[list[Tensor], Tensor, Tensor]:
    """Gradients and logits of a noised step, and what torch's generator gives afterwards."""
    torch.manual_seed(seed)
    features, lengths = batch([40, 21, 33, 9, 40, 40], filling=0.0)
    logits, _ = model(features, lengths)
    logits.square().sum().backward()
    return [p.grad for p in model.parameters() if p.grad is not None], logits.detach(), torch.rand(3)


@pytest.mark.parametrize("plan", [PLAN, RELATIVE], ids=["rotary", "relative"])
def test_recomputing_changes_no_bit_of_a_noised_step(plan: ConformerPlan) -> None:
    kept, recomputed = (step(conformer(plan, dropout=0.3, survival=0.4, recompute=r), seed=5) for r in (False, True))
    assert len(kept[0]) == len(list(conformer(plan).parameters()))
    for found, expected in zip(recomputed[0], kept[0], strict=True):
        assert torch.equal(found, expected)
    assert torch.equal(recomputed[1], kept[1])
    assert torch.equal(recomputed[2], kept[2])  # nothing after the step draws otherwise either


def saved_bytes(model: Conformer) -> int:
    """Bytes that a forward pass keeps for its backward pass, weights not counted."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        model(*batch([200] * 4, filling=0.0))
    return sum(kept.values())


def test_recomputing_keeps_much_less_for_the_backward_pass() -> None:
    plan = PLAN.model_copy(update={"blocks": 12})
    assert saved_bytes(conformer(plan, recompute=True)) < 0.3 * saved_bytes(conformer(plan))


compiling = pytest.mark.filterwarnings("default")  # torch's compiler warns of its own doings


@compiling
@pytest.mark.slow
@pytest.mark.parametrize("plan", [PLAN, RELATIVE], ids=["rotary", "relative"])
def test_compiled_blocks_compute_the_same_at_any_length_and_keep_the_names_of_weights(plan: ConformerPlan) -> None:
    # one block: each is compiled for a minute, from nothing
    plain, compiled = (conformer(plan.model_copy(update={"blocks": 1})) for _ in range(2))
    compiled.compile_blocks()
    assert list(compiled.state_dict()) == list(plain.state_dict())
    for lengths in ([40, 21, 33], [64, 64], [17, 90, 9, 5]):
        features, sizes = batch(lengths, filling=0.0)
        for model in (plain, compiled):
            model.zero_grad()
            model(features, sizes)[0].square().sum().backward()
        for found, expected in zip(compiled.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(found.grad, expected.grad, rtol=1e-3, atol=1e-4)


@compiling
@pytest.mark.slow
def test_compiled_blocks_are_noised_under_recomputation_and_by_the_seed() -> None:
    model = conformer(PLAN.model_copy(update={"blocks": 1}), dropout=0.3, survival=0.5, recompute=True)
    model.compile_blocks()
    first, second, other = (step(model, seed)[1] for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("kernel", [1, 2, 7, 8])
def test_an_even_kernel_reaches_one_frame_further_ahead_than_back(kernel: int) -> None:
    module = Convolution(4, kernel, 0.0)
    x = torch.randn(1, 20, 4, requires_grad=True)
    gradient = torch.autograd.grad(module(x, None)[0, 9].sum(), x)[0]
    reached = gradient[0].abs().sum(1).nonzero().flatten().tolist()
    assert reached == list(range(9 - (kernel - 1) // 2, 9 + kernel // 2 + 1))
