"""`stationmaster serve` says what to do next: create a tenant, or follow a link to its console."""

import asyncio

import pytest

from app.cli.administration import create_tenant
from app.cli.server_commands import tell_next_step
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


async def test_a_server_goes_on_if_the_database_is_away_when_it_has_started(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    away = settings.model_copy(update={"database_url": "postgresql://postgres@127.0.0.1:1/none"})
    await tell_next_step(away, "http://127.0.0.1:8080")
    assert capsys.readouterr().out == (
        "The database does not answer now. For a link to the console: stationmaster login-link\n"
    )


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
