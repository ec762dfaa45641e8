"""The watch as plain lines, one where something has changed: for logs and pipes."""

from __future__ import annotations

from collections.abc import Iterator

from nst_asr.cost import duration
from nst_asr.watch.state import State
from nst_asr.watch.words import presence, row_line, work_line

_WORTH_TELLING = 1.0  # seconds of a step


class Lines:
    """The lines that a state adds to what has been said of those before it."""

    def __init__(self) -> None:
        self._said: set[str] = set()
        self._last: State | None = None

    def new(self, state: State) -> Iterator[str]:
        """What is new: on the run, finished steps, models, alarms, the step that is being made, who is at work."""
        before, self._last = self._last, state
        if before is None:
            yield f"recipe {state.recipe}, seed {state.seed}"
        elif state.new:
            long = [taken for taken in state.new if taken.seconds >= _WORTH_TELLING]
            yield from (f"{taken.step}: made in {duration(taken.seconds)}" for taken in long)
        yield from self._once([row_line(row, state.terms) for row in state.rows])
        yield from self._once([f"WARNING: {row.name}: {alarm}" for row in state.rows for alarm in row.alarms])
        if not state.finished and before is not None and before.working != state.working:
            yield presence(state)
        if state.step and (before is None or before.work != state.work or before.step != state.step):
            yield work_line(state)

    def _once(self, lines: list[str]) -> Iterator[str]:
        for line in lines:
            if line not in self._said:
                self._said.add(line)
                yield line
