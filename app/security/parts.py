"""The parts of security events of one worker."""

from functools import partial

from app.capability import Capability
from app.clock import Clock
from app.database.database import Database
from app.database.prepared import Prepared
from app.ocpp import Protocol, critical_security_events
from app.security.event_batcher import EventBatcher
from app.security.handlers import SecurityEventServices, handle
from app.security.keeper import SecurityEventKeeper
from app.security.log import SecurityLog
from app.security.service import SecurityEventService
from app.settings import Settings


def security_events(
    database: Database,
    steps: Prepared,
    log: SecurityLog,
    protocol: Protocol,
    clock: Clock,
    settings: Settings,
) -> Capability:
    """Return the capability.

    steps: connections for messages of charge points, each commit is fsynced; log: of this worker.
    """
    keeper = SecurityEventKeeper(database, clock, settings.security_event_retention_days)
    critical = critical_security_events(protocol)
    services = SecurityEventServices(EventBatcher(steps), critical, clock, keeper.added)
    return Capability(
        services=(SecurityEventService(database, clock), log),
        handlers={"SecurityEventNotification": partial(handle, services)},
        tasks=(log, keeper),
    )
