"""What the tests of scoring share: files in, numbers out."""

import json
from pathlib import Path
from typing import Any

import pytest

from nst_asr.cli import main


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def scored(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """What the verb writes as JSON."""
    out = tmp_path / "out.json"
    assert main(["score-wer", *arguments, "--json", str(out)]) == 0
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def only(found: dict[str, Any]) -> dict[str, Any]:
    """The one hypothesis of what was found."""
    (one,) = found["hypotheses"].values()
    assert isinstance(one, dict)
    return one


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the verb complains about, in one line."""
    assert main(["score-wer", *arguments]) == 1
    said = capsys.readouterr().err
    assert said.startswith("nst-asr: ")
    assert said.count("\n") == 1
    return said
