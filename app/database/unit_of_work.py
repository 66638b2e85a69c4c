"""One transaction and the repositories that share it: of one tenant, or of the platform."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.charge_points.connector_store import Connectors
from app.charge_points.store import ChargePoints
from app.commands.store.commands import Commands
from app.commands.store.reaper import CommandsReaper
from app.commands.store.steps import CommandSteps
from app.configuration.store import Configuration
from app.database.prepared import Row
from app.database.statements import Statement
from app.frame_log.store import Frames
from app.id_tags.store import IdTags
from app.smart_charging.profile_command_store import ProfileCommands
from app.smart_charging.store import ChargingProfiles, Installations, InstallationsDue
from app.tenants.api_key_store import ApiKeys, PlatformApiKeys
from app.tenants.store import Tenants
from app.transactions.store import MeterValues, Orphans, Transactions
from app.types import TenantId


class TenantWork:
    """Everything one tenant owns, inside one transaction. Made by `Database.tenant`."""

    def __init__(self, connection: AsyncConnection, tenant_id: TenantId, connector_limit: int) -> None:
        self.connection = connection
        self.tenant_id = tenant_id
        self._connector_limit = connector_limit

    @cached_property
    def charge_points(self) -> ChargePoints:
        """The tenant's charge points."""
        return ChargePoints(self.connection, self.tenant_id)

    @cached_property
    def connectors(self) -> Connectors:
        """The connectors of its charge points."""
        return Connectors(self.connection, self.tenant_id, self._connector_limit)

    @cached_property
    def id_tags(self) -> IdTags:
        """The tenant's id tags."""
        return IdTags(self.connection, self.tenant_id)

    @cached_property
    def transactions(self) -> Transactions:
        """The tenant's transactions, to read."""
        return Transactions(self.connection, self.tenant_id)

    @cached_property
    def meter_values(self) -> MeterValues:
        """The tenant's meter values, to read."""
        return MeterValues(self.connection, self.tenant_id)

    @cached_property
    def orphans(self) -> Orphans:
        """Billing messages that fit no transaction, to read."""
        return Orphans(self.connection, self.tenant_id)

    @cached_property
    def commands(self) -> Commands:
        """The tenant's commands, to read."""
        return Commands(self.connection, self.tenant_id)

    @cached_property
    def command_steps(self) -> CommandSteps:
        """What happens to its commands, where other rows change with it."""
        return CommandSteps(self._rows, self.tenant_id)

    @cached_property
    def charging_profiles(self) -> ChargingProfiles:
        """The tenant's stored charging profiles."""
        return ChargingProfiles(self.connection, self.tenant_id)

    @cached_property
    def installations(self) -> Installations:
        """Where these should be installed."""
        return Installations(self.connection, self.tenant_id)

    @cached_property
    def profile_commands(self) -> ProfileCommands:
        """The commands that tell which charging profiles are on a charge point."""
        return ProfileCommands(self.connection, self.tenant_id)

    @cached_property
    def configuration(self) -> Configuration:
        """What its charge points said of their configuration."""
        return Configuration(self.connection, self.tenant_id)

    @cached_property
    def frames(self) -> Frames:
        """The frame log, to read."""
        return Frames(self.connection, self.tenant_id)

    @cached_property
    def api_keys(self) -> ApiKeys:
        """The tenant's API keys."""
        return ApiKeys(self.connection, self.tenant_id)

    async def _rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        return (await self.connection.execute(statement.clause, dict(values))).mappings().all()


class PlatformWork:
    """What stands above the tenants, inside one transaction. Made by `Database.platform`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection

    @cached_property
    def tenants(self) -> Tenants:
        """All tenants."""
        return Tenants(self.connection)

    @cached_property
    def api_keys(self) -> PlatformApiKeys:
        """All API keys."""
        return PlatformApiKeys(self.connection)

    @cached_property
    def commands_reaper(self) -> CommandsReaper:
        """Clean-up of commands."""
        return CommandsReaper(self.connection)

    @cached_property
    def installations_due(self) -> InstallationsDue:
        """Installed charging profiles that must be looked at."""
        return InstallationsDue(self.connection)
