"""Runs `stationmaster demo` on data of its own, and a server that takes its webhooks."""

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROGRAM: Final = str(Path(sys.executable).with_name("stationmaster"))
_LINK: Final = re.compile(r"http://\S+/console/links/\S+")
_START_S: Final = 180.0
_STOP_S: Final = 60.0
_BUSY: Final = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntry later"
_TAKEN: Final = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demo. link: logs in once; webhooks: the URL of the server that takes them."""

    url: str
    link: str
    webhooks: str
    environment: dict[str, str]

    async def stationmaster(self, *arguments: str) -> str:
        """Run a subcommand on the data of the demo, and return what it prints."""
        process = await asyncio.create_subprocess_exec(
            _PROGRAM, *arguments, env=self.environment, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"stationmaster {' '.join(arguments)} failed")
        return output.decode().strip()


@asynccontextmanager
async def running_demo(directory: Path, count: int) -> AsyncIterator[Demo]:
    """Run a demo with some charge points. directory: an empty one."""
    port = _free_port()
    taker = await asyncio.start_server(_take, "127.0.0.1", 0)
    environment = {
        **os.environ,
        "STATIONMASTER_DATA_DIRECTORY": str(directory),
        "STATIONMASTER_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "STATIONMASTER_OUTGOING_ALLOWED_NETWORKS": "127.0.0.0/8",
        "STATIONMASTER_OUTGOING_HTTP_ALLOWED": "true",
        "COLUMNS": "200",
    }
    process = await asyncio.create_subprocess_exec(
        _PROGRAM,
        *("demo", "--port", str(port), "--count", str(count), "--workers", "1"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    output = process.stdout or asyncio.StreamReader()
    try:
        async with asyncio.timeout(_START_S):
            link = await _link_in(output)
        # It must be read on, or the demo blocks when the pipe is full.
        drain = asyncio.create_task(output.read())
        webhooks = f"http://127.0.0.1:{taker.sockets[0].getsockname()[1]}"
        yield Demo(f"http://127.0.0.1:{port}", link, webhooks, environment)
        process.terminate()
        async with asyncio.timeout(_STOP_S):
            await drain
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        taker.close()


async def _link_in(output: asyncio.StreamReader) -> str:
    while line := (await output.readline()).decode():
        if found := _LINK.search(line):
            return found[0]
    raise RuntimeError("the demo ended before it was ready")


async def _take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take a message; refuse it if its path says so."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    await reader.readexactly(int(length[1]) if length else 0)
    writer.write(_BUSY if b"/busy" in head.split(b"\r\n")[0] else _TAKEN)
    await writer.drain()
    writer.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
