"""A scripted charge point on a real socket, and the REST API: the two sides of a certification case."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from app.cli.administration import create_key
from tests.support.gateway import GatewayServer
from tests.support.raw_client import RawClient
from tests.support.server import Operator

_WAIT_S = 20.0
BOOT: dict[str, Any] = {
    "chargePointVendor": "Acme",
    "chargePointModel": "Duo 22",
    "firmwareVersion": "4.1.7",
}


def at(minutes: float = 0.0) -> str:
    """Return a time as a charge point writes it. minutes: from now."""
    return (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Asked:
    """A CALL of the central system."""

    unique_id: str
    action: str
    payload: dict[str, Any]


@dataclass
class Station:
    """A charge point that does what its test says, and the operator who watches it."""

    server: GatewayServer
    operator: Operator
    identity: str
    client: RawClient
    calls: deque[Asked] = field(default_factory=deque)
    answers: dict[str, list[Any]] = field(default_factory=dict)
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def path(self) -> str:
        """The path of its resource."""
        return f"/charge-points/{self.identity}"

    async def ask(self, action: str, payload: dict[str, Any]) -> list[Any]:
        """Send a CALL, and return the frame that answers it."""
        unique_id = f"cp-{next(self.numbers)}"
        self.client.send(json.dumps([2, unique_id, action, payload]))
        while unique_id not in self.answers:
            await self._read()
        return self.answers.pop(unique_id)

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send a CALL, and return the payload of its CALLRESULT."""
        answer = await self.ask(action, payload)
        assert answer[0] == 3, answer
        result: dict[str, Any] = answer[2]
        return result

    async def expect(self, action: str) -> Asked:
        """Return the next CALL of the central system, which must have this action."""
        while not self.calls:
            await self._read()
        asked = self.calls.popleft()
        assert asked.action == action
        return asked

    def answer(self, asked: Asked, payload: dict[str, Any]) -> None:
        """Answer a CALL of the central system."""
        self.client.send(json.dumps([3, asked.unique_id, payload]))

    def refuse(self, asked: Asked, code: str) -> None:
        """Answer a CALL of the central system by a CALLERROR."""
        self.client.send(json.dumps([4, asked.unique_id, code, "", {}]))

    async def commanded(
        self, action: str, payload: dict[str, Any], answer: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Let the operator issue a command, and answer it. Return what was sent, and the ended command."""
        return await self.answered(f"{self.path}/commands/{action}?wait=20", payload, action, answer)

    async def answered(
        self, path: str, body: Any, action: str, answer: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Send a request of the operator that leads to one CALL, and answer the CALL.

        body: of a POST; None: a GET. Return what was sent to the charge point, and what the operator got.
        """
        operator = self.operator
        request = asyncio.create_task(operator.get(path) if body is None else operator.post(path, body))
        expected = asyncio.create_task(self.expect(action))
        await asyncio.wait([request, expected], return_when=asyncio.FIRST_COMPLETED)
        if not expected.done():
            raise AssertionError(f"nothing was sent: {await request}")
        asked = await expected
        self.answer(asked, answer)
        return asked.payload, await request

    async def boot(self, **facts: str) -> dict[str, Any]:
        """Send BootNotification, and a StatusNotification for the charge point and two connectors."""
        conf = await self.call("BootNotification", {**BOOT, **facts})
        for connector in range(3):
            await self.status(connector, "Available")
        return conf

    async def status(self, connector: int, status: str, error: str = "NoError") -> None:
        """Report the status of a connector."""
        report = {"connectorId": connector, "status": status, "errorCode": error, "timestamp": at()}
        assert await self.call("StatusNotification", report) == {}

    async def start(self, id_tag: str = "TAG", connector: int = 1, **more: Any) -> dict[str, Any]:
        """Start a transaction, and return the answer."""
        request = {"connectorId": connector, "idTag": id_tag, "meterStart": 100, "timestamp": at()}
        return await self.call("StartTransaction", {**request, **more})

    async def stop(self, transaction_id: int, **more: Any) -> dict[str, Any]:
        """Stop a transaction, and return the answer."""
        request = {"transactionId": transaction_id, "meterStop": 900, "timestamp": at()}
        return await self.call("StopTransaction", {**request, **more})

    async def transactions(self) -> list[dict[str, Any]]:
        """Return the transactions of this charge point as the API shows them."""
        page = await self.operator.get("/transactions", charge_point=self.identity)
        items: list[dict[str, Any]] = page["items"]
        return items

    async def transaction(self, transaction_id: int) -> dict[str, Any]:
        """Return one transaction as the API shows it."""
        shown: dict[str, Any] = await self.operator.get(f"/transactions/{transaction_id}")
        return shown

    async def connectors(self) -> dict[int, dict[str, Any]]:
        """Return the connectors as the API shows them, by number."""
        shown = await self.operator.get(f"{self.path}/connectors")
        return {item["connector_id"]: item for item in shown["items"]}

    async def command(self, command: dict[str, Any]) -> dict[str, Any]:
        """Return a command as the API shows it now."""
        shown: dict[str, Any] = await self.operator.get(f"/commands/{command['id']}")
        return shown

    async def until_effect(self, command: dict[str, Any], observed: str) -> dict[str, Any]:
        """Wait until a command shows an effect, and return the effect."""
        async with asyncio.timeout(_WAIT_S):
            while True:
                effect = (await self.command(command))["effect"]
                if effect is not None and effect["observed"] == observed:
                    found: dict[str, Any] = effect
                    return found
                await asyncio.sleep(0.02)

    async def reconnect(self, **options: Any) -> None:
        """Lose the connection as by a power cut, and log in again."""
        await self.client.close()
        self.calls.clear()
        self.client = await self.server.connect(self.identity, **options)

    async def _read(self) -> None:
        frame = json.loads(await self.client.text())
        if frame[0] == 2:
            self.calls.append(Asked(frame[1], frame[2], frame[3]))
        else:
            self.answers[frame[1]] = frame


@asynccontextmanager
async def operating(server: GatewayServer) -> AsyncIterator[Operator]:
    """Open the REST API of a server with a key of its tenant."""
    token = await create_key(
        server.database,
        server.settings.credential_pepper,
        tenant=server.tenant.slug,
        name="certification",
        scopes=("read", "command", "write"),
    )
    async with Operator(f"http://127.0.0.1:{server.port}", token) as operator:
        yield operator
