"""Issues one command to many charge points.

A bulk records all its commands at once, as commands that wait; a sweep sends them, a bounded number at a
time. So it goes on after a restart, and it is cancelled by cancelling what still waits.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from app.bulk_commands.records import Bulk, BulkRecord, BulkRequest
from app.bulk_commands.rules import (
    bulk_digest,
    in_body,
    require_distinct,
    require_found,
    require_known,
)
from app.bulk_commands.store import BulkStore
from app.charge_points.store import ChargePointStore
from app.clock import Clock
from app.commands.records import NewWaitingCommand, WaitingTarget
from app.commands.rules import judge_request
from app.commands.service import CommandService
from app.commands.store.waiting import WaitingStore, add_waiting
from app.database.database import Database
from app.database.unit_of_work import TenantWork
from app.errors import Conflict, InvalidInput, NotFound, TooManyRequests, Unavailable
from app.metrics import COMMANDS_FINISHED, COMMANDS_ISSUED, LIMITS_HIT
from app.ocpp import Protocol
from app.settings import Settings
from app.types import TenantId

_CHUNK: Final = 1000
"""Commands that one statement records."""
_AT_ONCE: Final = 8
"""Commands that were taken and are cancelled at the same time."""


@dataclass(frozen=True, slots=True)
class BulkCommandService:
    """The bulks of tenants."""

    database: Database
    commands: CommandService
    protocol: Protocol
    clock: Clock
    settings: Settings

    async def issue(self, tenant_id: TenantId, request: BulkRequest) -> Bulk:
        """Record a bulk with all its commands, or nothing of it.

        An idempotency key that was used for the same request returns that bulk, as it is now.

        Raises:
            NotFound: the central system sends no such action.
            InvalidInput: a charge point is unknown, or the command breaks a rule. Pointers lead into the
                body.
            Conflict: the idempotency key was used for another request, or a guard refuses the command.
            TooManyRequests: too many commands wait for one of the charge points.
        """
        try:
            judged = judge_request(request.command, self.protocol, self.settings)
        except InvalidInput as refusal:
            raise in_body(refusal) from None
        digest, bulk_id, now = bulk_digest(judged.digest, request), uuid4(), self.clock.now()
        try:
            new = self.commands.waiting.prepared(tenant_id, judged, bulk_id)
        except InvalidInput as refusal:
            async with self.database.tenant(tenant_id) as work:
                known = await BulkStore(work).under_key(request.command.idempotency_key)
            # Its times may have been right when it came first.
            if known is not None and known.request_digest == digest:
                return await self.get(tenant_id, known.id)
            raise in_body(refusal) from None
        # The key belongs to the bulk.
        new = replace(new, idempotency_key=None)
        async with self.database.tenant(tenant_id) as work:
            known = await BulkStore(work).under_key(request.command.idempotency_key)
            if known is None:
                identities = await self._identities(work, request)
                await self.commands.guards.check(tenant_id, new.action, new.payload, identities)
                record = _record(tenant_id, bulk_id, new, request, digest, len(identities), now)
                if await BulkStore(work).add(record):
                    await self._record_commands(work, new, identities)
                    COMMANDS_ISSUED.labels(new.action).inc(len(identities))
                    return Bulk(record, {"waiting": len(identities)})
        if known is None:
            # Another request with the same key was faster.
            async with self.database.tenant(tenant_id) as work:
                known = await BulkStore(work).under_key(request.command.idempotency_key)
        if known is None or known.request_digest != digest:
            raise Conflict("The idempotency key was used for another request.", "Idempotency-Key")
        return await self.get(tenant_id, known.id)

    async def get(self, tenant_id: TenantId, bulk_id: UUID) -> Bulk:
        """Return a bulk with its progress.

        Raises:
            NotFound: no such bulk.
        """
        async with self.database.tenant(tenant_id) as work:
            record = await BulkStore(work).get(bulk_id)
            if record is None:
                raise NotFound("There is no such bulk of commands.", "bulk_id")
            return Bulk(record, await WaitingStore(work).counts_of_bulk(bulk_id))

    async def page(self, tenant_id: TenantId, limit: int, after: tuple[datetime, UUID] | None) -> list[Bulk]:
        """Return bulks with their progress, the newest first."""
        async with self.database.tenant(tenant_id) as work:
            records = await BulkStore(work).page(limit, after)
            counts = await WaitingStore(work).counts_of_bulks([one.id for one in records])
            return [Bulk(one, counts[one.id]) for one in records]

    async def cancel(self, tenant_id: TenantId, bulk_id: UUID) -> Bulk:
        """Cancel the commands of a bulk that were not sent yet. Those that were sent go on to their end.

        Raises:
            NotFound: no such bulk.
        """
        await self.get(tenant_id, bulk_id)
        now = self.clock.now()
        async with self.database.tenant(tenant_id) as work:
            await BulkStore(work).cancel(bulk_id, now)
            cancelled = await WaitingStore(work).cancel_bulk(bulk_id, now)
            queued = await WaitingStore(work).queued_of_bulk(bulk_id)
        COMMANDS_FINISHED.labels("cancelled").inc(len(cancelled))
        for start in range(0, len(queued), _AT_ONCE):
            chosen = queued[start : start + _AT_ONCE]
            await asyncio.gather(*(self._cancel_queued(tenant_id, one) for one in chosen))
        return await self.get(tenant_id, bulk_id)

    async def _cancel_queued(self, tenant_id: TenantId, command_id: UUID) -> None:
        try:
            await self.commands.cancel(tenant_id, command_id)
        except (Conflict, NotFound, Unavailable):
            # It was sent meanwhile, or its worker does not answer: its record says what became of it.
            return

    async def _identities(self, work: TenantWork, request: BulkRequest) -> Sequence[str]:
        limit = self.settings.command_bulk_limit
        try:
            if isinstance(request.targets, tuple):
                require_distinct(request.targets, limit)
                return request.targets
            is_any = not request.targets.is_impossible
            found = await ChargePointStore(work).page(limit + 1, None, request.targets) if is_any else []
            require_found(len(found), limit)
        except InvalidInput as refusal:
            if refusal.violations[0].code == "too_many":
                LIMITS_HIT.labels("command_bulk").inc()
            raise
        return [point.identity for point in found]

    async def _record_commands(
        self, work: TenantWork, new: NewWaitingCommand, identities: Sequence[str]
    ) -> None:
        line_limit, known = self.settings.command_waiting_limit, set[str]()
        for start in range(0, len(identities), _CHUNK):
            targets = [WaitingTarget(uuid4(), one) for one in identities[start : start + _CHUNK]]
            for place in await add_waiting(work.rows, work.tenant_id, new, targets, line_limit):
                known.add(place.identity)
                if place.is_line_full:
                    LIMITS_HIT.labels("command_waiting").inc()
                    text = f"{line_limit} commands wait for the charge point {place.identity!r} already."
                    raise TooManyRequests(text, 60)
        require_known(identities, known)


def _record(
    tenant_id: TenantId,
    bulk_id: UUID,
    new: NewWaitingCommand,
    request: BulkRequest,
    digest: bytes,
    total: int,
    now: datetime,
) -> BulkRecord:
    return BulkRecord(
        tenant_id=tenant_id,
        id=bulk_id,
        action=new.action,
        payload=new.payload,
        filter=request.filter_shown,
        total=total,
        created_at=now,
        deadline_at=new.deadline_at,
        not_before=new.not_before,
        when_offline=new.when_offline,
        timeout_s=new.timeout_s,
        issued_by=new.issued_by,
        cancelled_at=None,
        ended_at=None,
        check_at=new.check_at,
        idempotency_key=request.command.idempotency_key,
        request_digest=digest,
    )
