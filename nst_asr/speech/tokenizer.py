"""Text to model units and back. Unit 0 is the CTC blank, which no text contains."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import sentencepiece
from pydantic import Field, model_validator

from nst_asr.config import Record
from nst_asr.store import read_json, write_json, written_aside

BLANK = "<blank>"
SPACE = "\u2581"  # stands for a space in SentencePiece's units


class TokenizerError(ValueError):
    """Text or units that cannot be turned into the other; the message names them."""


class TokenizerPlan(Record):
    """What the units are. Characters and words are as many as the text has; the others are learnt, so many."""

    kind: Literal["unigram", "bpe", "char", "word"]
    pieces: int | None = Field(None, ge=2)  # units besides the blank: unigram and bpe only

    @model_validator(mode="after")
    def _learnt_kinds_have_pieces(self) -> TokenizerPlan:
        if self.kind in ("char", "word") and self.pieces is not None:
            raise ValueError(f"pieces = {self.pieces}: every {self.kind} of the text is a unit; leave pieces out")
        if self.kind in ("unigram", "bpe") and self.pieces is None:
            raise ValueError(f"pieces is missing: say how many units {self.kind} is to learn")
        return self


@dataclass(frozen=True)
class Tokenizer:
    """The units of a model. Text is compared up to white space: one space between words, none at the ends."""

    kind: Literal["unigram", "bpe", "char", "word"]
    names: tuple[str, ...]  # of the units; names[0] is the blank
    model: bytes = b""  # SentencePiece's, where it has one

    @property
    def size(self) -> int:
        """V: the number of units, the blank included."""
        return len(self.names)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of all that encoding depends on."""
        digest = hashlib.blake2b(repr((self.kind, self.names)).encode(), digest_size=12)
        digest.update(self.model)
        return digest.hexdigest()

    def encode(self, text: str, id: str | None = None) -> list[int]:
        """The units of a text, each in 1..V-1. Raises TokenizerError, naming `id`, for what it has no unit for."""
        words = text.split()
        if strange := self._strange(words):
            of = f"{id}: " if id is not None else ""
            what = "words" if self.kind == "word" else "characters"
            raise TokenizerError(
                f"{of}the tokenizer does not know the {what} {' '.join(map(repr, strange))} in {text!r}; "
                "normalise the text as that of the training set was, or leave the utterance out"
            )
        if self.kind == "word":
            return [self._numbers[word] for word in words]
        return list(self._processor.encode(" ".join(words)))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of units. Raises TokenizerError for the blank and for numbers that are no unit."""
        for number in ids:
            if not 0 < number < self.size:
                raise TokenizerError(f"{number} is no unit of text; these are 1 to {self.size - 1}")
        if self.kind == "word":
            return " ".join(self.names[number] for number in ids)
        return str(self._processor.decode([int(number) for number in ids]))

    def unknown(self, text: str) -> str:
        """The distinct characters (or words, with a space between) of a text that no unit stands for."""
        return (" " if self.kind == "word" else "").join(self._strange(text.split()))

    def save(self, folder: Path) -> None:
        """Write tokenizer.json, and tokenizer.model where SentencePiece made it, to a folder."""
        if self.model:
            with written_aside(folder / "tokenizer.model") as part:
                part.write_bytes(self.model)
        write_json(folder / "tokenizer.json", {"kind": self.kind, "names": self.names})

    @staticmethod
    def load(folder: Path) -> Tokenizer:
        """The tokenizer that was saved to a folder."""
        path = folder / "tokenizer.json"
        if not path.exists():
            raise TokenizerError(f"{folder}: no tokenizer.json in it; is this the folder of a model?")
        content = read_json(path)
        model = b"" if content["kind"] == "word" else (folder / "tokenizer.model").read_bytes()
        return Tokenizer(content["kind"], tuple(content["names"]), model)

    def _strange(self, words: Sequence[str]) -> list[str]:
        """What has no unit, each once, in order."""
        parts: Iterable[str] = words if self.kind == "word" else "".join(words)
        strange = list(dict.fromkeys(part for part in parts if part not in self._known))
        # characters of single words alone have no unit for what stands between two words
        apart = self.kind == "char" and len(words) > 1 and SPACE not in self.names
        return [*strange, " "] if apart else strange

    @cached_property
    def _known(self) -> frozenset[str]:
        if self.kind == "word":
            return frozenset(self.names[1:])
        return frozenset(name for name in self.names[1:] if len(name) == 1 and name != SPACE)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def _processor(self) -> Any:
        return sentencepiece.SentencePieceProcessor(model_proto=self.model)

    def __getstate__(self) -> dict[str, Any]:
        # what is cached is made again: a process that labels gets the units only
        return {"kind": self.kind, "names": self.names, "model": self.model}


def train(texts: Iterable[str], plan: TokenizerPlan) -> Tokenizer:
    """The tokenizer of a training set's texts: the same for the same texts in the same order.

    Unigram (Kudo 2018), BPE (Sennrich et al. 2016) and characters by SentencePiece, on text as it stands (no Unicode
    normalisation: what is scored is what was written); words are sorted. Raises TokenizerError for texts without a
    character, and where they cannot give `plan.pieces` units.
    """
    sentences = [clean for text in texts if (clean := " ".join(text.split()))]
    if not sentences:
        raise TokenizerError("no text to make a tokenizer of: every transcript is empty")
    if plan.kind == "word":
        return Tokenizer("word", (BLANK, *sorted({word for text in sentences for word in text.split()})))
    if marked := next((text for text in sentences if SPACE in text), None):
        raise TokenizerError(f"{marked!r} contains {SPACE} (U+2581), which stands for a space in units; replace it")
    characters = len(set("".join(sentences)) | {" "})
    if plan.pieces is not None and plan.pieces < characters:
        raise TokenizerError(f"pieces = {plan.pieces}: the texts have {characters} characters, take at least as many")
    model = _sentencepiece(sentences, plan)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    found = processor.get_piece_size() - 1
    if plan.pieces is not None and found != plan.pieces:
        raise TokenizerError(f"pieces = {plan.pieces}: the texts give {found} {plan.kind} units at most; take fewer")
    # SentencePiece's unit 0 is the unknown, which encode() never lets through: its place is the blank's
    return Tokenizer(plan.kind, (BLANK, *(processor.id_to_piece(n) for n in range(1, found + 1))), model)


def _sentencepiece(sentences: Sequence[str], plan: TokenizerPlan) -> bytes:
    """A trained SentencePiece model, in memory."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=model,
        model_type=plan.kind,
        vocab_size=(plan.pieces or 0) + 1,
        use_all_vocab=plan.kind == "char",
        hard_vocab_limit=False,
        character_coverage=1.0,
        normalization_rule_name="identity",
        # a word's first letter stands for itself among characters, so that no frame is spent on a leading space
        add_dummy_prefix=plan.kind != "char",
        max_sentence_length=max(10, *(len(text.encode()) for text in sentences)) + 1,
        num_threads=1,  # sums in a fixed order
        unk_id=0,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        minloglevel=2,
    )
    return model.getvalue()
