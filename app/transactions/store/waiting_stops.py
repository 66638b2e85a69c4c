"""A start that comes after its own stop: a charge point that never got a transactionId stops with -1 or 0."""

from collections.abc import Mapping
from datetime import datetime

import asyncpg
import orjson

from app.database.text import clean_text
from app.id_tags.rules import fold_id_tag
from app.transactions.records import TransactionStart
from app.transactions.store import statements as sql
from app.transactions.store.meter_values import Connection
from app.transactions.store.stops import Closing, Ending, Stoppable, close_transactions
from app.types import Json

STOP_CAME_FIRST = "stop_came_first"
"""Flag: the stop arrived before the start, without a valid transactionId, and was joined to it."""


async def join_waiting_stops(connection: Connection, started: Mapping[int, TransactionStart]) -> None:
    """Close those of the new transactions whose stop is here already. started: by transactionId."""
    charge_points = list({start.charge_point_id for start in started.values()})
    if not charge_points:
        return
    waiting = await connection.fetch(sql.FIND_WAITING_STOPS, charge_points)
    closings: list[Closing] = []
    joined: list[tuple[int, int, int, datetime]] = []
    for transaction_id, start in started.items():
        for row in waiting:
            payload = orjson.loads(row["payload"])
            if _fits(row, payload, start):
                closings.append(_closing(transaction_id, start, row, payload))
                joined.append((row["id"], transaction_id, row["charge_point_id"], row["received_at"]))
                waiting.remove(row)
                break
    if not closings:
        return
    await close_transactions(connection, closings)
    orphans, transactions, places, times = zip(*joined, strict=True)
    await connection.execute(sql.JOIN_ORPHANS, orphans, transactions)
    await connection.execute(sql.JOIN_METER_VALUES, places, times, transactions)


def _fits(row: asyncpg.Record, payload: Json, start: TransactionStart) -> bool:
    """Say whether a waiting stop can be this start's: same place, later, more on the register, same tag."""
    if (row["tenant_id"], row["charge_point_id"]) != (start.tenant_id, start.charge_point_id):
        return False
    if payload["transactionId"] > 0 or row["stopped_at"] < start.started_at:
        return False
    if payload["meterStop"] < start.meter_start_wh:
        return False
    tag = payload.get("idTag")
    return tag is None or fold_id_tag(tag) == fold_id_tag(clean_text(start.id_tag))


def _closing(transaction_id: int, start: TransactionStart, row: asyncpg.Record, payload: Json) -> Closing:
    transaction = Stoppable(
        transaction_id,
        start.tenant_id,
        start.charge_point_id,
        start.connector_id,
        start.started_at,
        start.meter_start_wh,
        None,
        None,
    )
    ending = Ending(
        row["stopped_at"],
        payload["meterStop"],
        payload.get("reason", "Local"),
        payload.get("idTag"),
        tuple(payload.get("flags", ())),
    )
    flags = (*transaction.flags_of(ending), STOP_CAME_FIRST)
    # The stop was answered without idTagInfo when it came, and a repetition must be answered the same.
    return Closing(transaction, ending, row["received_at"], None, payload, flags)
