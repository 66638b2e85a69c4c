"""Writes the file of one tenant and one partition, and reads it back."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from app.database.prepared import Connection, Prepared
from app.database.unit_of_work import TenantReads
from app.exports.destinations import ExportDestination
from app.exports.errors import ExportError
from app.exports.parquet import digest_of, read_rows, write_rows
from app.exports.records import EndedPartition, ExportedFile, ExportRow, RowsDigest, WrittenFile
from app.exports.rules import is_ours, path_of
from app.exports.store import ExportReader, note_file, note_writing
from app.transactions.store.reading import TransactionStore
from app.transactions.store.spans import MeterValueSpan
from app.transactions.stored_records import MeterValueFilter
from app.types import TenantId

_PAGE_ROWS: Final = 5_000


@dataclass(frozen=True, slots=True)
class TenantFiles:
    """Makes the files of one partition.

    Attributes:
        connection: Writes what was exported.
        reads: Read the database, each statement by itself: a long transaction would keep it from cleaning up.
        destination: Of the files.
        partition: Whose changes are noted already.
    """

    connection: Connection
    reads: Prepared
    destination: ExportDestination
    partition: EndedPartition

    async def tenants(self) -> list[TenantId]:
        """Return the tenants that have meter values in the partition."""
        return await self._span.tenants()

    async def make(self, tenant_id: TenantId, now: datetime) -> ExportedFile:
        """Write the file of a tenant, read it back, compare it with the database, and note it.

        Raises:
            ExportError: the destination fails, or has something else than what this database has written.
        """
        path = path_of(tenant_id, self.partition.name)
        with _scratch() as source:
            written = await asyncio.to_thread(write_rows, source, _pulled(self._pages(tenant_id)))
            sha256, size_bytes = await asyncio.to_thread(_sha256_of, source), source.stat().st_size
            await self._claim(tenant_id, path, sha256)
            await self.destination.put(path, source)
        with _scratch() as copy:
            is_there = await self.destination.fetch(path, copy)
            if not is_there or not await asyncio.to_thread(_is_content, copy, sha256, written):
                raise ExportError(f"{path} in {self.destination.name} is not what was written")
        await self._compare(tenant_id, written.rows)
        name = self.destination.name
        file = ExportedFile(tenant_id, self.partition.name, name, path, written.rows, size_bytes, sha256, now)
        await note_file(self.connection, file)
        return file

    @property
    def _span(self) -> MeterValueSpan:
        return MeterValueSpan(self.reads, self.partition.since, self.partition.until)

    async def _claim(self, tenant_id: TenantId, path: str, sha256: str) -> None:
        """Make sure that no file of others is replaced, and note what will be written."""
        with _scratch() as copy:
            is_there = await self.destination.fetch(path, copy)
            found = await asyncio.to_thread(_sha256_of, copy) if is_there else None
        name, partition = self.destination.name, self.partition.name
        if found not in (None, sha256):
            written = await ExportReader(self.reads).written(tenant_id, partition)
            if not is_ours(found, name, path, written):
                raise ExportError(
                    f"{path} in {name} is not as this database has written it, and may be the only copy of "
                    "something: move it away, or export to another place"
                )
        await note_writing(self.connection, tenant_id, partition, WrittenFile(name, path, found, sha256))

    async def _compare(self, tenant_id: TenantId, written: int) -> None:
        span = self._span
        counts = [await span.count(tenant_id, one) for one in await span.charge_points(tenant_id)]
        # Rows that came meanwhile are noted as a change, and are exported by the next run.
        if sum(counts) != written and tenant_id not in await ExportReader(self.reads).changed(
            self.partition.name
        ):
            raise ExportError(
                f"{self.partition.name} has {sum(counts)} meter values of tenant {tenant_id}, "
                f"and {written} were exported"
            )

    async def _pages(self, tenant_id: TenantId) -> AsyncIterator[list[ExportRow]]:
        """Yield the rows of a tenant, one charge point after the other, in the order of their time."""
        reader, charge_points = ExportReader(self.reads), await self._span.charge_points(tenant_id)
        slug = await reader.slug(tenant_id)
        identities = await reader.identities(tenant_id, charge_points)
        stored = TransactionStore(TenantReads(self.reads, tenant_id))
        filters = MeterValueFilter(from_at=self.partition.since, to_at=self.partition.until)
        for number in charge_points:
            after: tuple[datetime, int] | None = None
            while rows := await stored.meter_values_of_charge_point(number, _PAGE_ROWS, after, filters):
                yield [
                    ExportRow(
                        tenant=slug,
                        # Of a charge point that was deleted only its number is known.
                        charge_point=identities.get(number, ""),
                        charge_point_id=number,
                        connector_id=row.connector_id,
                        transaction_id=row.transaction_id,
                        sampled_at=row.sampled_at,
                        received_at=row.received_at,
                        context=row.context,
                        sampled_values=row.sampled_values_json,
                        reported_time=row.reported_time,
                        digest=row.digest,
                    )
                    for row in rows
                ]
                after = (rows[-1].sampled_at, rows[-1].digest)


async def fault_of(destination: ExportDestination, file: ExportedFile) -> str | None:
    """Read a file back, and return the words for what is wrong with it; None: nothing.

    Raises:
        ExportError: the destination does not answer.
    """
    with _scratch() as copy:
        if not await destination.fetch(file.path, copy):
            return "missing; the next run exports it again"
        if await asyncio.to_thread(_sha256_of, copy) == file.sha256:
            return None
        return "not as it was written: move it away, and the next run exports it again"


@contextmanager
def _scratch() -> Iterator[Path]:
    """Yield the path of a file that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="stationmaster-export-") as folder:
        yield Path(folder) / "part.parquet"


def _pulled(pages: AsyncIterator[list[ExportRow]]) -> Iterator[Sequence[ExportRow]]:
    """Return an iterator for another thread, whose steps run on the event loop of the caller."""
    loop = asyncio.get_running_loop()

    async def next_page() -> list[ExportRow] | None:
        return await anext(pages, None)

    def iterate() -> Iterator[Sequence[ExportRow]]:
        while (page := asyncio.run_coroutine_threadsafe(next_page(), loop).result()) is not None:
            yield page

    return iterate()


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_content(path: Path, sha256: str, written: RowsDigest) -> bool:
    # The bytes first: the library panics if a file is not whole.
    return _sha256_of(path) == sha256 and digest_of(read_rows(path)) == written
