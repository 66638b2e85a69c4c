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
    """Commands that answer as a test tells them."""
    return ScriptedCommands(storage.database)


@pytest.fixture
async def edge(
    storage: Storage, redis_url: str, settings: Settings, scripted: ScriptedCommands
) -> AsyncIterator[Edge]:
    """The API over the real store and Redis; commands are scripted."""
    generous = settings.model_copy(update={"login_failures_per_minute": 1000})
    async with open_edge(storage, redis_url, generous, scripted) as opened:
        yield opened


@pytest.fixture
async def operator(edge: Edge) -> TenantRecord:
    """A tenant of the test's own."""
    return await edge.tenant()


@pytest.fixture
async def token(edge: Edge, operator: TenantRecord) -> str:
    """A key of that tenant with every scope."""
    return await edge.key(operator)


@pytest.fixture
async def platform_token(edge: Edge) -> str:
    """A key of the platform."""
    return await edge.key(None, "admin")


@pytest.fixture
async def charge_point(edge: Edge, operator: TenantRecord) -> ChargePointId:
    """RDAM-1, a charge point of that tenant."""
    return await edge.charge_point(operator)


@pytest.fixture
async def queued(
    edge: Edge, operator: TenantRecord, charge_point: ChargePointId, scripted: ScriptedCommands
) -> CommandRecord:
    """The answer to every issued command."""
    scripted.outcome = await edge.command(operator, charge_point)
    return scripted.outcome
