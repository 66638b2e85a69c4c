"""`stationmaster serve` says what to do next: create a tenant, or follow a link to its console."""

import asyncio

import pytest

from app.cli.administration import create_tenant
from app.database.database import Database
from app.settings import Settings
from tests.support.server import serving

# Two servers start, slowly on a busy machine with two cores.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


async def second_line(settings: Settings) -> str:
    """Return what a server prints after its address."""
    async with serving(settings) as served, asyncio.timeout(80):
        assert served.process.stdout is not None
        return (await served.process.stdout.readline()).decode()


async def test_a_new_server_tells_what_to_do_next(settings: Settings, database: Database) -> None:
    hint = (
        "There is no tenant yet. Create one in a second terminal, in this folder: "
        "stationmaster tenant create acme\n"
    )
    assert await second_line(settings) == hint
    await create_tenant(database, "demo", None)
    told = await second_line(settings)
    assert told.startswith(
        "Log in to the console as admin of demo, once within 15 minutes: http://127.0.0.1:"
    )
