"""Attacks a server on loopback, until it is ended: what strangers can do, and what a neighbour can.

    python -m benchmarks.attacks NAME PORT [TENANT KEY]

`benchmarks.floods` runs it in a process of its own with the lowest priority, so that it takes the time of the
server and not that of the one who measures.
"""

import asyncio
import contextlib
import json
import os
import resource
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Final

from websockets.asyncio.client import ClientConnection, connect

_HOST: Final = "127.0.0.1"
_ADDRESSES: Final = [f"127.90.0.{number}" for number in range(1, 51)]
_SLOW: Final = 10_000
_GUESSES_PER_S: Final = 500
_CHARGE_POINTS: Final = 30
_READERS: Final = 120
_FRAME_BYTES: Final = 90_000
_VALID_SAMPLES: Final = 600
"""Samples of a frame of about 48 KB."""
_VALIDATE: Final = (
    b"POST /v1/protocols/ocpp-16j/validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
)


@dataclass(frozen=True, slots=True)
class Target:
    """A server. tenant, key: a neighbour's tenant, and the password of its charge points or its API key."""

    port: int
    tenant: str = ""
    key: str = ""

    @contextlib.asynccontextmanager
    async def connection(
        self, address: str
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Open a connection from an address."""
        reader, writer = await asyncio.open_connection(_HOST, self.port, local_addr=(address, 0))
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    @contextlib.asynccontextmanager
    async def charge_point(self, number: int) -> AsyncIterator[ClientConnection]:
        """Log in as a charge point of the neighbour."""
        name = f"BENCH-{number:05d}"
        credential = b64encode(f"{name}:".encode() + bytes.fromhex(self.key)).decode()
        async with connect(
            f"ws://{_HOST}:{self.port}/ocpp/{self.tenant}/{name}",
            additional_headers={"Authorization": f"Basic {credential}"},
            subprotocols=["ocpp1.6"],  # type: ignore[list-item]
        ) as socket:
            boot = [2, "boot", "BootNotification", {"chargePointVendor": "B", "chargePointModel": "N"}]
            await socket.send(json.dumps(boot))
            await socket.recv()
            yield socket


Attack = Callable[[Target], Awaitable[None]]


async def again_and_again(once: Callable[[], Awaitable[None]]) -> None:
    """Do something until cancelled; what the server refuses or closes is done again."""
    while True:
        with contextlib.suppress(OSError, EOFError, asyncio.IncompleteReadError):
            await once()
        await asyncio.sleep(0.01)


async def from_all(once: Callable[[str], Awaitable[None]], each: int = 1) -> None:
    """Do something from each address again and again, `each` at the same time."""
    await asyncio.gather(*(again_and_again(partial(once, address)) for address in _ADDRESSES * each))


async def endless_heads(target: Target) -> None:
    """Requests whose heads do not end, in one line."""

    async def once(address: str) -> None:
        async with target.connection(address) as (_, writer):
            writer.write(b"GET / HTTP/1.1\r\na: ")
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()

    await from_all(once)


async def header_lines(target: Target) -> None:
    """Requests whose heads have lines without end."""

    async def once(address: str) -> None:
        async with target.connection(address) as (_, writer):
            writer.write(b"GET / HTTP/1.1\r\n")
            while True:
                writer.write(b"a:b\r\n" * 10_000)
                await writer.drain()

    await from_all(once)


async def slow_heads(target: Target) -> None:
    """Ten thousand requests that send a byte a second."""

    async def once(address: str) -> None:
        async with target.connection(address) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\na: ")
            while not reader.at_eof():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(1.0)

    await from_all(once, _SLOW // len(_ADDRESSES))


async def silent_connections(target: Target) -> None:
    """As many connections as can be had, which send nothing: descriptors run out."""

    async def once(address: str) -> None:
        async with target.connection(address) as (reader, _):
            await reader.read(1)

    await from_all(once, 2 * _SLOW // len(_ADDRESSES))


async def validations(target: Target) -> None:
    """Large frames at the public validator, the next one as soon as the last one is answered."""
    text = json.dumps({"frame": [2, "1", "Heartbeat", {"x": "x" * 60_000}]}).encode()
    request = _VALIDATE + b"Content-Length: %d\r\n\r\n" % len(text) + text

    async def once(address: str) -> None:
        async with target.connection(address) as (reader, writer):
            while True:
                writer.write(request)
                await reader.readuntil(b"\r\n\r\n")
                await reader.read(65_536)

    await from_all(once)


async def wrong_logins(target: Target) -> None:
    """Five hundred wrong passwords a second, which do not wait for answers."""
    numbers = count()

    async def guess(address: str) -> None:
        name = f"BENCH-{next(numbers) % 1000:05d}"
        credential = b64encode(f"{name}:guess".encode()).decode()
        async with target.connection(address) as (reader, writer):
            writer.write(
                f"GET /ocpp/benchmark/{name} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                f"Upgrade: websocket\r\nAuthorization: Basic {credential}\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Protocol: ocpp1.6\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                "\r\n".encode()
            )
            await reader.readuntil(b"\r\n\r\n")

    async with asyncio.TaskGroup() as guesses:
        for number in count():
            guesses.create_task(_quietly(guess(_ADDRESSES[number % len(_ADDRESSES)])))
            await asyncio.sleep(1 / _GUESSES_PER_S)


async def refused_frames(target: Target) -> None:
    """Frames of 90 KB that are refused, from thirty charge points of a neighbour."""
    text = json.dumps([2, "x", "Heartbeat", {"surplus": "x" * _FRAME_BYTES}])
    await _frames(target, text)


async def large_frames(target: Target) -> None:
    """MeterValues of 48 KB, from thirty charge points of a neighbour."""
    samples = [
        {"value": f"{number}", "measurand": "Energy.Active.Import.Register"}
        for number in range(_VALID_SAMPLES)
    ]
    reading = {"timestamp": "2026-05-01T12:00:00Z", "sampledValue": samples}
    await _frames(target, json.dumps([2, "x", "MeterValues", {"connectorId": 1, "meterValue": [reading]}]))


async def readers(target: Target) -> None:
    """Lists of charge points, read by a hundred and twenty clients with a key of a neighbour."""
    request = (
        f"GET /v1/charge-points?limit=50 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {target.key}\r\n\r\n"
    ).encode()

    async def once(address: str) -> None:
        async with target.connection(address) as (reader, writer):
            while True:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)

    await asyncio.gather(
        *(again_and_again(partial(once, _ADDRESSES[number % 10])) for number in range(_READERS))
    )


async def _frames(target: Target, text: str) -> None:
    async def once(number: int) -> None:
        async with target.charge_point(number) as socket:
            for message in count():
                await socket.send(text.replace('"x"', f'"m{message}"', 1))
                await socket.recv()

    await asyncio.gather(*(again_and_again(partial(once, number)) for number in range(_CHARGE_POINTS)))


async def _quietly(work: Awaitable[None]) -> None:
    with contextlib.suppress(OSError, EOFError, asyncio.IncompleteReadError):
        await work


OF_STRANGERS: Final[dict[str, Attack]] = {
    attack.__name__: attack
    for attack in (endless_heads, header_lines, slow_heads, silent_connections, validations, wrong_logins)
}
OF_CHARGE_POINTS: Final[dict[str, Attack]] = {
    attack.__name__: attack for attack in (refused_frames, large_frames)
}
OF_CLIENTS: Final[dict[str, Attack]] = {readers.__name__: readers}


def main() -> None:
    """Attack until the process is ended."""
    name, port, *account = sys.argv[1:]
    os.nice(19)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    attack = (OF_STRANGERS | OF_CHARGE_POINTS | OF_CLIENTS)[name]
    asyncio.run(attack(Target(int(port), *account)))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
