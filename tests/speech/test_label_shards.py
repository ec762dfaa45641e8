"""`nst-asr label` on audio, through the command that users give: nothing but the run folder is named."""

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.kills import contents
from nst_asr import cli
from tests.speech import tones


def test_a_run_labeled_in_shards_by_the_command_is_the_run_of_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tones.write_corpus(tmp_path / "corpus")
    monkeypatch.chdir(tmp_path / "corpus")
    words = tones.arguments(Path(), tmp_path / "whole")  # manifests by relative names
    changes = ["teacher.fit.updates=8", "generation.student.fit.updates=8", "generations=[{filter: {empty: false}}]"]
    assert cli.main([*words, *changes, "--only", "teacher"]) == 0
    shutil.copytree(tmp_path / "whole", tmp_path / "shared", ignore=shutil.ignore_patterns(".lock"))
    assert cli.main([*words, *changes]) == 0

    monkeypatch.chdir(tmp_path)
    before = {path.name for path in (tmp_path / "shared").iterdir()}
    for shard in ("2/2", "1/2"):
        assert cli.main(["label", str(tmp_path / "shared"), "--shard", shard, "--device", "cpu"]) == 0
    after = {path.name for path in (tmp_path / "shared").iterdir()}
    assert after - before == {"gen1", "label-1-of-2.log", "label-2-of-2.log", ".lock"}
    for name in ("0-heard", "1-labels"):
        made = {path.name: path.read_bytes() for path in (tmp_path / "shared/gen1" / name).iterdir()}
        assert made == {path.name: path.read_bytes() for path in (tmp_path / "whole/gen1" / name).iterdir()}
    assert "x real time" in (tmp_path / "shared/label-1-of-2.log").read_text()
    rates = [json.loads(line).get("rate") for line in (tmp_path / "shared/steps.jsonl").read_text().splitlines()]
    assert all(rate > 0 for rate in rates[-4:])

    monkeypatch.chdir(tmp_path / "corpus")
    assert cli.main([*tones.arguments(Path(), tmp_path / "shared"), *changes]) == 0
    logs = {"label-1-of-2.log", "label-2-of-2.log"}
    shared = {name: content for name, content in contents(tmp_path / "shared").items() if name not in logs}
    assert shared == contents(tmp_path / "whole")
