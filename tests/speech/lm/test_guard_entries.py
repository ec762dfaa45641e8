"""What the guard against leaking text hands on to the run, and so to its report."""

from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from nst_asr import cli, config
from nst_asr.corpus import Labeled
from nst_asr.speech.lm.guard import refuse_leaking
from nst_asr.speech.plan import Decode

WORDS = "one two three four five six seven eight nine"


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lm")
    (folder / "text.txt").write_text(f"{WORDS}\n")
    assert cli.main(["lm", "train", str(folder / "text.txt"), "--out", str(folder / "a.arpa"), "--order", "2"]) == 0
    return folder / "a.arpa"


def a_set(*labels: str) -> Labeled:
    rows = pl.DataFrame({"id": [f"u{place}" for place in range(len(labels))], "label": labels})
    return SimpleNamespace(rows=rows)  # type: ignore[return-value]  # the guard looks at nothing else


def decoding(path: Path) -> tuple[Decode, ...]:
    return (config.parse(Decode, {"beam": 8, "lm": {"path": path}}),)


def test_each_set_has_an_entry_with_what_it_shares_and_what_it_may(lm: Path) -> None:
    sets = {"dev": a_set(WORDS, "one two", WORDS[::-1]), "test": a_set("nine eight")}
    found = refuse_leaking(decoding(lm), sets, None, 0.1, allow_overlap=True)
    dev = {"lm": str(lm), "name": "dev", "utterances": 3, "too_short": 1, "shared": 1, "share": 0.5, "limit": 0.1}
    test = {"lm": str(lm), "name": "test", "utterances": 1, "too_short": 1, "shared": 0, "share": 0.0, "limit": 0.1}
    assert found == [dev, test]


def test_a_language_model_with_nothing_beside_it_has_one_entry_that_knows_nothing(lm: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.arpa"
    bare.write_bytes(lm.read_bytes())
    (entry,) = refuse_leaking(decoding(bare), {"dev": a_set(WORDS)}, None, 0.1, allow_overlap=False)
    assert entry.pop("lm") == str(bare)
    assert set(entry) == {"name", "utterances", "too_short", "shared", "share", "limit"}
    assert set(entry.values()) == {None}


def test_without_a_language_model_there_is_nothing_to_tell() -> None:
    assert (
        refuse_leaking((config.parse(Decode, {"beam": 1}),), {"dev": a_set(WORDS)}, None, 0.1, allow_overlap=False)
        == []
    )
