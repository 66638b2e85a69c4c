"""Runs the server as an operator does: `stationmaster serve`, on the engines of the tests."""

import asyncio
import base64
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect

from app.settings import Settings

_ANNOUNCED = "listens on "
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 40.0
_ANSWER_TIMEOUT_S = 90.0
"""Longer than the longest wait for a command that a test asks for."""


@dataclass
class Place:
    """Where a server can be reached, directly or through a proxy. url: http://host:port."""

    url: str

    def websocket_url(self, tenant: str, identity: str) -> str:
        """Return the URL for a charge point."""
        return f"ws{self.url.removeprefix('http')}/ocpp/{tenant}/{quote(identity)}"


@dataclass
class Served(Place):
    """One running server. tls_url: https://host:port, None: without TLS."""

    process: asyncio.subprocess.Process
    tls_url: str | None = None

    def workers(self) -> list[int]:
        """Return the process ids of the workers: the children of the fork server."""
        return [worker for forking in _children(self.process.pid) for worker in _children(forking)]

    def kill_workers(self) -> None:
        """Send SIGKILL to all workers. The supervisor starts new ones."""
        for pid in self.workers():
            os.kill(pid, signal.SIGKILL)

    def hang_workers(self) -> None:
        """Send SIGSTOP to all workers. The supervisor kills them and starts new ones."""
        for pid in self.workers():
            os.kill(pid, signal.SIGSTOP)

    async def kill(self) -> None:
        """Send SIGKILL to the whole server: first to the supervisor, which would start new workers."""
        workers = self.workers()
        self.process.kill()
        await self.process.wait()
        for pid in workers:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@asynccontextmanager
async def serving(
    settings: Settings,
    *,
    workers: int = 1,
    port: int = 0,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Served]:
    """Run a server. At the end stop it by SIGTERM, if it still runs.

    port: 0 is any free one; then it does not know its URL for files; log: where its log is added to;
    environment: further variables.
    """
    with contextlib.nullcontext() if log is None else log.open("a") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.cli",
            "serve",
            "--workers",
            str(workers),
            "--port",
            str(port),
            env={
                **os.environ,
                **settings.environment(),
                "STATIONMASTER_LOG_LEVEL": "warning",
                **(environment or {}),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    try:
        url, *tls = await _announced_urls(process)
        yield Served(url, process, *tls)
    finally:
        if process.returncode is None:
            process.terminate()
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await process.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(settings: Settings) -> AsyncIterator[Served]:
    """Run one server with one worker for all tests of a module."""
    async with serving(settings) as running:
        yield running


async def _announced_urls(process: asyncio.subprocess.Process) -> list[str]:
    """Return the URL of the server, and the one for TLS if it has one."""
    if process.stdout is None:
        raise AssertionError("the server was started with a pipe")
    async with asyncio.timeout(_START_TIMEOUT_S):
        line = (await process.stdout.readline()).decode()
    if _ANNOUNCED not in line:
        raise AssertionError(f"the server did not start: {line!r}")
    return re.findall(r"https?://\S+", line.split(_ANNOUNCED, 1)[1])


class Operator:
    """A client of the REST API with a key of a tenant."""

    def __init__(self, url: str, token: str) -> None:
        self._client = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=_ANSWER_TIMEOUT_S
        )

    async def __aenter__(self) -> "Operator":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get(self, path: str, **query: Any) -> Any:
        """Send a GET, and return the JSON of a 200."""
        response = await self._client.get(f"/v1{path}", params=query or None)
        assert response.status_code == 200, response.text
        return response.json()

    async def content(self, path: str) -> bytes:
        """Send a GET, and return the body of a 200."""
        response = await self._client.get(f"/v1{path}")
        assert response.status_code == 200, response.text
        return response.content

    async def post(self, path: str, body: Any) -> Any:
        """Send a POST, and return the JSON of a success."""
        response = await self._client.post(f"/v1{path}", json=body)
        assert response.is_success, response.text
        return response.json()

    async def put(self, path: str, body: Any) -> Any:
        """Send a PUT, and return the JSON of a success."""
        response = await self._client.put(f"/v1{path}", json=body)
        assert response.is_success, response.text
        return response.json()

    async def patch(self, path: str, body: Any) -> Any:
        """Send a PATCH, and return the JSON of a success."""
        response = await self._client.patch(f"/v1{path}", json=body)
        assert response.is_success, response.text
        return response.json()

    async def upload(self, path: str, content: bytes) -> Any:
        """Send a file by POST, and return the JSON of a success."""
        headers = {"Content-Type": "application/octet-stream"}
        response = await self._client.post(f"/v1{path}", content=content, headers=headers)
        assert response.is_success, response.text
        return response.json()

    async def refusal(self, path: str, body: Any) -> int:
        """Send a POST that is refused, and return its status."""
        response = await self._client.post(f"/v1{path}", json=body)
        assert response.is_client_error, response.text
        return response.status_code

    async def delete(self, path: str) -> Any:
        """Send a DELETE, and return the JSON of a success."""
        response = await self._client.delete(f"/v1{path}")
        assert response.is_success, response.text
        return response.json()

    async def register(self, identity: str) -> str:
        """Create a charge point, and return its key as 40 hexadecimal characters."""
        made = await self.post("/charge-points", {"identity": identity})
        password: str = made["credential"]["password"]
        return password

    async def command(self, identity: str, action: str, payload: Any, wait_s: int = 20) -> Any:
        """Issue a command and wait for its end."""
        return await self.post(f"/charge-points/{identity}/commands/{action}?wait={wait_s}", payload)


def connecting(
    place: Place, tenant: str, identity: str, key: str, *, open_timeout_s: float = 10.0
) -> connect:
    """Connect as a charge point whose AuthorizationKey is `key` (hex)."""
    secret = base64.b64encode(identity.encode() + b":" + bytes.fromhex(key)).decode()
    return connect(
        place.websocket_url(tenant, identity),
        subprotocols=["ocpp1.6"],  # type: ignore[list-item]  # the library's NewType of str
        additional_headers={"Authorization": f"Basic {secret}"},
        compression=None,
        open_timeout=open_timeout_s,
    )


__all__ = ["ClientConnection", "Operator", "Place", "Served", "connecting", "serving"]
