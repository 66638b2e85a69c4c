"""The parts of firmware updates of one worker."""

from app.capability import Capability
from app.clock import Clock
from app.commands.service import CommandService
from app.database.database import Database
from app.firmware.handlers import firmware_handlers
from app.firmware.keeper import FirmwareKeeper, KeeperTimes
from app.firmware.links import DownloadLinks
from app.firmware.sender import FirmwareSender
from app.firmware.service.campaigns import FirmwareCampaignService
from app.firmware.service.updates import FirmwareUpdateService
from app.firmware.sources import SourcePreparer
from app.live.presence import Presence
from app.outgoing.signature import SecretCipher
from app.settings import Settings


def firmware_updates(
    database: Database,
    commands: CommandService,
    presence: Presence,
    links: DownloadLinks,
    clock: Clock,
    settings: Settings,
) -> Capability:
    """Return firmware updates as a capability. links: to stored files."""
    sources = SourcePreparer(links, SecretCipher(settings.credential_pepper), clock)
    sender = FirmwareSender(database, commands, presence, sources, clock)
    updates = FirmwareUpdateService(
        database, commands, sources, sender, clock, settings.firmware_job_timeout_s
    )
    times = KeeperTimes(settings.firmware_sweep_s, settings.firmware_boot_grace_s)
    keeper = FirmwareKeeper(database, sender, clock, times)
    return Capability(
        services=(updates, FirmwareCampaignService(database, sources, clock), keeper),
        handlers=firmware_handlers(database, clock),
        tasks=(keeper,),
    )
