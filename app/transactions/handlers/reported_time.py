"""The time that a charge point reports in a billing message."""

from datetime import datetime

from app.clock import parse_time
from app.transactions.records import TIME_UNREADABLE


def reported_time(text: object, received_at: datetime) -> tuple[datetime, tuple[str, ...]]:
    """Read a time that the charge point reported; the time of arrival with a flag if it cannot be read.

    A billing record is never refused for its time (OCPP 1.6 4.8, 4.10).
    """
    moment = parse_time(text) if isinstance(text, str) else None
    return (received_at, (TIME_UNREADABLE,)) if moment is None else (moment, ())
