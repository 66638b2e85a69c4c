"""The use cases of security events and alarms: list them, and acknowledge an alarm."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.audit.records import NewAuditEntry
from app.audit.store import AuditStore
from app.clock import Clock
from app.database.database import Database
from app.database.prepared import Row
from app.database.unit_of_work import TenantReads
from app.errors import Conflict, NotFound
from app.security.records import (
    AlarmCounts,
    SecurityAlarmFilter,
    SecurityAlarmRecord,
    SecurityEventFilter,
)
from app.security.store import SecurityAlarmStore, SecurityReads
from app.types import TenantId

ALARMS_PATH = "/v1/security-alarms"


@dataclass(frozen=True, slots=True)
class SecurityEventService:
    """The use cases of security events and alarms."""

    database: Database
    clock: Clock

    async def events(
        self, tenant_id: TenantId, limit: int, after: int | None, filters: SecurityEventFilter
    ) -> Sequence[Row]:
        """Return events, the newest first. after: id of the last one seen."""
        return await self._reads(tenant_id).events(limit, after, filters)

    async def event(self, tenant_id: TenantId, event_id: int) -> Row:
        """Return one event.

        Raises:
            NotFound: the tenant has none of this number.
        """
        row = await self._reads(tenant_id).event(event_id)
        if row is None:
            raise NotFound("There is no such security event.", "event_id")
        return row

    async def alarms(
        self, tenant_id: TenantId, limit: int, after: int | None, filters: SecurityAlarmFilter
    ) -> tuple[Sequence[Row], AlarmCounts]:
        """Return alarms, the newest first, and how many wait. after: id of the last one seen."""
        reads = self._reads(tenant_id)
        return await reads.alarms(limit, after, filters), await reads.counts()

    async def alarm(self, tenant_id: TenantId, alarm_id: int) -> Row:
        """Return one alarm.

        Raises:
            NotFound: the tenant has none of this number.
        """
        row = await self._reads(tenant_id).alarm(alarm_id)
        if row is None:
            raise _no_alarm()
        return row

    async def acknowledge(
        self, tenant_id: TenantId, alarm_id: int, actor: str, reason: str
    ) -> SecurityAlarmRecord:
        """Acknowledge an alarm, which is audited. The next event of its kind raises another one.

        Raises:
            NotFound: the tenant has none of this number.
            Conflict: it was acknowledged before.
        """
        now = self.clock.now()
        async with self.database.tenant(tenant_id) as work:
            store = SecurityAlarmStore(work)
            known = await store.get(alarm_id, to_change=True)
            if known is None:
                raise _no_alarm()
            if known.acknowledged_at is not None:
                raise Conflict("The alarm was acknowledged before.")
            changed = await store.acknowledge(alarm_id, now, actor, reason)
            details = {"charge_point": known.identity, "type": known.type, "count": known.count}
            subject = f"{ALARMS_PATH}/{alarm_id}"
            await AuditStore(work).add(
                NewAuditEntry(tenant_id, now, actor, "acknowledge_security_alarm", subject, reason, details)
            )
        return changed

    def _reads(self, tenant_id: TenantId) -> SecurityReads:
        return SecurityReads(TenantReads(self.database.reads, tenant_id))


def _no_alarm() -> NotFound:
    return NotFound("There is no such security alarm.", "alarm_id")
