"""Fixtures of the API tests."""

from collections.abc import AsyncIterator

import pytest

from app.commands.records import CommandRecord
from app.settings import Settings
from app.storage import Storage
from app.tenants.records import TenantRecord
from app.types import ChargePointId
from tests.support.api import Edge, open_edge
from tests.support.scripted_commands import ScriptedCommands


@pytest.fixture
def scripted(storage: Storage) -> ScriptedCommands:
    """Return commands whose answers a test sets."""
    return ScriptedCommands(storage.database)


@pytest.fixture
async def edge(
    storage: Storage, redis_url: str, settings: Settings, scripted: ScriptedCommands
) -> AsyncIterator[Edge]:
    """Open the API on the real database and Redis, with scripted commands."""
    generous = settings.model_copy(update={"login_failures_per_minute": 1000})
    async with open_edge(storage, redis_url, generous, scripted) as opened:
        yield opened


@pytest.fixture
async def operator(edge: Edge) -> TenantRecord:
    """Create a tenant for the test."""
    return await edge.tenant()


@pytest.fixture
async def token(edge: Edge, operator: TenantRecord) -> str:
    """Create a key of that tenant with all scopes."""
    return await edge.key(operator)


@pytest.fixture
async def platform_token(edge: Edge) -> str:
    """Create a key of the platform."""
    return await edge.key(None, "admin")


@pytest.fixture
async def charge_point(edge: Edge, operator: TenantRecord) -> ChargePointId:
    """Create RDAM-1, a charge point of that tenant."""
    return await edge.charge_point(operator)


@pytest.fixture
async def queued(
    edge: Edge, operator: TenantRecord, charge_point: ChargePointId, scripted: ScriptedCommands
) -> CommandRecord:
    """Set the answer of all commands to a new one, and return it."""
    scripted.outcome = await edge.command(operator, charge_point)
    return scripted.outcome
