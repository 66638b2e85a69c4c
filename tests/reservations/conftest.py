"""A server, an operator who reserves, and time to come."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.id_tags.records import NewIdTag
from app.id_tags.store import IdTagStore
from app.reservations.sweeper import ReservationSweeper
from tests.gateway.conftest import server
from tests.support.asked import AskedCharger
from tests.support.desk import Desk
from tests.support.eventually import eventually
from tests.support.gateway import GatewayServer
from tests.support.operator_page import new_key

__all__ = ["server"]


def soon(**delta: float) -> str:
    """Return a time from now on as RFC 3339."""
    return (datetime.now(UTC) + timedelta(**delta)).isoformat().replace("+00:00", "Z")


class ReservationDesk(Desk):
    """An operator who reserves connectors of CP1."""

    async def reserve(self, wait: int = 20, **changes: Any) -> Any:
        """Reserve, and return the reservation as it is after the answer."""
        body = {"connector_id": 1, "id_tag": "TAG", "expires_at": soon(hours=1), **changes}
        return await self.call("POST", f"/charge-points/CP1/reservations?wait={wait}", 201, json=body)

    async def cancel(self, reservation_id: int) -> Any:
        """Cancel, and return the command."""
        return await self.call("DELETE", f"/charge-points/CP1/reservations/{reservation_id}?wait=20")

    async def get(self, reservation_id: int) -> Any:
        """Return a reservation."""
        return await self.call("GET", f"/charge-points/CP1/reservations/{reservation_id}")

    async def swept(self, reservation_id: int) -> Any:
        """Return a reservation after a sweep."""
        await self.server.app.state.services.get(ReservationSweeper).sweep()
        return await self.get(reservation_id)

    async def until(self, condition: Callable[[], Awaitable[Any]]) -> Any:
        """Read again until a condition holds; return what it returns."""
        return await eventually(condition, lambda found: found is not None)


@pytest.fixture
async def desk(server: GatewayServer) -> AsyncIterator[ReservationDesk]:
    """An operator of the tenant, whose charge point is CP1 and whose tags are TAG, SIBLING and OTHER."""
    await server.register("CP1")
    async with server.database.tenant(server.tenant.id) as work:
        store = IdTagStore(work)
        await store.create(NewIdTag("TAG", parent_id_tag="FLEET"))
        await store.create(NewIdTag("SIBLING", parent_id_tag="FLEET"))
        await store.create(NewIdTag("OTHER"))
        await store.create(NewIdTag("GONE", status="Blocked"))
    key = await new_key(server, "read", "write", "command")
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", headers=headers) as client:
        yield ReservationDesk(server, client)


async def start(asked: AskedCharger, **changes: Any) -> int:
    """Start a transaction now, and return its id."""
    body = {"connectorId": 1, "idTag": "TAG", "meterStart": 5, "timestamp": soon(), **changes}
    frame = await asked.call("StartTransaction", body)
    assert frame[0] == 3, frame
    transaction_id: int = frame[2]["transactionId"]
    return transaction_id


async def report(asked: AskedCharger, status: str, connector_id: int = 1) -> None:
    """Report the status of a connector."""
    body = {"connectorId": connector_id, "status": status, "errorCode": "NoError"}
    assert (await asked.call("StatusNotification", body))[0] == 3
