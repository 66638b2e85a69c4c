"""Stores rows as the application does, for tests that begin in the middle."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import insert

from app.bulk_commands.records import BulkRecord
from app.bulk_commands.store import BulkStore
from app.clock import Clock
from app.commands import tables as command_tables
from app.commands.records import CommandRecord
from app.database.database import Database
from app.database.unit_of_work import TenantWork
from app.diagnostics.records import DiagnosticsJob
from app.diagnostics.store import DiagnosticsStore
from app.files.parts import Files
from app.files.records import StoredFile
from app.settings import Settings
from app.types import TenantId


async def put_bulk(work: TenantWork, at: datetime) -> uuid.UUID:
    """Store a bulk that has ended, and return its id."""
    bulk = BulkRecord(
        tenant_id=work.tenant_id,
        id=uuid.uuid4(),
        action="ClearCache",
        payload={},
        filter=None,
        total=1,
        created_at=at,
        deadline_at=at,
        not_before=None,
        when_offline="fail",
        timeout_s=30.0,
        issued_by="key:test",
        cancelled_at=None,
        ended_at=at,
        check_at=None,
        idempotency_key=None,
        request_digest=b"",
    )
    assert await BulkStore(work).add(bulk)
    return bulk.id


async def put_command(work: TenantWork, command: CommandRecord) -> CommandRecord:
    """Store a command in any state, and return it."""
    values = asdict(command)
    # Of the charge point.
    del values["identity"]
    await work.connection.execute(insert(command_tables.commands).values(values))
    return command


async def put_diagnostics_job(work: TenantWork, charge_point_id: int, at: datetime) -> uuid.UUID:
    """Store a job that has timed out, and return its id."""
    facts: dict[str, Any] = {name: None for name in DiagnosticsJob.__dataclass_fields__}
    facts |= {"id": uuid.uuid4(), "tenant_id": work.tenant_id, "charge_point_id": charge_point_id}
    facts |= {"kind": "diagnostics", "state": "timed_out", "requested_by": "key:test", "events": []}
    facts |= {"created_at": at, "deadline_at": at, "ended_at": at}
    await DiagnosticsStore(work).create(DiagnosticsJob(**facts))
    return uuid.UUID(str(facts["id"]))


async def put_file(database: Database, clock: Clock, settings: Settings, tenant_id: int) -> StoredFile:
    """Keep a file of a tenant."""

    async def content() -> AsyncIterator[bytes]:
        yield b"content"

    files = Files.make(database, clock, settings)
    stored = await files.service.add(TenantId(tenant_id), "a.bin", content(), "application/octet-stream")
    await files.threads.close()
    return stored
