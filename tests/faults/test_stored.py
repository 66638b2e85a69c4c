"""The database is read as the judge needs it: what is damaged in a table is found."""

import asyncpg
import pytest

from app.transactions.ledger import Ledger as ServerLedger
from tests.faults.judge import Kind, judge
from tests.faults.ledger import Ledger
from tests.faults.stored import stored_records
from tests.support.store import ChargePointRecords

_SAMPLE = {"value": "1100"}


async def _charged(records: ChargePointRecords, server: ServerLedger) -> Ledger:
    """Store a transaction, and return the ledger of a charge point that sent it."""
    started = await server.start_transaction(records.start())
    transaction_id = started.transaction_id
    await server.meter_values(records.readings(_SAMPLE["value"], transaction_id=transaction_id))
    await server.stop_transaction(records.stop(transaction_id, reason="Local"))
    ledger = Ledger(records.record.identity)
    values = [{"timestamp": "2026-03-01T12:01:00Z", "sampledValue": [_SAMPLE]}]
    for number, (action, payload, answer) in enumerate(
        [
            (
                "StartTransaction",
                {"connectorId": 1, "idTag": "TAG-1", "meterStart": 1000, "timestamp": "2026-03-01T12:00:00Z"},
                {"transactionId": transaction_id},
            ),
            ("MeterValues", {"connectorId": 1, "transactionId": transaction_id, "meterValue": values}, {}),
            (
                "StopTransaction",
                {
                    "transactionId": transaction_id,
                    "meterStop": 9000,
                    "reason": "Local",
                    "timestamp": "2026-03-01T13:00:00Z",
                },
                {},
            ),
        ]
    ):
        ledger.sending(ledger.begin(action, payload), str(number))
        ledger.received([3, str(number), answer])
    return ledger


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("", []),
        ("delete from meter_values where tenant_id = $1", [Kind.LOST]),
        ("update meter_values set transaction_id = transaction_id + 1 where tenant_id = $1", [Kind.CHANGED]),
        ("update transactions set meter_stop_wh = 9001 where tenant_id = $1", [Kind.CHANGED]),
        ("update transactions set meter_start_wh = 1 where tenant_id = $1", [Kind.CHANGED]),
        ("update transactions set stopped_at = null where tenant_id = $1", [Kind.LOST]),
        ("delete from transactions where tenant_id = $1", [Kind.LOST, Kind.LOST]),
        (
            """
            insert into transactions
            select (jsonb_populate_record(one, '{"id": 999, "start_number": 1}')).*
            from transactions as one where tenant_id = $1
            """,
            [Kind.DOUBLED, Kind.CHANGED, Kind.DOUBLED, Kind.CHANGED],
        ),
        (
            """
            insert into orphan_records
                (tenant_id, charge_point_id, kind, action, payload, received_at, digest)
            select tenant_id, id, 'stop_conflict', 'StopTransaction', '{}', now(), 1
            from charge_points where tenant_id = $1
            """,
            [Kind.INVENTED],
        ),
    ],
)
async def test_damage_in_the_database_is_found(
    records: ChargePointRecords, database_url: str, damage: str, found: list[Kind]
) -> None:
    ledger = await _charged(records, records.storage.ledger)
    if damage:
        connection = await asyncpg.connect(database_url)
        await connection.execute(damage, records.tenant.id)
        await connection.close()
    stored = await stored_records(database_url, records.tenant)
    verdict = judge(ledger, stored[records.record.identity])
    assert sorted(finding.kind for finding in verdict.findings) == sorted(found)
