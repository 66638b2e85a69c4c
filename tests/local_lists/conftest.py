"""A server that looks at lists at once, and a charge point that keeps one."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.database.database import Database
from app.id_tags.records import NewIdTag
from app.id_tags.rules import fold_id_tag
from app.id_tags.store import IdTagStore
from app.local_lists.synchronizer import ListSynchronizer
from app.main import create_app
from app.settings import Settings
from app.tenants.records import TenantRecord
from tests.support.desk import Desk
from tests.support.eventually import eventually
from tests.support.gateway import GatewayServer, serve
from tests.support.operator_page import new_key
from tests.support.raw_client import close_all


@pytest.fixture(scope="module")
def listing() -> dict[str, FastAPI]:
    """The application of the module's database: building it takes longer than most tests."""
    return {}


@pytest.fixture
async def server(
    database: Database, tenant: TenantRecord, settings: Settings, listing: dict[str, FastAPI]
) -> AsyncIterator[GatewayServer]:
    own = settings.model_copy(update={"local_list_delay_s": 0.0, "local_list_debounce_s": 0.01})
    app = listing.setdefault("default", listing.get("default") or create_app(own))
    async with serve(app, own) as port:
        try:
            yield GatewayServer(port, app, database, tenant, own)
        finally:
            await close_all()


class ListDesk(Desk):
    """An operator who looks at lists."""

    async def list_of(self, identity: str) -> Any:
        """Return the list of a charge point."""
        return await self.call("GET", f"/charge-points/{identity}/local-list")

    async def until(self, identity: str, state: str) -> Any:
        """Let the server work until the list of a charge point is in a state; return it."""
        return await self.work(lambda: self._is(identity, state))

    async def work(self, condition: Callable[[], Awaitable[Any]]) -> Any:
        """Let the server look at lists until a condition holds; return what it returns."""
        synchronizer = self.server.app.state.services.get(ListSynchronizer)

        async def read() -> Any:
            if (found := await condition()) is None:
                await synchronizer.sweep()
            return found

        return await eventually(read, lambda found: found is not None)

    async def _is(self, identity: str, state: str) -> Any:
        shown = await self.list_of(identity)
        return shown if shown["state"] == state else None


@pytest.fixture
async def desk(server: GatewayServer) -> AsyncIterator[ListDesk]:
    key = await new_key(server, "read", "write", "command")
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", headers=headers) as client:
        yield ListDesk(server, client)


async def store_tags(server: GatewayServer, *names: str, **facts: Any) -> None:
    """Store tags of the tenant."""
    async with server.database.tenant(server.tenant.id) as work:
        for name in names:
            await IdTagStore(work).create(NewIdTag(name, **facts))


class ListKeeper:
    """The answers of a charge point that keeps a list. answers: replace the next ones of SendLocalList."""

    def __init__(self, version: int = 0, limits: dict[str, str] | None = None) -> None:
        self.version = version
        self.content: dict[str, Any] = {}
        self.answers: list[str | None] = []
        self._limits = {"SendLocalListMaxLength": "10"} if limits is None else limits

    def __call__(self, action: str, payload: dict[str, Any]) -> dict[str, Any] | str | None:
        """Answer a command."""
        if action == "GetConfiguration":
            keys = [
                {"key": name, "readonly": True, "value": value}
                for name, value in self._limits.items()
                if name in payload.get("key", self._limits)
            ]
            return {"configurationKey": keys}
        if action == "GetLocalListVersion":
            return {"listVersion": self.version}
        if action != "SendLocalList":
            return {"status": "Accepted"}
        answer = self.answers.pop(0) if self.answers else "Accepted"
        if answer in ("Accepted", None):
            if payload["updateType"] == "Full":
                self.content = {}
            for entry in payload.get("localAuthorizationList", []):
                self.content.pop(fold_id_tag(entry["idTag"]), None)
                if "idTagInfo" in entry:
                    self.content[fold_id_tag(entry["idTag"])] = entry
            self.version = payload["listVersion"]
        return None if answer is None else {"status": answer}
