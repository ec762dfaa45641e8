"""KenLM's programs, where they are on the PATH: lmplz, which estimates, and build_binary, which packs."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from nst_asr.speech.ngram.arpa import read_arpa
from nst_asr.speech.ngram.model import BOS, NEVER, Ngram, NgramError, Order
from nst_asr.speech.ngram.text import Words
from nst_asr.store import written_aside

BINARIES = (".bin", ".binary", ".klm")  # names of packed models end so
_MEMORY = "2G"  # that lmplz may sort in
_PIECE = 50_000  # sentences written at once
_SAID = 2000  # characters of a program's last words that are shown


def run_lmplz(
    text: Words,
    order: int,
    thresholds: Sequence[int],
    fallback: Sequence[float],
    known: Sequence[str] | None = None,
) -> Ngram:
    """The model that lmplz makes of a text; known: the words it may keep. Raises NgramError where it fails."""
    with tempfile.TemporaryDirectory(prefix="nst-asr-lmplz-") as folder:
        arpa, limit = Path(folder) / "out.arpa", Path(folder) / "known.txt"
        command = ["lmplz", "-o", str(order), "-S", _MEMORY, "-T", folder, "--arpa", str(arpa)]
        command += ["--prune", *map(str, thresholds), "--discount_fallback", *map(str, fallback)]
        if known is not None:
            limit.write_text("\n".join(known), encoding="utf-8")
            command += ["--limit_vocab_file", str(limit)]
        source = Path(folder) / "text.txt"
        _write_text(source, text)
        with source.open("rb") as stdin:
            _run(command, stdin)
        return _never_start(read_arpa(arpa))


def _never_start(model: Ngram) -> Ngram:
    """The model with <s> as this package writes it: lmplz gives it a probability of 1."""
    unigrams, *others = model.orders
    logprob = unigrams.logprob.copy()
    logprob[model.numbers[BOS]] = NEVER
    return Ngram(model.names, (Order(unigrams.context, unigrams.word, logprob, unigrams.backoff), *others))


def build_binary(arpa: Path, out: Path) -> None:
    """Pack an ARPA file as KenLM's probing tables. Raises NgramError where the program is missing or fails."""
    if shutil.which("build_binary") is None:
        raise NgramError(
            f"{out.name}: KenLM's build_binary, which packs a model, is not on the PATH. Install KenLM's programs, or "
            "give the ARPA file as it is: the search reads it too, and only loads it more slowly"
        )
    with written_aside(out) as part:
        _run(["build_binary", "probing", str(arpa), str(part)], None)


def _run(command: Sequence[str], stdin: object) -> None:
    done = subprocess.run(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)  # type: ignore[call-overload]
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace")[-_SAID:].strip()
        raise NgramError(f"{command[0]} ended with status {done.returncode}: {said}")


def _write_text(path: Path, text: Words) -> None:
    names = pl.Series(text.names, dtype=pl.String)
    ends = text.lengths.cumsum()
    with path.open("w", encoding="utf-8") as file:
        for first in range(0, len(ends), _PIECE):
            stop = min(first + _PIECE, len(ends))
            start = ends[first - 1] if first else 0
            words = names.gather(text.codes[start : ends[stop - 1]])
            sentence = pl.Series(range(stop - first), dtype=pl.Int64)
            rows = sentence.repeat_by(pl.Series(text.lengths[first:stop])).explode()
            lines = pl.DataFrame({"row": rows, "word": words}).group_by("row", maintain_order=True).agg("word")
            file.write("\n".join(lines["word"].list.join(" ")) + "\n")
