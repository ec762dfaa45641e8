"""Every kind of corpus with every defect it can have, one at a time: left out with a reason, or refused by place."""

import gzip
import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from nst_asr.speech.corpora.rows import read_rows
from tests.speech.six_kinds import MAKERS, TEXTS, as_tree, bad, corpus, prepare, rewrite
from tests.speech.small_corpora import write

KINDS = {"tree": as_tree, **MAKERS}  # tree: a folder with texts beside the audio; folder: a TSV
Breaker = Callable[[Path], object]


def bob(source: Path) -> Path:
    """The audio file of bob-1."""
    folder = source if source.is_dir() else source.parent
    (found,) = (path for path in folder.rglob("bob-1.*") if path.suffix != ".txt")
    return found


def replacing(table: str, old: str, new: str) -> Breaker:
    return lambda source: rewrite(source / table, lambda text: text.replace(old, new))


def adding(table: str, line: str) -> Breaker:
    return lambda source: rewrite(source / table, lambda text: text + line)


def entry(table: str, number: int, change: Callable[[dict[str, Any]], None]) -> Breaker:
    """Change one entry of JSON lines."""

    def changed(text: str) -> str:
        entries = [json.loads(line) for line in text.splitlines()]
        change(entries[number])
        return "".join(json.dumps(each) + "\n" for each in entries)

    return lambda source: rewrite(source / table, changed)


def doubled(table: str) -> Breaker:
    return lambda source: rewrite(source / table, lambda text: text + text.splitlines()[-1] + "\n")


def latin(table: str) -> Breaker:
    """Encode caf\u00e9, or a word in its place, as Windows once did."""

    def act(source: Path) -> None:
        path, word = source / table, "caf\u00e9".encode("latin-1")
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        new = content.replace(b"three", word).replace("caf\u00e9".encode(), word)
        assert new != content
        path.write_bytes(gzip.compress(new) if path.suffix == ".gz" else new)

    return act


def utf16(table: str) -> Breaker:
    return lambda source: (source / table).write_bytes((source / table).read_bytes().decode().encode("utf-16"))


def longer(item: dict[str, Any]) -> None:
    item["recording"] |= {"duration": 5.5, "num_samples": 44000}


def beyond(item: dict[str, Any]) -> None:
    item["duration"] = item["supervisions"][0]["duration"] = 5.5


def wordless(item: dict[str, Any]) -> None:
    del item["supervisions"][0]["text"]


def again(folder: str, *files: str) -> Breaker:
    """Copy each file to the name that follows it."""

    def act(source: Path) -> None:
        for old, new in zip(files[::2], files[1::2], strict=True):
            shutil.copy(source / folder / old, source / folder / new)

    return act


BOB = "bob/c 1/"
TRANS = f"{BOB}bob-c.trans.txt"
CUTS = "cuts.000000.jsonl.gz"

# what befalls audio files, whatever lists them: shards have none
AUDIO: dict[str, tuple[Breaker, str]] = {
    "empty": (lambda source: bob(source).write_bytes(b""), r"an empty file: .*\(0 bytes\)"),
    "truncated": (
        lambda source: bob(source).write_bytes(bob(source).read_bytes()[:-4000]),
        "truncated: ",
    ),
    "no audio": (
        lambda source: bob(source).write_text("<html>404</html>" * 20),
        "not an audio file that can be read",
    ),
}

