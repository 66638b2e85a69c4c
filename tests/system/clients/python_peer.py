"""A charge point in Python: the PyPI package `ocpp`, which validates every message."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx
from ocpp.charge_point import camel_to_snake_case, snake_to_camel_case
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from websockets.asyncio.client import connect

from tests.system.clients.bench import Door
from tests.system.clients.peer import ANSWERS, Peer


class LibraryChargePoint(ChargePoint):  # type: ignore[misc]  # the package is not typed
    """Answers each action of the central system as its peer says. An error in a message is a violation."""

    def __init__(self, identity: str, connection: Any, peer: "PythonPeer") -> None:
        self.peer = peer
        super().__init__(identity, connection, response_timeout=40)

    async def _handle_call(self, msg: Any) -> Any:
        try:
            return await super()._handle_call(msg)
        except Exception as error:
            self.peer.violations.append(f"{msg.action}: {error!r}")
            raise


def _answering(action: str) -> Any:
    def answer(self: LibraryChargePoint, **request: Any) -> Any:
        self.peer.asked.append((action, snake_to_camel_case(request)))
        return getattr(call_result, action)(**camel_to_snake_case(self.peer.answers[action]))

    # The package finds handlers by the names of their functions.
    answer.__name__ = f"answer_{action}"
    return on(action)(answer)


for _action in ANSWERS:
    setattr(LibraryChargePoint, f"answer_{_action}", _answering(_action))


class PythonPeer(Peer):
    """The charge point on one connection."""

    def __init__(self, identity: str, connection: Any, trust: ssl.SSLContext | None) -> None:
        super().__init__()
        self.answers = dict(ANSWERS)
        self.http = httpx.AsyncClient(verify=True if trust is None else trust)
        self.charge_point = LibraryChargePoint(identity, connection, self)

    async def send(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        request = getattr(call, action)(**camel_to_snake_case(payload))
        answer = await self.charge_point.call(request, suppress=False)
        found: dict[str, Any] = snake_to_camel_case(vars(answer))
        return found

    async def answer(self, action: str, payload: dict[str, Any]) -> None:
        self.answers[action] = payload

    async def upload(self, url: str, content: bytes) -> int:
        return (await self.http.put(url, content=content)).status_code

    async def download(self, url: str) -> bytes:
        return (await self.http.get(url)).raise_for_status().content


@asynccontextmanager
async def python_peer(door: Door) -> AsyncIterator[PythonPeer]:
    """Connect the charge point, with its reader running."""
    secret = base64.b64encode(door.identity.encode() + b":" + bytes.fromhex(door.key)).decode()
    trust = None if door.root is None else ssl.create_default_context(cafile=str(door.root))
    async with connect(
        f"{door.endpoint}/{quote(door.identity)}",
        subprotocols=["ocpp1.6"],  # type: ignore[list-item]  # the library's NewType of str
        additional_headers={"Authorization": f"Basic {secret}"},
        ssl=trust,
    ) as connection:
        peer = PythonPeer(door.identity, connection, trust)
        reader = asyncio.create_task(peer.charge_point.start())
        try:
            yield peer
        finally:
            reader.cancel()
            await asyncio.wait([reader])
            await peer.http.aclose()
