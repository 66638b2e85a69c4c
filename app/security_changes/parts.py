"""The parts of security changes of one worker."""

from app.capability import Capability
from app.clock import Clock
from app.commands.service import CommandService
from app.database.database import Database
from app.live.presence import Presence
from app.security.log import SecurityLog
from app.security_changes.service import HasCertificate, SecurityChangeService
from app.security_changes.sweeper import SecurityChangeSweeper


def security_changes(
    database: Database,
    commands: CommandService,
    presence: Presence,
    log: SecurityLog,
    clock: Clock,
    has_certificate: HasCertificate,
) -> Capability:
    """Return the capability. has_certificate: tells whether a charge point can log in by a certificate."""
    service = SecurityChangeService(database, commands, clock, log, has_certificate)
    sweeper = SecurityChangeSweeper(database, presence, service, log, clock)
    return Capability(services=(service, sweeper), tasks=(sweeper,))
