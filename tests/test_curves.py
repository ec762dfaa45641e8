"""TensorBoard's events read again."""

import math
from pathlib import Path

import pytest
from torch.utils.tensorboard import SummaryWriter

from nst_asr.curves import curves


def write(folder: Path, points: dict[int, float], **options: object) -> None:
    with SummaryWriter(folder / "tensorboard", **options) as events:  # type: ignore[arg-type]
        for update, value in points.items():
            events.add_scalar("loss", value, update)


def test_updates_lost_in_a_crash_count_once(tmp_path: Path) -> None:
    write(tmp_path, {10: 10.0, 20: 20.0, 30: 30.0})
    write(tmp_path, {30: 30.5, 40: 40.5}, purge_step=21, filename_suffix=".again")
    assert dict(curves(tmp_path)["loss"].iter_rows()) == {10: 10.0, 20: 20.0, 30: 30.5, 40: 40.5}


def test_updates_lost_in_a_crash_do_not_count_before_they_are_made_again(tmp_path: Path) -> None:
    write(tmp_path, {10: 10.0, 20: 20.0, 30: 30.0})
    write(tmp_path, {20: 20.5}, purge_step=11, filename_suffix=".again")
    assert dict(curves(tmp_path)["loss"].iter_rows()) == {10: 10.0, 20: 20.5}


def test_what_is_read_is_what_tensorboards_own_reader_reads(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write(tmp_path, {update: math.sin(update) for update in range(1, 300)})
    write(tmp_path, {update: math.cos(update) for update in range(200, 400)}, purge_step=200, filename_suffix=".again")
    events = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    assert list(curves(tmp_path)["loss"].iter_rows()) == [(e.step, e.value) for e in events.Scalars("loss")]


@pytest.mark.parametrize("lost", [1, 5, 20, 40])
def test_a_record_that_a_kill_cut_short_is_left_out(tmp_path: Path, lost: int) -> None:
    write(tmp_path, {update: float(update) for update in range(1, 6)})
    (path,) = (tmp_path / "tensorboard").iterdir()
    path.write_bytes(path.read_bytes()[:-lost])
    assert dict(curves(tmp_path)["loss"].iter_rows()) == {update: float(update) for update in range(1, 5)}


def test_what_is_not_finite_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, {1: 1.0, 2: math.nan, 3: math.inf, 4: 4.0})
    assert dict(curves(tmp_path)["loss"].iter_rows()) == {1: 1.0, 4: 4.0}


def test_a_model_without_events_has_no_curves(tmp_path: Path) -> None:
    assert curves(tmp_path / "nowhere") == {}
