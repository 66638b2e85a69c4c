"""The answer to SecurityEventNotification (security whitepaper A04): stored first, then confirmed.

A charge point keeps an event until it is confirmed (A04.FR.02). So one that comes before the registration is
Accepted may be refused like other messages (OCPP-J errata 3.8): it comes again.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from app.clock import Clock
from app.connection import Connection
from app.metrics import SECURITY_EVENTS
from app.ocpp import v16
from app.security.event_batcher import EventBatcher
from app.security.rules import reported_event


@dataclass(frozen=True, slots=True)
class SecurityEventServices:
    """The dependencies of this handler.

    critical: the types of events that raise an alarm; added: called with tenant and identity of a new event.
    """

    events: EventBatcher
    critical: Collection[str]
    clock: Clock
    added: Callable[[int, str], None]


async def handle(
    services: SecurityEventServices, connection: Connection, request: v16.SecurityEventNotificationRequest
) -> v16.SecurityEventNotificationResponse:
    """Store the event, whatever its type and its time. Copies get the same answer."""
    event = reported_event(
        connection.tenant_id,
        connection.charge_point_id,
        connection.identity,
        connection.epoch,
        request["type"],
        request["timestamp"],
        request.get("techInfo"),
        critical=services.critical,
        zone=connection.habits.time_zone,
        received_at=services.clock.now(),
    )
    if await services.events.record(event):
        services.added(connection.tenant_id, connection.identity)
        # Not the type: a charge point may invent any number of them.
        SECURITY_EVENTS.labels("charge_point", "critical" if event.critical else "other").inc()
    return {}
