"""The marks on the axes of a picture, and their labels."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

_MOST_MARKS = 9
_STEPS_S = (
    *(1, 5, 15, 30, 60, 300, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200),
    *(86_400, 2 * 86_400, 7 * 86_400, 14 * 86_400, 28 * 86_400, 56 * 86_400),
)
_DAY_S = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A Monday, so that weekly marks are on Mondays.
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


def amount(value: float) -> str:
    """Return a limit as text: at most one decimal place, thousands separated."""
    text = f"{value:,.1f}".removesuffix(".0")
    return text.replace(",", "\N{NO-BREAK SPACE}")


def amount_ticks(highest: float) -> list[float]:
    """Return three to six marks, from 0 to the first one that is not below `highest`."""
    step = 1.0
    while True:
        for factor in (1.0, 2.0, 5.0):
            if highest <= step * factor * 5:
                count = max(2, -int(-highest // (step * factor)))
                return [step * factor * mark for mark in range(count + 1)]
        step *= 10.0


def time_ticks(start: datetime, duration_s: int) -> Iterator[tuple[datetime, str]]:
    """Yield round moments from `start` on, in UTC, with their labels: a date at midnight, else the time."""
    step_s = next((step for step in _STEPS_S if duration_s / step <= _MOST_MARKS), _STEPS_S[-1])
    origin = _MONDAY if step_s >= 7 * _DAY_S else _EPOCH
    passed_s = (start - origin).total_seconds()
    moment = origin + timedelta(seconds=-(-passed_s // step_s) * step_s)
    while moment <= start + timedelta(seconds=duration_s):
        yield moment, _name(moment, step_s)
        moment += timedelta(seconds=step_s)


def _name(moment: datetime, step_s: int) -> str:
    if (moment - _EPOCH).total_seconds() % _DAY_S == 0:
        return f"{moment.day} {moment:%b}"
    return f"{moment:%H:%M:%S}" if step_s < 60 else f"{moment:%H:%M}"
