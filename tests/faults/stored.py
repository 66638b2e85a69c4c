"""Reads what the database holds of charge points, as records that the judge compares."""

import json
from collections import defaultdict
from datetime import datetime

import asyncpg

from app.clock import utc_text
from app.database.database import Database
from app.tenants.records import TenantRecord
from app.transactions.store.reading import TransactionStore
from app.types import TenantId
from tests.faults.judge import Record

_ALL = 10_000_000


async def stored_records(url: str, tenant: TenantRecord) -> dict[str, list[Record]]:
    """Return all records of a tenant by the identity of the charge point.

    An orphan record is one, too. The charge points send nothing that fits nothing, so the judge finds it.
    """
    found: dict[str, list[Record]] = defaultdict(list)
    connection = await asyncpg.connect(url)
    try:
        points = await connection.fetch(
            "select id, identity from charge_points where tenant_id = $1", tenant.id
        )
        identities = {row["id"]: row["identity"] for row in points}
        for row in await connection.fetch("select * from transactions where tenant_id = $1", tenant.id):
            found[identities[row["charge_point_id"]]] += _records_of(row)
        for row in await connection.fetch("select * from orphan_records where tenant_id = $1", tenant.id):
            orphan = Record(f"{row['action']}, {row['kind']}", str(row["id"]), json.loads(row["payload"]))
            found[identities[row["charge_point_id"]]].append(orphan)
    finally:
        await connection.close()
    await _add_samples(url, tenant, identities, found)
    return found


def _records_of(row: asyncpg.Record) -> list[Record]:
    """Return the start of a transaction, and its stop if it has one."""
    start = {
        "transactionId": row["id"],
        "connectorId": row["connector_id"],
        "idTag": row["id_tag"],
        "meterStart": row["meter_start_wh"],
    }
    records = [Record("StartTransaction", _text(row["started_at"]), start)]
    if row["stopped_at"] is not None:
        stop = {
            "transactionId": row["id"],
            "meterStop": row["meter_stop_wh"],
            "reason": row["stop_reason"],
        }
        records.append(Record("StopTransaction", _text(row["stopped_at"]), stop))
    return records


async def _add_samples(
    url: str, tenant: TenantRecord, identities: dict[int, str], found: dict[str, list[Record]]
) -> None:
    """Add the meter values. The store reads them, because it knows in which form they are kept."""
    database = await Database.open(url)
    try:
        async with database.tenant(TenantId(tenant.id)) as work:
            for charge_point_id, identity in identities.items():
                for row in await TransactionStore(work).meter_values_of_charge_point(charge_point_id, _ALL):
                    content = {
                        "connectorId": row.connector_id,
                        "transactionId": row.transaction_id,
                        "samples": json.loads(row.sampled_values_json),
                    }
                    found[identity].append(Record("MeterValues", _text(row.sampled_at), content))
    finally:
        await database.close()


def _text(moment: datetime) -> str:
    """Return a time as the charge points write it, unless a fraction of a second came in."""
    return utc_text(moment).replace(".000Z", "Z")
