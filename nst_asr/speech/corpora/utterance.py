"""Utterances as a corpus names them, before anything has looked at the audio, and what a corpus cannot say of one."""

from __future__ import annotations

from dataclasses import dataclass

from nst_asr.speech.corpora.rows import Row

NO_AUDIO = "text for no audio"  # a kind of defect that several readers find


@dataclass(frozen=True, slots=True)
class Utterance:
    """A file, or a stretch of one, with what its corpus says of it."""

    id: str
    path: str  # of a file, or of a member of an uncompressed tar as `stored.address` writes it
    where: str  # the file and line that say so: for messages
    start: float = 0.0  # seconds
    seconds: float | None = None  # of the stretch; None: to the end of the file
    announced: float | None = None  # seconds that the whole file lasts, if the corpus says so
    speaker: str | None = None
    text: str | None = None

    def as_row(self) -> Row:
        """The row of it, its size as the corpus says, or None."""
        size = self.announced if self.seconds is None else self.seconds
        return self.id, size, self.speaker, self.path, self.start, self.text


@dataclass(frozen=True, slots=True)
class Defect:
    """Why an utterance is left out: `kind` is what defects are counted by, `detail` what is wrong with this one."""

    id: str
    kind: str
    detail: str = ""

    @property
    def reason(self) -> str:
        """Kind and detail as one line."""
        return f"{self.kind}: {self.detail}" if self.detail else self.kind
