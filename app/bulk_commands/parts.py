"""The parts that bulks of commands add to a worker."""

from app.bulk_commands.runner import BulkRunner
from app.bulk_commands.service import BulkCommandService
from app.capability import Capability
from app.clock import Clock
from app.commands.service import CommandService
from app.database.database import Database
from app.ocpp import Protocol
from app.settings import Settings


def bulk_commands(
    database: Database, commands: CommandService, protocol: Protocol, clock: Clock, settings: Settings
) -> Capability:
    """Return the service of bulks and the sweep that sends their commands."""
    service = BulkCommandService(database, commands, protocol, clock, settings)
    return Capability(services=(service,), tasks=(BulkRunner(service),))
