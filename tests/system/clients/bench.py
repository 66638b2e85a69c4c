"""A whole server, a charge point of others, and an integrator with a key: where the clients are tested."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from app.database.database import Database
from app.settings import Settings
from app.tenants.records import TenantRecord
from tests.support.account import open_account
from tests.support.server import Operator, serving
from tests.support.tls_certificates import Authority
from tests.system.clients.peer import Peer

Transport = Literal["ws", "wss"]
TAG: Final = "B4A63CDF"
IDENTITY: Final = "RDAM-1"
_WAIT_S: Final = 20
_LOOK_AGAIN_S: Final = 0.05


@dataclass(frozen=True)
class Door:
    """How a charge point gets in. endpoint: its URL without the identity; root: of the server, a PEM file."""

    endpoint: str
    identity: str
    key: str
    root: Path | None


@dataclass(frozen=True)
class Site:
    """A running server, the REST API with a key, and the door of one charge point."""

    operator: Operator
    door: Door


@asynccontextmanager
async def site(
    transport: Transport, database: Database, settings: Settings, tenant: TenantRecord, folder: Path
) -> AsyncIterator[Site]:
    """Run a server for one charge point: with profile 1 over ws, or with profile 2 over wss."""
    root: Path | None = None
    more: dict[str, Any] = {}
    port = free_port()
    if transport == "wss":
        authority = Authority("Root of the operator")
        root, tls_port = Path(authority.write(folder, "root")[0]), free_port()
        certificate, key = authority.server("localhost").write(folder, "server")
        more = {
            "tls_port": tls_port,
            "tls_certificates": [certificate],
            "tls_keys": [key],
            "public_url": f"https://localhost:{tls_port}",
        }
    # Tags are looked at every ten seconds otherwise.
    more |= {"state_requests": True, "local_list_debounce_s": 0.5}
    settings = Settings.model_validate({**settings.model_dump(), **more})
    account = await open_account(database, settings, tenant)
    async with serving(settings, port=port) as served, Operator(served.url, account.token) as operator:
        plain = f"ws{served.url.removeprefix('http')}"
        base = plain if root is None else f"wss://localhost:{more['tls_port']}"
        # One database serves all tests: each has a tenant of its own, so the identity may be the same.
        key = await operator.register(IDENTITY)
        await operator.post("/id-tags", {"id_tag": TAG})
        yield Site(operator, Door(f"{base}/ocpp/{account.slug}", IDENTITY, key, root))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def at() -> str:
    """Return the time now, as charge points write it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Bench:
    """The charge point of others on one side, the REST API on the other."""

    operator: Operator
    peer: Peer
    profile: int

    @property
    def path(self) -> str:
        """The path of the charge point in the REST API."""
        return f"/charge-points/{IDENTITY}"

    async def command(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Issue a command, which the charge point must accept, and return it."""
        issued: dict[str, Any] = await self.operator.command(IDENTITY, action, payload)
        assert (issued["state"], issued["error"]) == ("accepted", None), (issued, self.peer.violations)
        return issued

    async def effect(self, command: dict[str, Any], observed: str) -> dict[str, Any]:
        """Wait until a command shows an effect, and return the effect."""
        found = await self.until(
            f"/commands/{command['id']}", lambda shown: (shown["effect"] or {}).get("observed") == observed
        )
        effect: dict[str, Any] = found["effect"]
        return effect

    async def until(self, path: str, holds: Callable[[Any], bool], **query: Any) -> Any:
        """Read a resource until something holds of it, and return it."""
        shown: Any = None

        async def read() -> Any:
            nonlocal shown
            shown = await self.operator.get(path, **query)
            return shown

        await until(read, holds, lambda: f"{path}: {shown}")
        return shown

    async def store(self, name: str, content: bytes) -> dict[str, Any]:
        """Upload a file of the operator, and return its facts."""
        found: dict[str, Any] = await self.operator.upload(f"/files?name={name}", content)
        return found

    async def asked(self, action: str, count: int = 1) -> dict[str, Any]:
        """Wait until the charge point was asked something so often, and return the newest request."""

        async def read() -> int:
            return [name for name, _ in self.peer.asked].count(action)

        await until(read, lambda found: found >= count, lambda: f"{action}: {self.peer.asked}")
        return self.peer.last_asked(action)


async def until(
    read: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool], told: Callable[[], str]
) -> None:
    """Read until something holds. told: what was read last, for the failure."""
    try:
        async with asyncio.timeout(_WAIT_S):
            # No event tells it to a client of the REST API.
            while not holds(await read()):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_AGAIN_S)
    except TimeoutError:
        raise AssertionError(f"it did not come: {told()}") from None
