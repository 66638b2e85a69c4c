"""Transfers over real sockets: cut off, slow, gone."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.database.database import Database
from app.files.service import FileService
from app.main import create_app
from app.settings import Settings
from app.tenants.records import TenantRecord
from app.types import TenantId
from tests.files.conftest import kept
from tests.files.test_transfers import Listener, pieces
from tests.support.gateway import GatewayServer, serve, until

CONTENT = bytes(range(256)) * 20_000


@pytest.fixture
def file_settings(file_settings: Settings) -> Settings:
    """The usual limits."""
    limits = {"file_limit_bytes": 10**9, "upload_limit_bytes": 10**9, "files_of_tenant_limit_bytes": 10**10}
    return file_settings.model_copy(update=limits)


@dataclass
class Transfers:
    """A running server with a charge point CP1."""

    gateway: GatewayServer
    files: FileService
    listener: Listener
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def tenant_id(self) -> TenantId:
        """The tenant of the charge point."""
        return TenantId(self.gateway.tenant.id)

    async def upload_path(self) -> str:
        """Make a URL for an upload, and return its path."""
        expires_at = datetime.now(UTC) + timedelta(hours=1)
        link = await self.files.upload_link(self.tenant_id, "CP1", "log", expires_at)
        return urlsplit(link.url).path

    async def download_path(self, content: bytes = CONTENT) -> str:
        """Keep a file, and return the path for its download."""
        file = await self.files.add(self.tenant_id, "a.bin", pieces(content), "a/b")
        expires_at = datetime.now(UTC) + timedelta(hours=1)
        return urlsplit(await self.files.download_link(self.tenant_id, file.id, "CP1", expires_at)).path

    async def send(self, *parts: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect, and send some bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.gateway.port)
        self.writers.append(writer)
        for part in parts:
            writer.write(part)
        await writer.drain()
        return reader, writer


@pytest.fixture
async def transfers(
    database: Database, tenant: TenantRecord, file_settings: Settings
) -> AsyncIterator[Transfers]:
    """A server with its HTTP layer."""
    app = create_app(file_settings)
    async with serve(app, file_settings) as port:
        gateway = GatewayServer(port, app, database, tenant, file_settings)
        await gateway.register("CP1")
        files: FileService = app.state.services.get(FileService)
        listener = Listener()
        files.listeners.append(listener)
        made = Transfers(gateway, files, listener)
        yield made
        for writer in made.writers:
            writer.transport.abort()
        await asyncio.sleep(0)


def head(method: str, path: str, **fields: Any) -> bytes:
    """Return the head of a request."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


async def status_of(reader: asyncio.StreamReader) -> int:
    """Return the status of the next answer."""
    line = await asyncio.wait_for(reader.readline(), 20)
    return int(line.split()[1])


async def test_an_upload_that_is_cut_off_may_be_tried_again(transfers: Transfers, tmp_path: Path) -> None:
    path = await transfers.upload_path()
    chunked = b"2710\r\n" + b"x" * 10_000 + b"\r\n"
    for begin in (
        (head("PUT", path, Content_Length=100_000), b"x" * 10_000),
        (head("PUT", path, Transfer_Encoding="chunked"), chunked),
    ):
        failures = len(transfers.listener.failed)
        _, writer = await transfers.send(*begin)
        await until(lambda: kept(tmp_path / "files" / "incoming") != [])
        writer.transport.abort()
        await until(lambda count=failures: len(transfers.listener.failed) > count)  # type: ignore[misc]
    assert transfers.listener.failed == ["cut_off", "cut_off"]
    await until(lambda: kept(tmp_path / "files") == [])
    reader, _ = await transfers.send(head("PUT", path, Content_Length=len(CONTENT)), CONTENT)
    assert await status_of(reader) == 201
    assert transfers.listener.completed[0].file.sha256 == hashlib.sha256(CONTENT).hexdigest()


async def test_a_client_may_ask_before_it_sends(transfers: Transfers) -> None:
    path = await transfers.upload_path()
    reader, writer = await transfers.send(
        head("PUT", path, Content_Length=len(CONTENT), Expect="100-continue")
    )
    assert await status_of(reader) == 100
    writer.write(CONTENT)
    await reader.readline()
    assert await status_of(reader) == 201
    # An unknown URL is refused before the body is sent.
    reader, _ = await transfers.send(
        head("PUT", "/transfers/unknown/x", Content_Length=10**9, Expect="100-continue")
    )
    assert await status_of(reader) == 404


async def test_a_slow_client_does_not_fill_the_memory(transfers: Transfers) -> None:
    content = CONTENT * 8
    path = await transfers.download_path(content)
    reads: list[int] = []
    opened = transfers.files.storage.open

    async def counting(key: Any) -> Any:
        content_reader = await opened(key)
        assert content_reader is not None
        read = content_reader.read

        async def read_and_count(start: int, size: int) -> bytes:
            reads.append(size)
            return await read(start, size)

        content_reader.read = read_and_count  # type: ignore[method-assign]
        return content_reader

    transfers.files.storage.open = counting  # type: ignore[method-assign]
    reader, _ = await transfers.send(head("GET", path))
    # It reads nothing: sockets take some megabytes, and then the server stops to read the file.
    await until(lambda: reads != [])
    before = -1
    while len(reads) != before:
        before = len(reads)
        await asyncio.sleep(0.3)
    assert 0 < sum(reads) < len(content) // 2
    received = bytearray()
    await reader.readuntil(b"\r\n\r\n")
    while len(received) < len(content):
        received += await reader.read(262_144)
    assert bytes(received) == content


async def test_a_download_ends_when_its_client_has_gone(transfers: Transfers) -> None:
    path = await transfers.download_path(CONTENT * 8)
    _, writer = await transfers.send(head("GET", path))
    slots = transfers.files.slots
    await until(lambda: slots.taken == 1)
    writer.transport.abort()
    await until(lambda: slots.taken == 0)


async def test_one_url_serves_a_few_transfers_at_once(transfers: Transfers) -> None:
    path = await transfers.upload_path()
    begun = [await transfers.send(head("PUT", path, Content_Length=100_000), b"x" * 10_000) for _ in range(4)]
    await until(lambda: transfers.files.slots.taken == 4)
    reader, _ = await transfers.send(head("PUT", path, Content_Length=1), b"x")
    assert await status_of(reader) == 503
    for _, writer in begun:
        writer.write(b"x" * 90_000)
    statuses = sorted([await status_of(reader) for reader, _ in begun])
    assert statuses == [201, 409, 409, 409]
