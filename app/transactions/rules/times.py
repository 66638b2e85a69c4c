"""When something happened: the charge point's time if it says something, otherwise that of the arrival."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from app.clock import PLAUSIBLE_FROM, parse_time
from app.transactions.records import TIME_IMPLAUSIBLE, TIME_MISSING, TIME_UNREADABLE

AHEAD: Final = timedelta(hours=1)
"""How far ahead of ours the clock of a charge point may be for its times to count."""


def reported_time(
    text: object, received_at: datetime, zone: tzinfo = UTC
) -> tuple[datetime, tuple[str, ...]]:
    """Return the time that a charge point reported, or that of its arrival with a flag if it says nothing.

    A billing record is never refused for its time (OCPP 1.6 4.8, 4.10). text: None if there was none;
    zone: of a time that names none.
    """
    if text is None or text == "":
        return received_at, (TIME_MISSING,)
    moment = parse_time(text, zone) if isinstance(text, str) else None
    if moment is None:
        return received_at, (TIME_UNREADABLE,)
    if is_plausible(moment, received_at):
        return moment, ()
    return received_at, (TIME_IMPLAUSIBLE,)


def is_plausible(moment: datetime, received_at: datetime) -> bool:
    """Tell whether a reported time says something: after 2015 and at most an hour ahead of its arrival."""
    return PLAUSIBLE_FROM <= moment <= received_at + AHEAD
