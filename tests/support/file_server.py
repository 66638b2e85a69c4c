"""A small HTTP server of files that cuts connections off, as bad links of charge points do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class FileServer:
    """Serves one file, and takes uploads.

    cut_after: bytes of each answer before the connection is cut; 0: never. status: of all answers but files.
    requests: first line and Range of each request.
    """

    content: bytes = b""
    headers: str = ""
    cut_after: int = 0
    ignores_range: bool = False
    status: str = "201 Created"
    port: int = 0
    requests: list[tuple[str, str]] = field(default_factory=list)
    uploads: list[bytes] = field(default_factory=list)

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return f"http://127.0.0.1:{self.port}/{path}"

    async def serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
            first = head.split("\r\n", 1)[0]
            self.requests.append((first, lines.get("range", "")))
            if first.startswith("GET"):
                await self._send(writer, lines.get("range", ""))
            else:
                self.uploads.append(await _body(reader, lines))
                writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: 0\r\n\r\n".encode())
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _send(self, writer: asyncio.StreamWriter, wanted: str) -> None:
        if self.status.startswith(("4", "5")):
            writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        begin = 0 if self.ignores_range or not wanted else int(wanted.removeprefix("bytes=").rstrip("-"))
        part, total = self.content[begin:], len(self.content)
        code = (
            f"206 Partial Content\r\nContent-Range: bytes {begin}-{total - 1}/{total}" if begin else "200 OK"
        )
        writer.write(f"HTTP/1.1 {code}\r\n{self.headers}Content-Length: {len(part)}\r\n\r\n".encode())
        writer.write(part[: self.cut_after] if self.cut_after else part)
        await writer.drain()


async def _body(reader: asyncio.StreamReader, lines: dict[str, str]) -> bytes:
    if "content-length" in lines:
        return await reader.readexactly(int(lines["content-length"]))
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body


@asynccontextmanager
async def serving_files(server: FileServer) -> AsyncIterator[FileServer]:
    """Run a server of files on a free port."""
    listener = await asyncio.start_server(server.serve_one, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
