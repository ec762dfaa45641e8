"""A training that begins with what is easy: small examples of a mixture, without noise."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from pydantic import Field

from nst_asr.config import Record
from nst_asr.key import Key
from nst_asr.mix import Batches, Draw, Mix


class Lesson(Record):
    """Updates without noise, on small examples or on all.

    CTC has to find the alignment by itself, and finds it in short, clean utterances many times sooner. The idea is that
    of SortaGrad (Amodei et al. 2016, Deep Speech 2, section 3.2), which sorts the first epoch by length; lessons
    serve sets so small that an epoch is over in a moment.
    """

    updates: int = Field(ge=1)
    size: float | None = Field(None, gt=0)  # of the largest example, in seconds; null: all


class Curriculum:
    """The batches of one lesson after the other, then of all examples: `curriculum[step]` follows from key and step."""

    def __init__(self, data: Mix, size: float, key: Key, lessons: Sequence[Lesson] = ()) -> None:
        """size: seconds of audio in a batch. Raises MixError where a row is too large, or none small enough."""
        taught = [_taught(data, size, key["lesson", n], each) for n, each in enumerate(lessons)]
        self.parts = [*taught, Batches(data, size, key)]
        self.starts = [0, *accumulate(each.updates for each in lessons)]

    @property
    def epoch(self) -> int:
        """The number of batches in one epoch of all examples."""
        return self.parts[-1].epoch

    def is_lesson(self, step: int) -> bool:
        """Whether batch `step` (counted from 0) is to be heard without noise."""
        return step < self.starts[-1]

    def __getitem__(self, step: int) -> list[Draw]:
        """The rows of batch `step` (counted from 0)."""
        place = bisect_right(self.starts, step) - 1
        return self.parts[place][step - self.starts[place]]


def _taught(data: Mix, size: float, key: Key, lesson: Lesson) -> Batches:
    return Batches(data if lesson.size is None else data.up_to(lesson.size), size, key)
