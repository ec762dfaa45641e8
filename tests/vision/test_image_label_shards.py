"""`nst-asr label` on images, through the command that users give."""

import shutil
from pathlib import Path

from nst_asr import cli
from tests.vision.test_vision_run import write_sets


def test_shards_of_images_are_the_table_of_one_process(tmp_path: Path) -> None:
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    assert cli.main([*write_sets(tmp_path), "--exp", str(whole), "--only", "teacher"]) == 0
    shutil.copytree(whole, shared)
    assert cli.main(["label", str(whole), "--device", "cpu"]) == 0
    for shard in ("1/2", "2/2"):
        assert cli.main(["label", str(shared), "--shard", shard, "--device", "cpu"]) == 0
    made = {path.name: path.read_bytes() for path in (whole / "gen1/1-labels").iterdir()}
    assert sorted(made) == [f"part-{index:05d}.parquet" for index in range(4)]  # 120 images in blocks of 32
    assert made == {path.name: path.read_bytes() for path in (shared / "gen1/1-labels").iterdir()}
    assert "images a second" in (whole / "label-1-of-1.log").read_text()
