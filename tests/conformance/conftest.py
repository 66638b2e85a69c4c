"""A charge point that has booted, and its operator."""

from collections.abc import AsyncIterator

import pytest

from tests.support.certification import Station, operating
from tests.support.gateway import GatewayServer
from tests.support.server import Operator


@pytest.fixture
async def operator(gateway_server: GatewayServer) -> AsyncIterator[Operator]:
    """The REST API, with a key of the tenant."""
    async with operating(gateway_server) as client:
        yield client


@pytest.fixture
async def new_station(gateway_server: GatewayServer, operator: Operator) -> Station:
    """A charge point that has logged in for the first time, and tags that it may see."""
    for tag in (
        {"id_tag": "TAG", "parent_id_tag": "FAMILY"},
        {"id_tag": "SIBLING", "parent_id_tag": "FAMILY"},
        {"id_tag": "STRANGER"},
        {"id_tag": "BLOCKED", "status": "Blocked"},
        {"id_tag": "EXPIRED", "expires_at": "2026-01-01T00:00:00Z"},
    ):
        await operator.post("/id-tags", tag)
    await gateway_server.register("CP1")
    return Station(gateway_server, operator, "CP1", await gateway_server.connect("CP1"))


@pytest.fixture
async def station(new_station: Station) -> Station:
    """The charge point after its boot."""
    await new_station.boot()
    return new_station
