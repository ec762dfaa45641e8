"""Image nets: their sizes, their noise, and which of their layers come last."""

from itertools import pairwise

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from nst_asr.config import ConfigError, parse
from nst_asr.survivals import survivals
from nst_asr.vision import nets
from nst_asr.vision.cifar_resnet import Padded
from nst_asr.vision.depth import Survival
from nst_asr.vision.nets import NetError, NetPlan, build, parameter_count
from nst_asr.vision.staged import Residual

SMALL = ("convnet5", "convnet6", "resnet6", "resnet9")
CIFAR = ("resnet20", "resnet26", "resnet32", "resnet38")


def net(name: str, *, width: float = 1.0, dropout: float = 0.0, survival: float = 1.0, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build(NetPlan(name=name, width=width), 10, dropout=dropout, survival=survival)


def images(count: int = 4, side: int = 32, seed: int = 1) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def freeze_statistics(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def wake_branches(model: nn.Module) -> nn.Module:
    """The small nets' blocks begin as the identity: here every branch has a say."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    return model


def test_an_unknown_net_is_refused_with_the_nearest() -> None:
    for wrong, near in (("resnet23", "resnet"), ("ConvNet5", "convnet5"), ("efficientnet_l3", "efficientnet_l2")):
        with pytest.raises(ConfigError, match=f"name = {wrong!r}: .*did you mean {near}"):
            parse(NetPlan, {"name": wrong})


def test_an_efficientnet_has_no_width_to_choose() -> None:
    with pytest.raises(ConfigError, match=r"width = 2: leave it out with efficientnet_b0"):
        parse(NetPlan, {"name": "efficientnet_b0", "width": 2.0})


@pytest.mark.parametrize("values", [{"dropout": 1.0}, {"survival": 0.0}, {"survival": 1.5}])
def test_noise_out_of_range_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(NetError, match=r"expected a probability"):
        build(NetPlan(name="resnet9"), 10, **values)
    with pytest.raises(NetError, match="classes = 0"):
        build(NetPlan(name="resnet9"), 0)


@pytest.mark.parametrize("name", ["convnet5", "convnet6"])
def test_a_net_without_branches_refuses_stochastic_depth(name: str) -> None:
    with pytest.raises(NetError, match=rf"survival = 0.8: {name} has no branches"):
        net(name, survival=0.8)


def norm(channels: int) -> int:
    return 2 * channels


def test_the_small_nets_parameters_by_hand() -> None:
    stem, head = 27 * 32 + norm(32), 96 * 10 + 10
    to_64, at_64 = 9 * 32 * 64 + norm(64), 9 * 64 * 64 + norm(64)
    to_96, at_96 = 9 * 64 * 96 + norm(96), 9 * 96 * 96 + norm(96)
    to_80, at_80 = 9 * 64 * 80 + norm(80), 9 * 80 * 80 + norm(80)
    counts = {
        "convnet5": stem + to_64 + at_64 + to_96 + head,
        "convnet6": stem + to_64 + at_64 + to_96 + at_96 + head,
        "resnet6": stem + to_64 + to_96 + 2 * at_96 + head,
        "resnet9": stem + to_64 + 2 * at_64 + to_80 + 3 * at_80 + 80 * 10 + 10,
    }
    assert {name: parameter_count(NetPlan(name=name)) for name in counts} == counts


@pytest.mark.parametrize("name", CIFAR)
def test_the_cifar_resnets_parameters_by_hand(name: str) -> None:
    n = (int(name[6:]) - 2) // 6
    stages = [9 * c * (c if c == 16 else c / 2) + (2 * n - 1) * 9 * c * c + 2 * n * norm(c) for c in (16, 32, 64)]
    assert parameter_count(NetPlan(name=name)) == 27 * 16 + norm(16) + sum(stages) + 64 * 10 + 10


# He et al. 2016, table 6; Tan and Le 2019, table 2; Xie et al. 2020, table 2; millions
@pytest.mark.parametrize(
    ("name", "classes", "millions", "digits"),
    [
        ("resnet20", 10, 0.27, 2),
        ("resnet32", 10, 0.46, 2),
        ("efficientnet_b0", 1000, 5.3, 1),
        ("efficientnet_b7", 1000, 66, 0),
        ("efficientnet_l2", 1000, 480, 0),
    ],
)
def test_sizes_are_the_published_ones(name: str, classes: int, millions: float, digits: int) -> None:
    assert round(parameter_count(NetPlan(name=name), classes) / 1e6, digits) == millions


@pytest.mark.parametrize("name", [*SMALL, *CIFAR])
def test_a_name_says_how_many_weight_layers_there_are(name: str) -> None:
    layers = [m for m in net(name).modules() if isinstance(m, nn.Linear) or getattr(m, "kernel_size", 0) == (3, 3)]
    assert len(layers) == int(name.removeprefix("convnet").removeprefix("resnet"))


@pytest.mark.parametrize("family", [SMALL, CIFAR, tuple(f"efficientnet_b{size}" for size in range(4))])
def test_each_net_of_a_family_is_larger_than_the_one_before(family: tuple[str, ...]) -> None:
    plans = [NetPlan(name=name) for name in family]
    assert all(parameter_count(small) < parameter_count(large) for small, large in pairwise(plans))


def test_the_small_nets_have_between_a_tenth_and_three_tenths_of_a_million() -> None:
    assert all(1 <= round(parameter_count(NetPlan(name=name)) / 1e5) <= 3 for name in SMALL)


def test_a_student_smaller_than_its_teacher_is_refused() -> None:
    small, large = NetPlan(name="convnet5"), NetPlan(name="resnet9")
    nets.refuse_smaller(large, small)
    nets.refuse_smaller(small, small)
    with pytest.raises(NetError, match=r"the student convnet5 has 112,938 parameters, its teacher resnet9 "):
        nets.refuse_smaller(small, large)


@pytest.mark.parametrize("name", ["convnet5", "resnet9", "resnet20"])
def test_width_multiplies_channels(name: str) -> None:
    narrow, wide = (parameter_count(NetPlan(name=name, width=width)) for width in (1.0, 2.0))
    assert 3.8 < wide / narrow < 4
    assert net(name, width=0.5)(images()).shape == (4, 10)


@pytest.mark.parametrize("name", [*SMALL, "resnet20", "efficientnet_b0"])
def test_images_of_any_side_give_logits(name: str) -> None:
    model = net(name).eval()
    with torch.inference_mode():
        for side in (1, 7, 8, 16, 33, 64):
            assert model(images(2, side)).shape == (2, 10)


@pytest.mark.parametrize("name", [*SMALL, "resnet26", "efficientnet_b0"])
def test_training_without_noise_computes_what_evaluation_computes(name: str) -> None:
    model, noisy = net(name).train(), net(name, dropout=0.5, survival=1.0 if "conv" in name else 0.5).train()
    freeze_statistics(model)
    freeze_statistics(noisy)
    with torch.no_grad():
        trained, noised = model(images()), noisy(images())
        clean = model.eval()(images())
        assert torch.equal(trained, clean)
        assert not torch.equal(noised, clean)
        assert torch.equal(noisy.eval()(images()), clean)


def test_a_cifar_resnet_is_that_of_torchvisions_blocks() -> None:
    shapes = [(16, 16, 1), *[(16, 16, 1)] * 2, (16, 32, 2), *[(32, 32, 1)] * 2, (32, 64, 2), *[(64, 64, 1)] * 2]
    shortcuts = [Padded(b - a, stride) if stride == 2 else None for a, b, stride in shapes]
    blocks = [BasicBlock(a, b, stride, way) for (a, b, stride), way in zip(shapes, shortcuts, strict=True)]
    stem = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    theirs = nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    ours = net("resnet20")
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    torch.testing.assert_close(ours(images()), theirs(images()))


def test_a_shortcut_without_weights_skips_pixels_and_adds_zeros() -> None:
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    assert Padded(2, 2)(x).tolist() == [[[[0, 2], [6, 8]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]]]


def test_weights_follow_from_torchs_generator() -> None:
    for name in ("resnet9", "resnet20", "efficientnet_b0"):
        first, same, other = (net(name, seed=seed).state_dict() for seed in (0, 0, 1))
        assert all(torch.equal(first[key], same[key]) for key in first)
        assert any(not torch.equal(first[key], other[key]) for key in first)
    weight = net("resnet9").get_submodule("stages.3.branch.3").weight
    assert isinstance(weight, Tensor)
    assert weight.std().item() == pytest.approx((2 / (9 * weight.shape[0])) ** 0.5, rel=0.02)


@pytest.mark.parametrize("name", ["convnet6", "resnet38", "efficientnet_b0"])
def test_weights_lie_channels_last(name: str) -> None:
    kernels = [p for p in net(name).parameters() if p.ndim == 4]
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in kernels)


def test_survival_falls_linearly_to_the_last_block() -> None:
    assert survivals(4, 0.8) == pytest.approx([0.95, 0.9, 0.85, 0.8])
    for name, blocks in (("resnet6", 1), ("resnet9", 2), ("resnet38", 18)):
        gates = [m.probability for m in net(name, survival=0.8).modules() if isinstance(m, Survival)]
        assert gates == survivals(blocks, 0.8)
    with pytest.raises(ValueError, match="survival = 0"):
        survivals(3, 0)


def test_an_efficientnets_survival_falls_linearly_too() -> None:
    blocks = [
        block
        for stage in net("efficientnet_b0", survival=0.8).get_submodule("blocks").children()
        for block in stage.children()
    ]
    drop = [getattr(block.get_submodule("drop_path"), "drop_prob", 0.0) for block in blocks]
    assert drop == pytest.approx([0.2 * place / 16 for place in range(16)])


def test_stochastic_depth_keeps_the_mean_and_gates_each_example() -> None:
    torch.manual_seed(0)
    branch = torch.randn(1, 3, 2, 2).expand(20_000, -1, -1, -1)
    gated = Survival(0.8)(branch)
    alive = (gated != 0).flatten(1)
    assert torch.equal(alive.all(1), alive.any(1))  # an example is dropped whole
    torch.testing.assert_close(gated[alive[:, 0]], branch[alive[:, 0]] / 0.8)
    # the share that survives is within four standard deviations
    assert alive[:, 0].float().mean().item() == pytest.approx(0.8, abs=4 * (0.8 * 0.2 / 20_000) ** 0.5)
    torch.manual_seed(0)
    torch.testing.assert_close(gated.mean(0), branch[0], rtol=0.02, atol=0)


@pytest.mark.parametrize("name", ["resnet6", "resnet9", "resnet20", "efficientnet_b0"])
def test_stochastic_depth_alone_differs_from_draw_to_draw_and_follows_from_the_seed(name: str) -> None:
    model = wake_branches(net(name, survival=0.5)).train()
    freeze_statistics(model)

    def drawn(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return model(images(16))  # type: ignore[no-any-return]

    with torch.no_grad():
        assert torch.equal(drawn(0), drawn(0))
        assert not torch.equal(drawn(0), drawn(1))


@pytest.mark.parametrize("name", ["resnet6", "resnet9"])
def test_a_small_nets_block_begins_as_the_identity(name: str) -> None:
    block = next(module for module in net(name).modules() if isinstance(module, Residual))
    x = torch.rand(2, next(block.parameters()).shape[0], 4, 4)
    assert torch.equal(block(x), x)


def test_running_statistics_are_as_slow_as_in_the_papers() -> None:
    for name, momentum in (("resnet20", 0.1), ("convnet5", 0.1), ("efficientnet_b0", 0.01)):
        assert {m.momentum for m in net(name).modules() if isinstance(m, nn.BatchNorm2d)} == {momentum}


def test_an_efficientnet_is_timms() -> None:
    theirs = timm.create_model("tf_efficientnet_b0", num_classes=10).eval()
    ours = net("efficientnet_b0", dropout=0.5, survival=0.8).eval()
    theirs.load_state_dict(ours.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(ours(images()), theirs(images()), rtol=1e-3, atol=1e-4)


def last_layers(model: nn.Module, plan: NetPlan, stages: int) -> list[nn.Parameter]:
    frozen = {id(weights) for module in nets.first_modules(model, plan, stages) for weights in module.parameters()}
    return [weights for weights in model.parameters() if id(weights) not in frozen]


@pytest.mark.parametrize("name", ["convnet6", "resnet9", "resnet20", "efficientnet_b0"])
def test_only_the_last_layers_are_trained(name: str) -> None:
    model, plan = wake_branches(net(name)), NetPlan(name=name)
    last = last_layers(model, plan, 2)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.train()
    nets.freeze(nets.first_modules(model, plan, 2))
    assert {id(p) for p in model.parameters() if p.requires_grad} == {id(p) for p in last}
    model(images()).square().mean().backward()
    torch.optim.SGD(last, 0.1).step()
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    named = {key for key, value in model.named_parameters() if any(value is p for p in last)}
    assert named <= changed
    assert all(key in named or key.rpartition(".")[0] + ".weight" in named for key in changed)  # or its statistics
    assert last_layers(model, plan, 0)[-1] is last[-1]


def test_more_stages_than_there_are_is_refused() -> None:
    model, plan = net("resnet20"), NetPlan(name="resnet20")
    assert len(last_layers(model, plan, 3)) == len(list(model.parameters())) - 3
    with pytest.raises(NetError, match="stages = 4: resnet20 has 3 stages"):
        last_layers(model, plan, 4)
