"""One group commit: records of any kind in one transaction, answers in the order of the records."""

from collections.abc import Sequence
from datetime import timedelta

from app.ocpp import MeterBatch
from app.transactions.records import (
    InvalidRecord,
    MeterReadings,
    StopRecorded,
    TransactionStart,
    TransactionStarted,
    TransactionStop,
)
from app.transactions.store.meter_values import Connection, MeterWrites
from app.transactions.store.orphans import insert_orphans, invalid_orphan
from app.transactions.store.starts import write_starts
from app.transactions.store.stops import write_stops

LedgerRecord = TransactionStart | TransactionStop | MeterReadings | InvalidRecord
LedgerAnswer = TransactionStarted | StopRecorded | None


async def write_batch(
    connection: Connection,
    records: Sequence[LedgerRecord],
    remote_start_window: timedelta,
    queued: MeterBatch | None = None,
) -> list[LedgerAnswer]:
    """Commit a batch. Returns after the COMMIT; on an error nothing of it is stored.

    queued: MeterValues that never became records; whose answers they are is not looked at here.
    """
    meters = MeterWrites(queued, [record for record in records if type(record) is MeterReadings])
    others = [item for item in enumerate(records) if type(item[1]) is not MeterReadings]
    answers: list[LedgerAnswer] = [None] * len(records)
    if not others and meters.is_one_statement:
        await meters.write(connection)
        return answers
    async with connection.transaction():
        # Starts first: a stop or a sample in the same batch may belong to one of them.
        starts = [(position, item) for position, item in others if isinstance(item, TransactionStart)]
        if starts:
            positions, items = zip(*starts, strict=True)
            started = await write_starts(connection, items, remote_start_window)
            for position, answer in zip(positions, started, strict=True):
                answers[position] = answer
        stops = [(position, item) for position, item in others if isinstance(item, TransactionStop)]
        if stops:
            stop_positions, stop_items = zip(*stops, strict=True)
            stopped = await write_stops(connection, stop_items, meters)
            for position, outcome in zip(stop_positions, stopped, strict=True):
                answers[position] = outcome
        await meters.write(connection)
        await insert_orphans(
            connection, [invalid_orphan(item) for _, item in others if isinstance(item, InvalidRecord)]
        )
    return answers
