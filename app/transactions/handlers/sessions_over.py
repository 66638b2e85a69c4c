"""Transactions are over although no stop has come: the charge point booted, or its connector is Available."""

from functools import partial
from typing import Literal

from app.clock import Clock
from app.connection import Connection
from app.transactions.external_starts import ExternalStarts
from app.transactions.ledger import Ledger
from app.transactions.records import SessionsOver


async def note_sessions_over(
    ledger: Ledger,
    starts: ExternalStarts,
    clock: Clock,
    connection: Connection,
    connector_id: int | None,
    reason: Literal["boot", "available"],
) -> None:
    """Mark the open transactions of a connector, or of the charge point (None), as presumed ended.

    Raises:
        StoreUnavailable: not committed in time.
    """
    over = SessionsOver(
        connection.tenant_id,
        connection.charge_point_id,
        connector_id,
        reason,
        clock.now(),
        connection.habits,
    )
    await starts.in_order(connection, partial(ledger.sessions_over, over))
