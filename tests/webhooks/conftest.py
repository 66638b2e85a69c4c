"""A server that may send to this machine, a tenant of its own for each test, and receivers."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from app.composition import WorkerParts
from app.events.records import NewEvent
from app.events.writer import add_events
from app.main import create_app
from app.settings import Settings
from app.tenants.store import TenantStore
from tests.support.certification import operating
from tests.support.gateway import GatewayServer, serve
from tests.support.gateway_fixtures import ModuleServer
from tests.support.receiver import Receiver, receiving
from tests.support.server import Operator

_NUMBERS = count(1)
PENDING_LIMIT = 20
PENDING_OF_CHARGE_POINT_LIMIT = 5


class Desk:
    """A tenant with an operator, whose events a test writes."""

    def __init__(self, server: GatewayServer, operator: Operator) -> None:
        self.server = server
        self.operator = operator
        self._database = server.database
        self._ids: dict[str, int] = {}

    async def register(self, identity: str, **facts: Any) -> None:
        """Create a charge point, which the events of a test are about."""
        self._ids[identity] = (await self.server.register(identity, **facts)).id

    async def write(self, *names: str, kind: str = "connection.opened") -> None:
        """Write an event of each charge point that is named, in this order."""
        tenant_id = self.server.tenant.id
        async with self._database.tenant(tenant_id) as work:
            at = datetime.now(UTC)
            events = [NewEvent(kind, 1, tenant_id, self._ids[name], at, "{}") for name in names]
            await add_events(work, events)

    async def webhook(self, url: str, **fields: Any) -> dict[str, Any]:
        """Create a webhook, and return it with its secret."""
        made: dict[str, Any] = await self.operator.post("/webhooks", {"url": url, **fields})
        return made

    async def deliveries(self, webhook_id: str, **query: Any) -> list[dict[str, Any]]:
        """Return the log of a webhook."""
        page = await self.operator.get(f"/webhooks/{webhook_id}/deliveries", **query)
        items: list[dict[str, Any]] = page["items"]
        return items


@pytest.fixture(scope="module")
async def sending_server(settings: Settings) -> AsyncIterator[ModuleServer]:
    """A server with short pauses and low limits, whose requests may go to this machine."""
    sending = settings.model_copy(
        update={
            "outgoing_allowed_networks": ["127.0.0.0/8"],
            "outgoing_http_allowed": True,
            "webhook_retry_delays_s": [0.05, 0.05, 0.05],
            "webhook_pending_limit": PENDING_LIMIT,
            "webhook_pending_of_charge_point_limit": PENDING_OF_CHARGE_POINT_LIMIT,
            "webhooks_of_tenant_limit": 3,
            "webhook_deadline_s": 30.0,
        }
    )
    app = create_app(sending)
    async with serve(app, sending) as port:
        yield ModuleServer(port, app)


@pytest.fixture
async def desk(sending_server: ModuleServer, settings: Settings) -> AsyncIterator[Desk]:
    """A new tenant of the server of the module."""
    app = sending_server.app
    parts: WorkerParts = app.state.services.get(WorkerParts)
    database = parts.storage.database
    async with database.platform() as work:
        tenant = await TenantStore(work).create(f"webhooks-{next(_NUMBERS)}", "Tenant of a test")
    server = GatewayServer(sending_server.port, app, database, tenant, settings)
    async with operating(server) as operator:
        yield Desk(server, operator)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened
