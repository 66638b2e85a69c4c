"""Billing messages that fit no transaction: kept as they came, once."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

from app.database.text import clean_text, json_text
from app.transactions.records import InvalidRecord, OrphanKind
from app.transactions.store.meter_values import Connection
from app.transactions.store.statements import INSERT_ORPHANS


@dataclass(frozen=True, slots=True)
class Orphan:
    """One row; the order of the fields is the order of the statement's columns."""

    tenant_id: int
    charge_point_id: int
    kind: OrphanKind
    action: str
    payload: str
    raw: str | None
    received_at: datetime
    stopped_at: datetime | None = None
    transaction_id: int | None = None


def invalid_orphan(record: InvalidRecord) -> Orphan:
    """Return the row of a billing message that was refused for its structure."""
    return Orphan(
        record.tenant_id,
        record.charge_point_id,
        "invalid",
        clean_text(record.action),
        json_text(record.payload),
        clean_text(record.raw),
        record.received_at,
    )


async def insert_orphans(connection: Connection, orphans: Sequence[Orphan]) -> None:
    """Insert rows; what is there already stays as it is."""
    if orphans:
        await connection.execute(INSERT_ORPHANS, *zip(*map(astuple, orphans), strict=True))
