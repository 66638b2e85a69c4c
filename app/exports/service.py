"""Exports the meter values of ended months, and drops those whose time to be kept is over.

A month is dropped only if each of its tenants has a file that was read back, row by row after it was written
and as bytes before the drop, and if nothing has changed in it since its export began. A crash at any point
loses nothing: what was not noted as exported is exported again.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from app.clock import Clock
from app.database.connecting import connect
from app.database.database import Database
from app.database.partitions import METER_VALUES, alone, drop_partition, partitions_of
from app.database.prepared import Connection
from app.exports import store
from app.exports.destinations import ExportDestination
from app.exports.errors import ExportError
from app.exports.records import EndedPartition
from app.exports.rules import is_expired, partition_to_export, tenants_to_export
from app.exports.store import ExportReader
from app.exports.tenant_files import TenantFiles, fault_of
from app.logs import get_logger

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MeterValueExport:
    """An export of meter values to one destination.

    Attributes:
        database: With the newest schema.
        destination: Of the files.
        retention_days: Days after its end that a month is kept in the database; None: for ever.
        clock: Of this host.
        tell: Takes lines for the operator.
    """

    database: Database
    destination: ExportDestination
    retention_days: int | None
    clock: Clock
    tell: Callable[[str], None]

    async def run(self) -> None:
        """Export what has no file yet, then drop what is over its time.

        Raises:
            ExportError: another export runs, the destination fails, or a file cannot be read back.
        """
        async with _only_export(self.database.url) as connection:
            now = self.clock.now()
            ended = await self._ended(connection, now)
            told = [await self._export(connection, partition) for partition in ended]
            for partition in ended:
                if is_expired(partition, now, self.retention_days):
                    told.append(True)
                    self.tell(f"{partition.name} is {await self._drop(connection, partition)}")
        if not any(told):
            self.tell("There is nothing to do: all months that have ended are exported.")

    async def _ended(self, connection: Connection, now: datetime) -> list[EndedPartition]:
        found = await partitions_of(connection, METER_VALUES)
        ended = [partition_to_export(one.name, one.since, one.until, now) for one in found]
        return sorted((one for one in ended if one is not None), key=lambda one: one.until)

    async def _export(self, connection: Connection, partition: EndedPartition) -> bool:
        """Export the tenants of a partition that have no file yet, and return whether it was to be done."""
        reader, name = ExportReader(self.database.reads), partition.name
        if name in await reader.exported() and not await reader.changed(name):
            return False
        try:
            async with alone(connection):
                await store.begin_export(connection, name)
        except asyncpg.LockNotAvailableError:
            raise ExportError(f"{name} is locked by another transaction: try again later") from None
        files = TenantFiles(connection, self.database.reads, self.destination, partition)
        made = [
            await files.make(tenant_id, self.clock.now())
            for tenant_id in tenants_to_export(await files.tenants(), await reader.files(name))
        ]
        await store.end_export(connection, name, self.clock.now())
        rows, size = sum(file.rows for file in made), sum(file.size_bytes for file in made)
        _LOG.info("partition_exported", partition=name, files=len(made), rows=rows, size_bytes=size)
        self.tell(f"{name} is exported: {rows} meter values, {size} bytes, files: {len(made)}")
        return True

    async def _drop(self, connection: Connection, partition: EndedPartition) -> str:
        """Drop a partition if its files are there, and return the words for what has happened to it."""
        for file in await ExportReader(self.database.reads).files(partition.name):
            if file.destination != self.destination.name:
                return f"kept: {file.path} is in {file.destination}, so export to there"
            if fault := await fault_of(self.destination, file):
                async with connection.transaction():
                    await store.outdate_file(connection, file)
                return f"kept: {file.path} is {fault}"

        async def is_agreed() -> bool:
            return await store.note_dropped(connection, partition.name, self.clock.now())

        try:
            if await drop_partition(connection, METER_VALUES, partition.name, is_agreed):
                return "dropped: its files have its meter values"
        except asyncpg.LockNotAvailableError:
            return "kept: other transactions hold the lock of the table; the next run tries again"
        return "kept: it has changed since its export; the next run exports it again"


@asynccontextmanager
async def _only_export(url: str) -> AsyncIterator[Connection]:
    """Connect, and keep other exports out.

    The lock is that of a transaction on a connection of its own, as that of migrations.
    """
    guard = await connect(url, "export lock")
    try:
        async with guard.transaction():
            await guard.execute("set local idle_in_transaction_session_timeout = 0")
            if not await store.hold_alone(guard):
                raise ExportError("another export runs: wait for its end")
            connection = await connect(url, "export")
            try:
                yield connection
            finally:
                connection.terminate()
    finally:
        guard.terminate()
