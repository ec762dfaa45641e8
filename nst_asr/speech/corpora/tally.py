"""Counts of a corpus as it streams by, utterance by utterance."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from nst_asr.speech.audio import Header
from nst_asr.speech.corpora.summary import Change, Extreme, LeftOut, SpeakerHours, Speakers, Summary, Transcripts
from nst_asr.speech.corpora.utterance import Defect

_EXAMPLES = 3


@dataclass
class Tally:
    """Counts that a corpus adds to, utterance by utterance."""

    seconds: float = 0.0
    utterances: int = 0
    unknown: int = 0
    missing: int = 0
    missed: list[str] = field(default_factory=list)
    changed: int = 0
    longest: Extreme | None = None
    shortest: Extreme | None = None
    speakers: dict[str, float] = field(default_factory=dict)  # seconds
    formats: Counter[str] = field(default_factory=Counter)
    characters: Counter[str] = field(default_factory=Counter)
    changes: list[Change] = field(default_factory=list)
    left_out: dict[str, LeftOut] = field(default_factory=dict)

    def hear(self, name: str, speaker: str | None, seconds: float, header: Header) -> None:
        """Count one utterance that is written."""
        self.utterances += 1
        self.seconds += seconds
        plural = "" if header.channels == 1 else "s"
        self.formats[f"{header.rate} Hz, {header.channels} channel{plural}"] += 1
        if speaker is None:
            self.unknown += 1
        else:
            self.speakers[speaker] = self.speakers.get(speaker, 0.0) + seconds
        if self.longest is None or seconds > self.longest.seconds:
            self.longest = Extreme(name, seconds)
        if self.shortest is None or seconds < self.shortest.seconds:
            self.shortest = Extreme(name, seconds)

    def read(self, name: str, before: str, after: str) -> None:
        """Count one transcript and what normalisation made of it."""
        self.characters.update(after)
        if before != after:
            self.changed += 1
            if len(self.changes) < _EXAMPLES:
                self.changes.append(Change(name, before, after))

    def miss(self, defect: Defect) -> None:
        """Count one utterance of a pool whose transcript cannot be its truth."""
        self.missing += 1
        if len(self.missed) < _EXAMPLES:
            self.missed.append(f"{defect.id}: {defect.reason}")

    def leave_out(self, defect: Defect) -> None:
        """Count one utterance that is not written."""
        found = self.left_out.get(defect.kind, LeftOut(0, ()))
        examples = (*found.examples, f"{defect.id}: {defect.reason}")[:_EXAMPLES]
        self.left_out[defect.kind] = replace(found, count=found.count + 1, examples=examples)

    def summary(self, rule: str | None) -> Summary:
        """The record of what was counted; `rule` describes the normalisation, None where no text was wanted."""
        assert self.longest is not None
        assert self.shortest is not None
        return Summary(
            utterances=self.utterances,
            hours=self.seconds / 3600,
            longest=self.longest,
            shortest=self.shortest,
            speakers=self._speakers(),
            formats=dict(self.formats.most_common()),
            characters=dict(self.characters.most_common()),
            transcripts=self._transcripts(rule) if rule else None,
            left_out=dict(sorted(self.left_out.items(), key=lambda item: -item[1].count)),
        )

    def _transcripts(self, rule: str) -> Transcripts:
        return Transcripts(rule, self.changed, tuple(self.changes), self.missing, tuple(self.missed))

    def _speakers(self) -> Speakers:
        ordered = sorted(self.speakers.items(), key=lambda item: -item[1])
        least, most = (
            (SpeakerHours(name, s / 3600) for name, s in (ordered[-1], ordered[0])) if ordered else (None, None)
        )
        return Speakers(len(ordered), least, most, self.unknown)
