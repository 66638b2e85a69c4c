"""The parts of local authorization lists of one worker."""

from app.capability import Capability
from app.clock import Clock
from app.commands.service import CommandService
from app.database.database import Database
from app.live.presence import Presence
from app.local_lists.service import LocalListService
from app.local_lists.synchronizer import ListSynchronizer
from app.settings import Settings


def local_list_parts(
    database: Database, commands: CommandService, presence: Presence, clock: Clock, settings: Settings
) -> Capability:
    """Return the service of lists, and what keeps them in step."""
    synchronizer = ListSynchronizer(database, commands, presence, clock, settings)
    return Capability(
        services=(LocalListService(database, clock, settings), synchronizer),
        tasks=(synchronizer,),
        logged_in=synchronizer.logged_in,
    )
