"""The parts of configuration of one worker."""

from app.capability import Capability
from app.clock import Clock
from app.commands.service import CommandService
from app.configuration.reconciler import ConfigurationReconciler
from app.configuration.rules import key_types
from app.configuration.sealing import ValueSeal
from app.configuration.service import ConfigurationService
from app.database.database import Database
from app.live.presence import Presence
from app.ocpp import Protocol, description_of
from app.outgoing.signature import SecretCipher
from app.settings import Settings


def configuration_capability(
    database: Database,
    commands: CommandService,
    presence: Presence,
    protocol: Protocol,
    clock: Clock,
    settings: Settings,
) -> Capability:
    """Return what configuration adds to a worker: its use cases, and the reconciler if it is on."""
    types = key_types(description_of(protocol)["configurationKeys"])
    seal = ValueSeal(SecretCipher(settings.credential_pepper))
    service = ConfigurationService(database, clock, types, seal)
    if not settings.configuration_reviews:
        return Capability(services=(service,))
    reconciler = ConfigurationReconciler(database, commands, presence, types, seal, clock, settings)
    return Capability(services=(service, reconciler), tasks=(reconciler,), logged_in=reconciler.logged_in)
