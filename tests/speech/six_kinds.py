"""One small corpus as each kind that prepare reads, and the command line on it."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
from lhotse import CutSet, MonoCut, Recording, SupervisionSegment

from nst_asr.cli import main
from tests.speech.small_corpora import record, write

TEXTS = {"ann-1": "One, two!", "ann-2": "three", "bob-1": "caf\u00e9", "cyd-1": "four"}
SECONDS = {"ann-1": 1.5, "ann-2": 0.5, "bob-1": 1.0, "cyd-1": 1.0}


def audio(folder: Path, ending: str = ".wav") -> dict[str, Path]:
    return {name: record(folder / name.split("-")[0] / "c 1" / (name + ending), SECONDS[name]) for name in TEXTS}


def as_kaldi(folder: Path, windows: bool) -> Path:
    files = audio(folder / "au dio")
    tables: dict[str, dict[str, object]] = {
        "wav.scp": dict(files),
        "text": dict(TEXTS),
        "utt2spk": {u: u.split("-")[0] for u in TEXTS},
    }
    for name, lines in tables.items():
        write(folder / name, "".join(f"{u} {value}\n" for u, value in lines.items()), windows=windows)
    return folder


def as_librispeech(folder: Path, windows: bool) -> Path:
    audio(folder, ".flac")
    for speaker in ("ann", "bob", "cyd"):
        lines = "".join(f"{u} {text}\n" for u, text in TEXTS.items() if u.startswith(speaker))
        write(folder / speaker / "c 1" / f"{speaker}-c.trans.txt", lines, windows=windows)
    return folder


def as_nemo(folder: Path, windows: bool) -> Path:
    audio(folder)
    entries = (
        {
            "id": u,
            "audio_filepath": f"{u.split('-')[0]}/c 1/{u}.wav",
            "duration": SECONDS[u],
            "text": text,
            "speaker": u.split("-")[0],
        }
        for u, text in TEXTS.items()
    )
    return write(folder / "m.json", "".join(f"{json.dumps(entry)}\n" for entry in entries), windows=windows)


def as_tsv(folder: Path, windows: bool) -> Path:
    audio(folder)
    lines = (f"{u}\t{u.split('-')[0]}/c 1/{u}.wav\t{t}\t{u.split('-')[0]}\t{SECONDS[u]}\n" for u, t in TEXTS.items())
    return write(folder / "l.tsv", "id\tpath\ttext\tspeaker\tseconds\n" + "".join(lines), windows=windows)


def lhotse_cuts(folder: Path) -> CutSet:
    made = []
    for name, path in audio(folder).items():
        recording = Recording.from_file(path, recording_id=name)
        said = SupervisionSegment(name, name, 0, SECONDS[name], text=TEXTS[name], speaker=name.split("-")[0])
        made.append(MonoCut(name, 0, SECONDS[name], 0, supervisions=[said], recording=recording))
    return CutSet.from_cuts(made)


def as_lhotse(folder: Path, windows: bool) -> Path:
    lhotse_cuts(folder).to_file(folder / "cuts.jsonl.gz")
    if windows:
        rewrite(folder / "cuts.jsonl.gz", lambda text: text.replace("\n", "\r\n"))
    return folder / "cuts.jsonl.gz"


def as_shar(folder: Path, windows: bool) -> Path:
    (folder / "shar").mkdir()
    lhotse_cuts(folder).to_shar(folder / "shar", fields={"recording": "flac"}, shard_size=3)
    for cuts in folder.glob("shar/cuts.*") if windows else ():
        rewrite(cuts, lambda text: text.replace("\n", "\r\n"))
    return folder / "shar"


def as_tree(folder: Path, windows: bool) -> Path:
    for name, path in audio(folder).items():
        write(path.with_suffix(".txt"), f"{TEXTS[name]}\n", windows=windows)
    return folder


def rewrite(path: Path, change: Callable[[str], str]) -> None:
    """Change a text file, or one that is packed."""
    packed = path.suffix == ".gz"
    text = (gzip.decompress(path.read_bytes()) if packed else path.read_bytes()).decode()
    new = change(text).encode()
    assert new != text.encode()
    path.write_bytes(gzip.compress(new) if packed else new)


MAKERS: dict[str, Callable[[Path, bool], Path]] = {
    "kaldi": as_kaldi,
    "librispeech": as_librispeech,
    "nemo": as_nemo,
    "folder": as_tsv,
    "lhotse": as_lhotse,
    "shar": as_shar,
}


def prepare(kind: str, source: Path | list[Path], out: Path, *options: str) -> int:
    sources = source if isinstance(source, list) else [source]
    return main(["prepare", kind, *map(str, sources), "--out", str(out), *options])


def corpus(folder: Path) -> Path:
    (folder / "in").mkdir()
    return folder / "in"


def bad(out: Path) -> dict[str, str]:
    return dict(pl.read_csv(out.with_name(f"{out.stem}.bad.tsv"), separator="\t", quote_char=None).iter_rows())
