"""The parts of reservations of one worker."""

from app.capability import Capability
from app.clock import Clock
from app.commands.service import CommandService
from app.database.database import Database
from app.id_tags.service import Authorizer
from app.reservations.service import ReservationService
from app.reservations.sweeper import ReservationSweeper
from app.settings import Settings


def reservation_parts(
    database: Database, commands: CommandService, authorizer: Authorizer, clock: Clock, settings: Settings
) -> Capability:
    """Return the service of reservations, and what ends them. authorizer: judges the tags."""
    sweeper = ReservationSweeper(database, clock, settings)
    service = ReservationService(database, commands, authorizer, clock, settings)
    return Capability(services=(service, sweeper), tasks=(sweeper,))
