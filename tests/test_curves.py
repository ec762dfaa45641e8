"""TensorBoard's events read again."""

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from nst_asr.curves import curves
from nst_asr.plots import learning_curves


def test_updates_lost_in_a_crash_count_once(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "tensorboard") as first:
        for update in (10, 20, 30):
            first.add_scalar("loss", float(update), update)
    with SummaryWriter(tmp_path / "tensorboard", purge_step=21, filename_suffix=".again") as second:
        for update in (30, 40):
            second.add_scalar("loss", update + 0.5, update)
    table = curves(tmp_path)["loss"]
    assert dict(table.iter_rows()) == {10: 10.0, 20: 20.0, 30: 30.5, 40: 40.5}


def test_a_model_without_events_has_no_curves(tmp_path: Path) -> None:
    assert curves(tmp_path / "nowhere") == {}
    assert learning_curves({"teacher": {}}).startswith(b"\x89PNG")
