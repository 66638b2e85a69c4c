"""The messages about metrics between the supervisor and a worker, over a socket of their own."""

import asyncio
import struct
from typing import Final

GIVE: Final = b"g"
"""From the supervisor: send a snapshot."""
SNAPSHOT: Final = b"s"
"""From a worker: its metrics."""
ASK: Final = b"q"
"""From a worker that is scraped: send the metrics of all workers."""
EVERYTHING: Final = b"e"
"""From the supervisor: the metrics of all workers."""
_HEADER: Final = struct.Struct("=cI")


def message(kind: bytes, body: bytes = b"") -> bytes:
    """Return the bytes of a message."""
    return _HEADER.pack(kind, len(body)) + body


async def read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes] | None:
    """Return the kind and the body of the next message; None: the other side has ended."""
    try:
        kind, length = _HEADER.unpack(await reader.readexactly(_HEADER.size))
        return kind, await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
