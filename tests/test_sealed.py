"""Model folders are sealed by a hash of what decides their answers, the last file written."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from nst_asr import sealed
from nst_asr.speech import model as speech
from nst_asr.store import StoreError

FILES = ("weights", "words")
DECIDING = ("b", "a")
CONTENT = {"a": [1, 2.5], "b": {"é": None, "c": "x"}, "lineage": "first"}


def folder(path: Path, content: dict[str, Any] = CONTENT) -> Path:
    path.mkdir(exist_ok=True)
    (path / "weights").write_bytes(b"\x00\x01")
    sealed.seal(path, content, FILES, DECIDING)
    return path


def test_the_digest_is_that_of_names_bytes_and_deciding_keys(tmp_path: Path) -> None:
    by_hand = b'weights\x00\x01{"a": [1, 2.5], "b": {"c": "x", "\\u00e9": null}}'
    assert sealed.digest(folder(tmp_path), FILES, DECIDING) == hashlib.blake2b(by_hand, digest_size=12).hexdigest()
    assert (tmp_path / "HASH").read_text() == sealed.digest(tmp_path, FILES, DECIDING) + "\n"


def test_a_recogniser_sealed_before_this_module_keeps_its_hash(tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"w")
    (tmp_path / "tokenizer.model").write_bytes(b"t")
    (tmp_path / "model.json").write_text(
        '{"statistics": {"mean": [0.5], "std": [2.0]}, "features": {"mels": 80}, '
        '"architecture": {"width": 64}, "more": 1}'
    )
    assert speech.folder_hash(tmp_path) == "da59c65812bb5575cc4d556b"


def test_what_decides_nothing_may_change(tmp_path: Path) -> None:
    before = sealed.digest(folder(tmp_path), FILES, DECIDING)
    assert sealed.digest(folder(tmp_path, CONTENT | {"lineage": "second"}), FILES, DECIDING) == before
    (tmp_path / "checkpoint").write_text("1")
    assert sealed.digest(tmp_path, FILES, DECIDING) == before
    assert sealed.digest(folder(tmp_path, CONTENT | {"a": [1, 2.6]}), FILES, DECIDING) != before


def test_a_file_that_appears_changes_the_hash(tmp_path: Path) -> None:
    sealed.refuse_altered(folder(tmp_path), FILES, DECIDING)
    (tmp_path / "words").write_text("")
    with pytest.raises(StoreError, match=r"damaged model folder \(its HASH is .*, its content gives .*copy it anew"):
        sealed.refuse_altered(tmp_path, FILES, DECIDING)


def test_a_folder_is_unfinished_until_its_hash_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sealed, "write_text", die)
        with pytest.raises(KeyboardInterrupt):
            folder(tmp_path)
    assert (tmp_path / "model.json").is_file()
    assert not sealed.is_finished(tmp_path)
    with pytest.raises(StoreError, match=r"not a model folder \(no HASH\)"):
        sealed.refuse_unfinished(tmp_path)
    sealed.refuse_unfinished(folder(tmp_path))


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', "\udcff"])
def test_a_damaged_description_is_named(tmp_path: Path, text: str) -> None:
    folder(tmp_path)
    (tmp_path / "model.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(StoreError, match=r"a damaged model folder \(model\.json"):
        sealed.digest(tmp_path, FILES, DECIDING)