# defect, kind, breaker (of a table, "" being the source itself), id that is left out, reason
LEFT_OUT: list[tuple[str, str, Breaker, str, str]] = [
    (
        "missing file",
        "kaldi",
        lambda s: bob(s).unlink(),
        "bob-1",
        r"no such file: .*wav\.scp, line 3: .*bob-1\.wav",
    ),
    ("missing file", "librispeech", lambda s: bob(s).unlink(), "bob-1", "text for no audio: in .*bob"),
    ("missing file", "nemo", lambda s: bob(s).unlink(), "bob-1", r"no such file: .*m\.json, line 3: "),
    ("missing file", "folder", lambda s: bob(s).unlink(), "bob-1", r"no such file: .*l\.tsv, line 4: "),
    (
        "missing file",
        "lhotse",
        lambda s: bob(s).unlink(),
        "bob-1",
        r"no such file: .*cuts\.jsonl\.gz, entry 3: ",
    ),
    ("wrong duration", "nemo", replacing("", '"duration": 0.5', '"duration": 5.5'), "ann-2", "line 2 says 5.50 s"),
    ("wrong duration", "folder", replacing("", "\t0.5", "\t5.5"), "ann-2", "line 3 says 5.50 s, .* lasts 0.50 s"),
    ("wrong duration", "lhotse", entry("", 1, longer), "ann-2", "entry 2 says 5.50 s, .* lasts 0.50 s"),
    ("wrong duration", "shar", entry(CUTS, 1, longer), "ann-2", "entry 2 says 5.50 s, .* lasts 0.50 s"),
    (
        "beyond the end",
        "kaldi",
        lambda s: write(s / "segments", "".join(f"{u} {u} 0 {9 if u == 'ann-2' else 0.5}\n" for u in TEXTS)),
        "ann-2",
        "segments, line 2 says 0.00 s to 9.00 s, .* lasts 0.50 s",
    ),
    (
        "beyond the end",
        "nemo",
        replacing("", '"duration": 0.5', '"offset": 0.2, "duration": 5.5'),
        "ann-2",
        "line 2 says 0.20 s to 5.70 s",
    ),
    ("beyond the end", "lhotse", entry("", 1, beyond), "ann-2", "entry 2 says 0.00 s to 5.50 s"),
    ("beyond the end", "shar", entry(CUTS, 1, beyond), "ann-2", "entry 2 says 0.00 s to 5.50 s"),
    ("text for no audio", "kaldi", adding("text", "zed-1 nothing\n"), "zed-1", "text for no audio: .*text, line 5"),
    ("text for no audio", "librispeech", adding(TRANS, "bob-9 nothing\n"), "bob-9", "text for no audio: in .*c 1"),
    (
        "text for no audio",
        "tree",
        lambda s: write(s / BOB / "bob-9.txt", "nothing"),
        f"{BOB}bob-9",
        r"text for no audio: .*bob-9\.txt",
    ),
    ("no text", "kaldi", replacing("text", "bob-1 caf\u00e9\n", ""), "bob-1", r"no text: .*wav\.scp, line 3"),
    ("no text", "librispeech", lambda s: (s / TRANS).unlink(), "bob-1", r"no text: .*bob-1\.flac"),
    ("no text", "tree", lambda s: (s / BOB / "bob-1.txt").unlink(), f"{BOB}bob-1", r"no text: .*bob-1\.wav"),
    ("no text", "nemo", replacing("", '"text": "three", ', ""), "ann-2", "no text: .*line 2"),
    ("no text", "folder", replacing("", "three", ""), "ann-2", "no text: .*line 3"),
    ("no text", "lhotse", entry("", 1, wordless), "ann-2", "no text: .*entry 2"),
    ("no text", "shar", entry(CUTS, 1, wordless), "ann-2", "no text: .*entry 2"),
    ("blank text", "kaldi", replacing("text", "caf\u00e9", " "), "bob-1", "no text"),
    ("blank text", "librispeech", replacing(TRANS, "caf\u00e9", " "), "bob-1", "no text"),
    ("blank text", "tree", replacing(f"{BOB}bob-1.txt", "caf\u00e9", " "), f"{BOB}bob-1", "no text"),
    ("blank text", "nemo", replacing("", "three", " "), "ann-2", "no text"),
    ("blank text", "folder", replacing("", "three", " "), "ann-2", "no text"),
    ("blank text", "lhotse", replacing("", "three", " "), "ann-2", "no text"),
    ("blank text", "shar", replacing(CUTS, "three", " "), "ann-2", "no text"),
    *((name, kind, act, "bob-1", why) for kind in MAKERS if kind != "shar" for name, (act, why) in AUDIO.items()),
    *((name, "tree", act, f"{BOB}bob-1", why) for name, (act, why) in AUDIO.items()),
]

