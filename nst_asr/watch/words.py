"""What a state of a run says, in words: the same for plain lines and for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from nst_asr.cost import describe_rate, duration
from nst_asr.results_table import bounds, percent
from nst_asr.terms import Terms
from nst_asr.watch.state import Labeling, Row, Score, State, Training


def amounts_of(row: Row, terms: Terms) -> str:
    """What was labeled and kept for a generation; nothing where nothing was."""
    if row.amounts is None:
        return ""
    found = row.amounts
    share = "" if found.kept_share is None else f" ({percent(found.kept_share, 1)})"
    return f"{terms.count(found.hours)} {terms.amount} labeled, {terms.count(found.kept_hours)} kept{share}"


def rate_of(score: Score | None) -> str:
    """A rate with its interval; nothing where there is none."""
    if score is None:
        return ""
    return f"{percent(score['rate'])} {bounds(score['low'], score['high'])}".rstrip()


def row_line(row: Row, terms: Terms) -> str:
    """One line on a model: labels, and the scores that there are."""
    scores = [f"{name} {terms.error} {rate_of(score)}" for name, score in row.scores.items()]
    return f"{row.name}: " + "; ".join(filter(None, [amounts_of(row, terms), ", ".join(scores)]))


def work_line(state: State) -> str:
    """One line on the step that is being made."""
    if state.step is None:
        return ""
    return f"{state.step}: {', '.join(facts(state)) or 'at work' if state.working else 'to be made'}"


def facts(state: State) -> Iterator[str]:
    """What is known of the step that is being made."""
    if isinstance(state.work, Training):
        yield from _of_training(state.work, state.terms)
    elif isinstance(state.work, Labeling):
        work = state.work
        yield f"{work.done} of {work.total} parts"
        yield from [f"{work.pace:.3g} a second"] if work.pace else []
    if state.work and state.work.seconds_left is not None:
        yield f"{duration(state.work.seconds_left)} left"


def _of_training(work: Training, terms: Terms) -> Iterator[str]:
    yield f"{work.done} of {work.total or '?'} updates"
    values = {
        "loss {:.3f}": work.loss,
        "learning rate {:.3g}": work.learning_rate,
        "gradient norm {:.3g}": work.gradient_norm,
        "{:.0%} pseudo-labeled": work.pseudo_share,
        "{:.3g} updates a second": work.pace,
    }
    yield from (text.format(value) for text, value in values.items() if value is not None)
    if work.size_pace is not None:
        yield _amount_pace(work.size_pace, terms)


def _amount_pace(size: float, terms: Terms) -> str:
    """`0.0113 hours a second (41 x real time)`, `2,380 images a second`."""
    if terms.unit == 1:
        return f"{size:,.0f} {terms.amount} a second"
    return f"{size / terms.unit:.3g} {terms.amount} a second ({describe_rate(size, terms)})"


def presence(state: State) -> str:
    """Whether anybody is at work, and since when nothing has changed where that is long."""
    if state.finished:
        return f"finished: {duration(state.seconds)} of steps"
    if state.working:
        return "at work"
    since = f"nothing has changed for {duration(state.quiet)}"
    if state.working is None:
        return f"whether a process is at work cannot be seen on this system; {since}"
    return f"no process of this machine is at work in it; {since}"


def ending(state: State) -> str:
    """The last line of a watch."""
    if state.finished:
        return presence(state)
    left = ", ".join(state.left[:4]) + (f" and {len(state.left) - 4} more" if len(state.left) > 4 else "")
    log = f"\nits log ends with: {state.log}" if state.log else ""
    return (
        f"it has stopped, or died: {presence(state)}; left: {left or 'nothing'}{log}\n"
        "the command that began it goes on where it stopped"
    )
