"""A database that cannot be reached: the one line says why, and has no piece of the password."""

import asyncio
from pathlib import Path

import pytest

from app.server.migration import MigrationError, bring_up_to_date


async def _refused(url: str) -> str:
    with pytest.raises(MigrationError) as refused:
        await bring_up_to_date(url, "p" * 32)
    text = str(refused.value)
    assert text.startswith("DATABASE_URL: ")
    assert "hunter2" not in text
    assert "\n" not in text
    return text.removeprefix("DATABASE_URL: ")


async def test_a_closed_port_is_told(tmp_path: Path) -> None:
    assert await _refused("postgresql://u:hunter2@127.0.0.1:1/d") == (
        "127.0.0.1:1 does not answer: Connection refused"
    )
    assert await _refused(f"postgresql://u:hunter2@/d?host={tmp_path}") == (
        f"{tmp_path}:5432 does not answer: No such file or directory"
    )


async def test_a_name_that_nobody_has_is_told() -> None:
    told = await _refused("postgresql://u:hunter2@nothing.invalid/d")
    assert told.startswith("nothing.invalid:5432 does not answer: ")
    assert "name" in told.lower()


async def test_a_server_without_tls_is_told() -> None:
    ended = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        writer.write(b"N")
        await reader.read()
        writer.close()
        ended.set()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        told = await _refused(f"postgresql://u:hunter2@127.0.0.1:{port}/d?sslmode=require")
        await ended.wait()
    assert "rejected SSL upgrade" in told
