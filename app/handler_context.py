"""What every handler may use."""

from dataclasses import dataclass
from datetime import datetime

from app.charge_points.connection_batcher import ConnectionBatcher
from app.clock import Clock, parse_time
from app.database.database import Database
from app.settings import Settings
from app.transactions.ledger import Ledger
from app.transactions.records import TIME_UNREADABLE


@dataclass(frozen=True, slots=True)
class HandlerContext:
    """The collaborators of all handlers of a worker."""

    database: Database
    ledger: Ledger
    connection_batcher: ConnectionBatcher
    clock: Clock
    settings: Settings


def reported_time(text: object, received_at: datetime) -> tuple[datetime, tuple[str, ...]]:
    """Read a time the charge point reported; the time of arrival with a flag when it cannot be read.

    A billing record is never refused for its time (OCPP 1.6 4.8, 4.10).
    """
    moment = parse_time(text) if isinstance(text, str) else None
    return (received_at, (TIME_UNREADABLE,)) if moment is None else (moment, ())
