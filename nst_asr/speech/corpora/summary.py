"""What is in a corpus that was prepared: a record that is kept as JSON and printed."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_RAREST = 5
_SHOWN = 80  # characters of a transcript


@dataclass(frozen=True)
class Extreme:
    """The longest or shortest utterance."""

    id: str
    seconds: float


@dataclass(frozen=True)
class SpeakerHours:
    """How long one speaker is heard."""

    speaker: str
    hours: float


@dataclass(frozen=True)
class Speakers:
    """The known speakers; utterances of unknown ones are only counted."""

    count: int
    least: SpeakerHours | None
    most: SpeakerHours | None
    utterances_of_unknown: int


@dataclass(frozen=True)
class LeftOut:
    """What is wrong with some utterances: how many there are, and the first few."""

    count: int
    examples: tuple[str, ...]  # id, colon, reason


@dataclass(frozen=True)
class Change:
    """A transcript that normalisation changed."""

    id: str
    before: str
    after: str


@dataclass(frozen=True)
class Transcripts:
    """Which normalisation was applied, and what it changed."""

    rule: str
    changed: int
    examples: tuple[Change, ...]
    missing: int  # utterances of a pool with no text that can be its truth
    missed: tuple[str, ...]  # the first of these: id, colon, reason


@dataclass(frozen=True)
class SetSize:
    """What went to one manifest."""

    path: str
    utterances: int
    hours: float
    speakers: int


@dataclass(frozen=True)
class Summary:
    """What was found in a corpus, and what was written."""

    utterances: int  # written; a long file that was cut counts once for each piece
    hours: float
    longest: Extreme
    shortest: Extreme
    speakers: Speakers
    formats: Mapping[str, int]  # rate and channels -> utterances
    characters: Mapping[str, int]  # of the transcripts as written, the most frequent first
    transcripts: Transcripts | None  # None: an unlabeled corpus without truth
    left_out: Mapping[str, LeftOut]  # by what is wrong, the most frequent first
    sets: tuple[SetSize, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON values; docs/corpora.md explains each."""
        return asdict(self)

    def describe(self) -> str:
        """The record as lines for people."""
        return "\n".join([*self._audio(), *self._texts(), *self._defects(), *self._written()])

    def _audio(self) -> list[str]:
        return [
            f"utterances  {self.utterances}, {self.hours:.3g} hours",
            f"shortest    {self.shortest.seconds:.2f} s  {self.shortest.id}",
            f"longest     {self.longest.seconds:.2f} s  {self.longest.id}",
            f"speakers    {_speakers(self.speakers)}",
            f"audio       {', '.join(f'{kind}: {count}' for kind, count in self.formats.items())}",
        ]

    def _texts(self) -> list[str]:
        if self.transcripts is None:
            return ["transcripts none: an unlabeled corpus"]
        lines = [f"transcripts {self.transcripts.rule}", f"            changed {self.transcripts.changed}"]
        for change in self.transcripts.examples:
            lines += [
                f"            {change.id}",
                *(f"              {_short(t)}" for t in (change.before, change.after)),
            ]
        if self.transcripts.missing:
            lines.append(f"            {self.transcripts.missing} utterances have no text to be their truth")
            lines += [f"              {text}" for text in self.transcripts.missed]
        return lines + _characters(self.characters)

    def _defects(self) -> list[str]:
        if not self.left_out:
            return ["left out    nothing"]
        lines = [f"left out    {sum(found.count for found in self.left_out.values())}"]
        for kind, found in self.left_out.items():
            lines += [f"            {kind}: {found.count}", *(f"              {text}" for text in found.examples)]
        return lines

    def _written(self) -> list[str]:
        lines = [
            f"written     {part.path}: {part.utterances} utterances, {part.hours:.3g} hours, {part.speakers} speakers"
            for part in self.sets
        ]
        return lines + [f"WARNING     {warning}" for warning in self.warnings]


def _speakers(found: Speakers) -> str:
    known = str(found.count)
    if found.least is not None and found.most is not None:
        known += (
            f", from {found.least.hours:.2g} hours ({found.least.speaker}) "
            f"to {found.most.hours:.2g} hours ({found.most.speaker})"
        )
    return known + (f"; unknown for {found.utterances_of_unknown} utterances" if found.utterances_of_unknown else "")


def _characters(found: Mapping[str, int]) -> list[str]:
    """All characters with their counts, then the rarest: often those that should not be there."""
    counts = [f"{_visible(character)} {count}" for character, count in found.items()]
    together = (count.replace(" ", "\u00a0") for count in counts)  # a count is not to be parted from its character
    lines = [line.replace("\u00a0", " ") for line in textwrap.wrap("   ".join(together), 100)]
    return [f"characters  {len(found)}", *(f"            {line}" for line in lines)] + (
        [f"   rarest   {'   '.join(counts[: -_RAREST - 1 : -1])}"] if len(counts) > _RAREST else []
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def _visible(character: str) -> str:
    if character == " ":
        return "(space)"
    return character if character.isprintable() else f"U+{ord(character):04X}"
