"""Files per second and peak memory of preparing a corpus: memory should not grow with the number of files.

    python benchmarks/prepare.py [--files 100000] [--kind librispeech|kaldi|nemo|folder] [--check headers|samples]

Writes that many FLAC files of half a second, with transcripts, to a temporary folder (4 KiB each on most disks, so
100,000 take 0.4 GB; deleted afterwards), and prepares a tenth of them and then all, each in a process of its own.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Literal

import soundfile

from nst_asr.key import Key
from nst_asr.speech.corpora.prepare import prepare
from nst_asr.speech.corpora.prepare_plan import PreparePlan

_CHAPTER = 100  # files
_SPEAKER = 10  # chapters


def main() -> None:
    """Print files per second and peak memory for a tenth of the files and for all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--kind", choices=("librispeech", "kaldi", "nemo", "folder"), default="librispeech")
    parser.add_argument("--check", choices=("headers", "samples"), default="headers")
    arguments = parser.parse_args()
    for files in (arguments.files // 10, arguments.files):
        with tempfile.TemporaryDirectory() as folder:
            source = write_corpus(Path(folder) / "corpus", arguments.kind, files)
            with multiprocessing.get_context("spawn").Pool(1) as other:
                seconds, memory = other.apply(_measure, (arguments.kind, source, Path(folder), arguments.check))
        print(
            f"{arguments.kind}, {arguments.check}: {files} files, {seconds:.1f} s, {files / seconds:.0f} files a "
            f"second, peak memory {memory:.0f} MB",
            flush=True,
        )


def write_corpus(folder: Path, kind: str, files: int) -> Path:
    """The source of a corpus of the kind: FLAC files laid out as in LibriSpeech, and the lists that the kind has."""
    content = _flac()
    folder.mkdir()
    with (
        (folder / "lists").open("w", encoding="utf-8") as lists,
        (folder / "text").open("w", encoding="utf-8") as texts,
    ):
        for number in range(files):
            name, path = _place(folder, number)
            if number % _CHAPTER == 0:
                path.parent.mkdir(parents=True)
            path.write_bytes(content)
            text = f"SOME WORDS {'AND MORE ' * (number % 9)}"
            lists.write(_line(kind, name, path, text))
            texts.write(f"{name} {text}\n")
            if kind == "folder":
                path.with_suffix(".txt").write_text(text, encoding="utf-8")
            elif kind == "librispeech":
                with (path.parent / f"{name.rpartition('-')[0]}.trans.txt").open("a", encoding="utf-8") as beside:
                    beside.write(f"{name} {text}\n")
    return _source(folder, kind)


def _source(folder: Path, kind: str) -> Path:
    if kind == "kaldi":
        (folder / "lists").rename(folder / "wav.scp")
    return folder / "lists" if kind == "nemo" else folder


def _place(folder: Path, number: int) -> tuple[str, Path]:
    chapter = number // _CHAPTER
    speaker = chapter // _SPEAKER
    name = f"{speaker:06d}-{chapter:06d}-{number:08d}"
    return name, folder / f"{speaker:06d}" / f"{chapter:06d}" / f"{name}.flac"


def _line(kind: str, name: str, path: Path, text: str) -> str:
    if kind == "nemo":
        return json.dumps({"id": name, "audio_filepath": str(path), "duration": 0.5, "text": text}) + "\n"
    return f"{name} {path}\n"


def _flac() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, Key(0).generator().normal(0, 0.01, 4000), 8000, format="FLAC")
    return file.getvalue()


def _measure(kind: str, source: Path, folder: Path, check: Literal["headers", "samples"]) -> tuple[float, float]:
    """Seconds, and MB of peak memory of this process."""
    start = time.perf_counter()
    prepare(PreparePlan(kind, (source,), folder / "out.tsv", transcripts="lower", check=check))
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
