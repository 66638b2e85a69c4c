"""A security event with its alarm, and a change of a key, as the application stores them."""

import uuid
from datetime import datetime

from app.database.unit_of_work import TenantWork
from app.security.records import SecurityAlarmFilter, SecurityEventFilter
from app.security.rules import reported_event
from app.security.store import SecurityReads, add_events
from app.security_changes.records import SecurityChangeRecord
from app.security_changes.store import RotationPolicyStore, SecurityChangeStore
from app.storage import Storage
from app.types import TenantId


async def store_alarm(storage: Storage, tenant_id: TenantId, identity: str, at: datetime) -> tuple[int, int]:
    """Store a critical security event. Return its id, and that of the alarm that it raises."""
    event_type = "TamperDetectionActivated"
    event = reported_event(
        tenant_id,
        1,
        identity,
        1,
        event_type,
        "2026-05-04T08:15:30Z",
        None,
        critical={event_type},
        received_at=at,
    )
    await add_events(storage.message_steps.rows, [event])
    async with storage.database.tenant(tenant_id) as work:
        reads = SecurityReads(work)
        (stored,) = await reads.events(1, None, SecurityEventFilter())
        (alarm,) = await reads.alarms(1, None, SecurityAlarmFilter())
    return stored["id"], alarm["id"]


async def store_security_change(work: TenantWork, charge_point_id: int, at: datetime) -> uuid.UUID:
    """Store a replacement of a key that was refused, and a policy. Return the id of the change."""
    change_id = uuid.uuid4()
    change = SecurityChangeRecord(
        id=change_id,
        tenant_id=work.tenant_id,
        charge_point_id=charge_point_id,
        identity="RDAM-1",
        kind="credential",
        from_profile=None,
        to_profile=None,
        state="requested",
        detail=None,
        command_id=None,
        requested_by="key:test",
        requested_at=at,
        answered_at=None,
        ended_at=None,
    )
    store = SecurityChangeStore(work)
    await store.add(change, at)
    await store.advance(change_id, "rejected", "Rejected", at)
    await RotationPolicyStore(work).put(90, at, "key:test")
    return change_id
