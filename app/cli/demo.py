"""`make run`: a server with a tenant, an API key and a few simulated charge points, to look at."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from app.cli.administration import (
    FIRST_USER,
    TENANT_SCOPES,
    create_key,
    create_tenant,
    key_works,
    login_link,
)
from app.clock import SystemClock
from app.database.database import Database
from app.errors import Conflict
from app.server.embedded.account import EmbeddedError
from app.server.embedded.locks import ownership
from app.server.running import RunningServer, run_server
from app.server.signals import stop_on_signals
from app.settings import Settings, SettingsError, usable_directory
from app.simulator.fleet import Fleet, FleetOptions
from app.simulator.progress import display_for, print_summary

TENANT = "demo"
_KEY_FILE = "demo-api-key"


async def run_demo(settings: Settings, count: int, console: Console) -> None:
    """Run the demo until Ctrl-C. A later start uses the data, the key and the charge points of the first.

    Raises:
        EmbeddedError: a demo runs on the same data already.
    """

    async def show(server: RunningServer, stop: asyncio.Event) -> None:
        token, link = await _prepare_tenant(server)
        _explain(console, server, token, link)
        if count == 0:
            await stop.wait()
            return
        fleet = Fleet(_fleet_options(server, token, count), SystemClock())
        await fleet.run(stop, display_for(console))
        print_summary(console, fleet)

    directory = usable_directory(settings.data_directory)
    with ownership(directory, "demo.lock") as is_alone:
        if not is_alone:
            # Two fleets with the same identities would evict each other for ever.
            raise EmbeddedError(
                f"STATIONMASTER_DATA_DIRECTORY: a demo runs on {directory.resolve()} already; "
                "stop it, or choose another data directory"
            )
        async with stop_on_signals() as stop:
            await run_server(settings, stop, show)
    console.print(
        "Stopped. The data is kept in", str(settings.data_directory), highlight=False, soft_wrap=True
    )


def _fleet_options(server: RunningServer, token: str, count: int) -> FleetOptions:
    return FleetOptions(
        url="ws" + server.url.removeprefix("http"),
        tenant=TENANT,
        count=count,
        credentials=server.settings.data_directory / "simulator" / f"{TENANT}.json",
        pace="brisk",
        prefix="DEMO",
        api_key=token,
    )


async def _prepare_tenant(server: RunningServer) -> tuple[str, str]:
    """Create the demo tenant if necessary.

    Returns:
        The token of its API key, the same at each start; and a new link that logs in to the console.
    """
    settings = server.settings
    if settings.database_url is None:
        raise AssertionError("the running server has no database URL")
    database = await Database.open(settings.database_url)
    try:
        with suppress(Conflict):
            await create_tenant(database, TENANT, "Demo")
        path = settings.data_directory / _KEY_FILE
        token = _read(path)
        if token is None or not await key_works(database, settings.credential_pepper, token, TENANT):
            token = await create_key(
                database, settings.credential_pepper, tenant=TENANT, name="Demo", scopes=TENANT_SCOPES
            )
            _write(path, token)
        return token, await login_link(database, settings, TENANT, FIRST_USER, server.url)
    finally:
        await database.close()


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None


def _write(path: Path, token: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(token + "\n")
    except OSError as error:
        raise SettingsError(f"STATIONMASTER_DATA_DIRECTORY: {path}: {error.strerror}") from None


def _explain(console: Console, server: RunningServer, token: str, link: str) -> None:
    for line in (
        "",
        f"Stationmaster runs at {server.url}",
        "",
        "  Open the console. This link logs you in once, within 15 minutes:",
        f"  {link}",
        "",
        f"  the protocols   {server.url}/protocols",
        f"  the API         {server.url}/docs",
        f"  charge points   ws{server.url.removeprefix('http')}/ocpp/{TENANT}/<identity>",
        "",
        "Try the API, and follow what happens:",
        f"  curl -s -H 'Authorization: Bearer {token}' {server.url}/v1/charge-points",
        f"  curl -sN -H 'Authorization: Bearer {token}' -H 'Accept: text/event-stream' "
        f"{server.url}/v1/events",
        "",
        "Ctrl-C stops everything.",
        "",
    ):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
