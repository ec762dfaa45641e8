"""fit(): schedules, averages, and a crash that leaves no trace."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nst_asr.curves import curves
from nst_asr.key import Key
from nst_asr.plan import FitPlan
from nst_asr.train import TrainError, fit, learning_rate


@dataclass(frozen=True)
class Points:
    x: Tensor
    y: Tensor
    ids: list[str]
    scalars: Mapping[str, float] = field(default_factory=lambda: {"points": 4.0})
    sizes: Mapping[str, float] = field(default_factory=lambda: {"labeled": 3.0, "pseudo": 9.0})

    @property
    def count(self) -> float:
        return float(len(self.x))


class Regression:
    """Squares of a small network with dropout, on points that follow from the step."""

    def __init__(self, pieces: int = 1, dropout: float = 0.2, spoil: Callable[[int], None] = lambda step: None) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1))
        self.pieces, self.spoil = pieces, spoil

    def load(self, step: int, rank: int = 0, world: int = 1) -> list[Points]:
        self.spoil(step)
        x = torch.from_numpy(Key(7)[step].generator().normal(size=(12, 3))).float()
        ids = [f"point-{step}-{i}" for i in range(12)]
        y = x.sum(1, keepdim=True)
        cut = 12 // self.pieces
        return [Points(x[i : i + cut], y[i : i + cut], ids[i : i + cut]) for i in range(0, 12, cut)][rank::world]

    def loss(self, piece: Points) -> Tensor:
        return (self.model(piece.x) - piece.y).square().sum()


def plan(**changes: object) -> FitPlan:
    settings = {"updates": 25, "batch": 12.0, "warmup": 5, "checkpoint_every": 4, "threads": 1, "log_every": 5}
    return FitPlan.model_validate(settings | changes)


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ema": 0.9},
        {"average": 3, "average_every": 3},
        {"ema": 0.9, "average": 2, "average_every": 6},
        {"optimizer": "sgd", "momentum": 0.8},
        {"optimizer": "rmsprop", "decay": "exponential", "decay_every": 3},
    ],
)
@pytest.mark.parametrize("crash", [1, 4, 9, 18, 24])
def test_a_resumed_training_equals_one_never_stopped(changes: dict[str, object], crash: int, tmp_path: Path) -> None:
    whole = fit(Regression(), plan(**changes), tmp_path / "whole", Key(0), "whole")

    def die(step: int) -> None:
        if step == crash:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(Regression(spoil=die), plan(**changes), tmp_path / "killed", Key(0), "killed")
    assert same(whole, fit(Regression(), plan(**changes), tmp_path / "killed", Key(0), "resumed"))


def test_resuming_seeks_and_does_not_replay(tmp_path: Path) -> None:
    loaded: list[int] = []

    def die(step: int) -> None:
        if step == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(Regression(spoil=die), plan(), tmp_path, Key(0), "killed")
    fit(Regression(spoil=loaded.append), plan(), tmp_path, Key(0), "resumed")
    assert loaded == list(range(20, 25))


def test_another_key_gives_other_dropout_and_other_weights(tmp_path: Path) -> None:
    one, two = (fit(Regression(), plan(), tmp_path / str(s), Key(s), "fit") for s in (0, 1))
    assert not same(one, two)


def test_the_state_of_torchs_generator_before_training_changes_nothing(tmp_path: Path) -> None:
    one = fit(Regression(), plan(), tmp_path / "one", Key(0), "fit")
    objective = Regression()
    torch.manual_seed(99)
    torch.rand(17)
    assert same(one, fit(objective, plan(), tmp_path / "two", Key(0), "fit"))


def test_accumulation_changes_the_result_by_rounding_only(tmp_path: Path) -> None:
    whole, parts = (fit(Regression(pieces=n, dropout=0.0), plan(), tmp_path / str(n), Key(0), "fit") for n in (1, 3))
    for name in whole:
        torch.testing.assert_close(whole[name], parts[name], rtol=1e-4, atol=1e-5)


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    whole = fit(Regression(), plan(), tmp_path / "whole", Key(0), "fit")
    kept = sorted((tmp_path / "whole").glob("checkpoint-*.pt"))
    assert [path.name for path in kept] == ["checkpoint-0000020.pt", "checkpoint-0000024.pt"]
    kept[-1].write_bytes(kept[-1].read_bytes()[:100])
    assert same(whole, fit(Regression(), plan(), tmp_path / "whole", Key(0), "fit"))


def test_a_checkpoint_that_would_run_code_is_not_unpickled(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"update": 8, "evil": Evil()}, tmp_path / "checkpoint-0000008.pt")
    fit(Regression(), plan(), tmp_path, Key(0), "fit")
    assert not (tmp_path / "ran").exists()


def test_the_first_loss_that_is_not_finite_stops_with_step_and_ids(tmp_path: Path) -> None:
    class Broken(Regression):
        def loss(self, piece: Points) -> Tensor:
            return super().loss(piece) * (math.nan if piece.ids[0] == "point-7-0" else 1)

    with pytest.raises(TrainError, match=r"loss of update 8 is nan.*point-7-0, point-7-1"):
        fit(Broken(), plan(), tmp_path, Key(0), "fit")


def test_the_loss_falls(tmp_path: Path) -> None:
    objective = Regression(dropout=0.0)
    before = float(objective.loss(objective.load(0)[0]).detach())
    weights = fit(objective, plan(updates=200, peak_rate=0.02), tmp_path, Key(0), "fit")
    objective.model.load_state_dict(weights)
    assert float(objective.loss(objective.load(0)[0]).detach()) < before / 20


def test_the_average_is_the_mean_of_the_last_snapshots(tmp_path: Path) -> None:
    ends = [fit(Regression(), plan(updates=25, decay="inverse_sqrt"), tmp_path / "a", Key(0), "fit")]
    for updates in (19, 22):
        ends.append(
            fit(Regression(), plan(updates=updates, decay="inverse_sqrt"), tmp_path / f"{updates}", Key(0), "f")
        )
    mean = fit(Regression(), plan(decay="inverse_sqrt", average=3, average_every=3), tmp_path / "mean", Key(0), "fit")
    for name, value in mean.items():
        torch.testing.assert_close(value, sum(end[name] for end in ends) / 3)


def test_the_learning_rate_warms_up_and_decays_as_published() -> None:
    root = plan(updates=400, warmup=100, peak_rate=0.002, decay="inverse_sqrt")
    assert [learning_rate(root, n) for n in (1, 50, 100, 400)] == pytest.approx([2e-5, 1e-3, 2e-3, 1e-3])
    cosine = plan(updates=299, warmup=100, peak_rate=0.002, decay="cosine")
    assert learning_rate(cosine, 200) == pytest.approx(1e-3)
    assert learning_rate(cosine, 299) == pytest.approx(0, abs=1e-6)
    assert learning_rate(plan(warmup=0, decay="cosine"), 1) == pytest.approx(1e-3, rel=0.01)


def test_the_exponential_rate_falls_in_steps_that_warm_up_is_part_of() -> None:
    steps = plan(updates=100, warmup=10, peak_rate=0.1, decay="exponential", decay_rate=0.5, decay_every=20)
    assert [learning_rate(steps, n) for n in (5, 10, 11, 20, 21, 40, 41)] == pytest.approx(
        [0.05, 0.1, 0.1, 0.1, 0.05, 0.05, 0.025]
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"momentum": 0.5}, "momentum = 0.5 has no effect where optimizer = adamw"),
        ({"optimizer": "sgd", "beta2": 0.9}, "beta2 = 0.9 has no effect where optimizer = sgd"),
        ({"decay_every": 5}, "decay_every = 5 has no effect where decay = cosine"),
    ],
)
def test_a_setting_of_another_optimizer_or_schedule_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(**changes)


def test_weights_that_take_no_gradient_stay_as_they_are(tmp_path: Path) -> None:
    objective = Regression()
    frozen = objective.model[0]
    before = frozen.weight.detach().clone()
    frozen.requires_grad_(False)
    weights = fit(objective, plan(weight_decay=0.5), tmp_path, Key(0), "fit")
    assert torch.equal(weights["0.weight"], before)
    assert not torch.equal(weights["3.weight"], Regression().model[3].weight)


def test_bfloat16_autocast_is_used_where_it_is_asked_for_and_weights_stay_float32(tmp_path: Path) -> None:
    seen: list[torch.dtype] = []

    class Watching(Regression):
        def loss(self, piece: Points) -> Tensor:
            out = self.model(piece.x)
            seen.append(out.dtype)
            return (out.float() - piece.y).square().sum()

    weights = fit(Watching(), plan(precision="bfloat16"), tmp_path / "half", Key(0), "fit")
    assert set(seen) == {torch.bfloat16}
    assert {value.dtype for value in weights.values()} == {torch.float32}
    seen.clear()
    fit(Watching(), plan(precision="auto"), tmp_path / "auto", Key(0), "fit")  # a CPU has no use for it
    assert set(seen) == {torch.float32}


def test_scalars_are_written_for_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fit(Regression(), plan(), tmp_path, Key(0), "fit")
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    names = {"loss", "learning_rate", "gradient_norm", "points", "pseudo_share", "size_per_second"}
    assert names == set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("learning_rate")] == [5, 10, 15, 20, 25]


class Sized(Regression):
    """Its batches have these sizes, whatever is in them, and take a while to load."""

    def __init__(self, sizes: Sequence[Mapping[str, float]], seconds: float = 0.0) -> None:
        super().__init__(len(sizes))
        self.sizes, self.seconds = sizes, seconds

    def load(self, step: int, rank: int = 0, world: int = 1) -> list[Points]:
        time.sleep(self.seconds)
        return [replace(piece, sizes=size) for piece, size in zip(super().load(step), self.sizes, strict=True)]


@pytest.mark.parametrize(
    ("sizes", "share"),
    [
        ([{"labeled": 3.0, "pseudo": 9.0}], 0.75),
        ([{"labeled": 3.0, "pseudo": 1.0}, {"pseudo": 12.0}], 13 / 16),  # of the batch, not the mean over its pieces
        ([{"labeled": 3.0}], 0.0),
        ([{"pseudo": 3.0}], 1.0),
    ],
)
def test_the_share_of_pseudo_labels_is_that_of_the_sizes_in_the_batch(
    tmp_path: Path, sizes: list[Mapping[str, float]], share: float
) -> None:
    fit(Sized(sizes), plan(), tmp_path, Key(0), "fit")
    assert curves(tmp_path)["pseudo_share"]["value"].to_list() == pytest.approx([share] * 5)


def test_the_throughput_is_the_size_of_all_batches_since_the_scalars_before_by_the_clock(tmp_path: Path) -> None:
    began = time.monotonic()
    fit(Sized([{"labeled": 2.0, "pseudo": 6.0}], seconds=0.02), plan(), tmp_path, Key(0), "fit")
    seconds = time.monotonic() - began
    rates = curves(tmp_path)["size_per_second"]["value"].to_numpy()
    assert len(rates) == 5
    assert (rates <= 8.0 / 0.02 * 1.7).all()  # two batches are loaded ahead, so that the first come sooner
    assert (5 * 8.0 / rates).sum() <= seconds  # the five stretches lie within the training


def test_pieces_without_sizes_have_neither_share_nor_throughput(tmp_path: Path) -> None:
    fit(Sized([{}]), plan(), tmp_path, Key(0), "fit")
    assert not {"pseudo_share", "size_per_second"} & set(curves(tmp_path))


def test_a_resumed_training_has_the_curves_of_one_never_stopped_the_clock_aside(tmp_path: Path) -> None:
    fit(Regression(), plan(log_every=1), tmp_path / "whole", Key(0), "whole")

    def die(step: int) -> None:
        if step == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(Regression(spoil=die), plan(log_every=1), tmp_path / "killed", Key(0), "killed")
    fit(Regression(), plan(log_every=1), tmp_path / "killed", Key(0), "resumed")
    whole, killed = (dict(curves(tmp_path / name)) for name in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    for name in whole.keys() - {"size_per_second"}:
        assert whole[name].equals(killed[name]), name


def test_what_is_plotted_changes_no_weight(tmp_path: Path) -> None:
    one = fit(Regression(), plan(log_every=1), tmp_path / "one", Key(0), "fit")
    assert same(one, fit(Sized([{}]), plan(log_every=25), tmp_path / "two", Key(0), "fit"))
