"""Fixtures of the API tests."""

from collections.abc import AsyncIterator

import pytest

from app.commands.records import CommandRecord
from app.settings import Settings
from app.storage import Storage
from app.tenants.records import TenantRecord
from app.types import ChargePointId
from tests.support.api import Api, open_api
from tests.support.scripted_commands import ScriptedCommands


@pytest.fixture
def scripted(storage: Storage) -> ScriptedCommands:
    """Return commands whose answers a test sets."""
    return ScriptedCommands(storage.database)


@pytest.fixture
async def api(
    storage: Storage, redis_url: str, settings: Settings, scripted: ScriptedCommands
) -> AsyncIterator[Api]:
    """Open the API on the real database and Redis, with scripted commands."""
    generous = settings.model_copy(update={"login_failures_per_minute": 1000})
    async with open_api(storage, redis_url, generous, scripted) as opened:
        yield opened


@pytest.fixture
async def operator(api: Api) -> TenantRecord:
    """Create a tenant for the test."""
    return await api.tenant()


@pytest.fixture
async def token(api: Api, operator: TenantRecord) -> str:
    """Create a key of that tenant with all scopes."""
    return await api.key(operator)


@pytest.fixture
async def platform_token(api: Api) -> str:
    """Create a key of the platform."""
    return await api.key(None, "admin")


@pytest.fixture
async def charge_point(api: Api, operator: TenantRecord) -> ChargePointId:
    """Create RDAM-1, a charge point of that tenant."""
    return await api.charge_point(operator)


@pytest.fixture
async def queued(
    api: Api, operator: TenantRecord, charge_point: ChargePointId, scripted: ScriptedCommands
) -> CommandRecord:
    """Set the answer of all commands to a new one, and return it."""
    scripted.outcome = await api.command(operator, charge_point)
    return scripted.outcome