REFUSED: list[tuple[str, str, Breaker, str]] = [
    ("missing file", "shar", lambda s: (s / "recording.000001.tar").unlink(), "000001.tar, is not beside it; copy it"),
    (
        "truncated",
        "shar",
        lambda s: (s / "recording.000001.tar").write_bytes((s / "recording.000001.tar").read_bytes()[:3000]),
        r"recording\.000001\.tar: no uncompressed tar that can be read .*; copy it again",
    ),
    ("two of one id", "kaldi", doubled("wav.scp"), r"wav\.scp, line 5: cyd-1 occurs twice"),
    ("two of one id", "librispeech", again("", f"{BOB}bob-1.flac", "ann/c 1/bob-1.flac"), "ann/c 1/.* and .*bob/c 1/"),
    ("two of one id", "tree", again(BOB, "bob-1.wav", "bob-1.flac"), r"bob-1\.flac and .*bob-1\.wav"),
    ("two of one id", "nemo", doubled(""), "cyd-1 occurs twice: .*line 4 and .*line 5"),
    ("two of one id", "folder", doubled(""), "cyd-1 occurs twice: .*line 5 and .*line 6"),
    ("two of one id", "lhotse", doubled(""), "cyd-1 occurs twice: .*entry 4 and .*entry 5"),
    (
        "two of one id",
        "shar",
        again("", CUTS, "cuts.000005.jsonl.gz", "recording.000000.tar", "recording.000005.tar"),
        "ann-1 occurs twice: .*000000.jsonl.gz, entry 1 and .*000005.jsonl.gz, entry 1",
    ),
    ("text for no audio", "nemo", adding("", '{"text": "nothing"}\n'), "line 5: no audio_filepath"),
    ("text for no audio", "folder", adding("", "zed-1\t\tnothing\tzed\t\n"), "line 6: id or path is empty"),
    ("text for no audio", "lhotse", entry("", 1, lambda item: item.pop("recording")), "ann-2 has no recording"),
    ("text for no audio", "shar", doubled(CUTS), r"entry 4: the cut is bob-1, the audio in .* that of None"),
    ("wrong encoding", "kaldi", latin("text"), r"text, line 2: not UTF-8 text .*iconv -f LATIN1"),
    ("wrong encoding", "librispeech", latin(TRANS), r"bob-c\.trans\.txt, line 1: not UTF-8"),
    ("wrong encoding", "tree", latin(f"{BOB}bob-1.txt"), r"bob-1\.txt, line 1: not UTF-8"),
    ("wrong encoding", "nemo", latin(""), r"m\.json, line 2: not UTF-8"),
    ("wrong encoding", "folder", latin(""), r"l\.tsv, line 3: not UTF-8"),
    ("wrong encoding", "lhotse", latin(""), r"cuts\.jsonl\.gz, after entry \d: .*write it again, as UTF-8"),
    ("wrong encoding", "shar", latin(CUTS), r"cuts\.000000\.jsonl\.gz, after entry \d: .*as UTF-8"),
    ("UTF-16", "kaldi", utf16("text"), "text, line 1: .*iconv -f UTF-16"),
    ("UTF-16", "librispeech", utf16(TRANS), "line 1: .*iconv -f UTF-16"),
    ("UTF-16", "tree", utf16(f"{BOB}bob-1.txt"), "line 1: .*iconv -f UTF-16"),
    ("UTF-16", "nemo", utf16(""), "line 1: .*iconv -f UTF-16"),
    ("UTF-16", "folder", utf16(""), "line 1: .*iconv -f UTF-16"),
    ("broken line", "nemo", adding("", "broken\n"), "line 5: not JSON"),
    ("broken line", "folder", adding("", "bro\tken\n"), "line 6: 2 cells where the first line has 5"),
    ("broken line", "lhotse", adding("", "{broken\n"), r"cuts\.jsonl\.gz, after entry 4: not a lhotse manifest"),
    (
        "broken line",
        "shar",
        adding(CUTS, "{broken\n"),
        r"cuts\.000000\.jsonl\.gz, after entry 3: not a lhotse manifest",
    ),
]


def named(rows: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Parameters, each with its defect and kind as its name."""
    return [pytest.param(*row[1:], id=f"{row[0]}, {row[1]}") for row in rows]


@pytest.mark.parametrize(("kind", "act", "name", "reason"), named(LEFT_OUT))
def test_a_defect_of_one_utterance_leaves_that_one_out(
    kind: str, act: Breaker, name: str, reason: str, tmp_path: Path
) -> None:
    source = KINDS[kind](corpus(tmp_path), False)
    act(source)
    out = tmp_path / "train.tsv"
    verb = "folder" if kind == "tree" else kind
    assert prepare(verb, source, out) == 1, "one of four is more than the share that may be left out"
    assert not out.exists()
    assert prepare(verb, source, out, "--max-bad-share", "0.25") == 0
    assert list(bad(out)) == [name]
    assert re.search(reason, bad(out)[name])
    kept = {row.rpartition("/")[2] for row in read_rows(out)["id"]}
    assert kept == set(TEXTS) - {name.rpartition("/")[2]}


@pytest.mark.parametrize(("kind", "act", "message"), named(REFUSED))
def test_a_defect_of_the_corpus_is_refused_by_its_place(
    kind: str, act: Breaker, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = KINDS[kind](corpus(tmp_path), False)
    act(source)
    assert prepare("folder" if kind == "tree" else kind, source, tmp_path / "train.tsv", "--max-bad-share", "1") == 1
    assert re.search(message, capsys.readouterr().err)
    assert [path.name for path in tmp_path.iterdir()] == ["in"], "nothing is written"


def test_a_tree_with_windows_line_ends_is_read_as_one_without(tmp_path: Path) -> None:
    """The other kinds: test_prepare.test_every_kind_gives_the_same_manifest."""
    assert prepare("folder", as_tree(corpus(tmp_path), True), tmp_path / "train.tsv") == 0
    assert sorted(read_rows(tmp_path / "train.tsv")["label"]) == sorted(TEXTS.values())
