"""Measures how long an event takes: from the socket of a charge point to the stream of another worker.

    python -m benchmarks.events

The charge points are connected to one server, and the client follows the stream of another one on the same
database and Redis. The time begins before StatusNotification is sent, so it includes its commit. Then the
same while other charge points report their states, too. Servers, engines and clients share the machine.
"""

import asyncio
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import httpx
import orjson
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.commands import api_token
from benchmarks.host import Cores
from benchmarks.testbed import (
    HOST,
    Server,
    Testbed,
    identity,
    running_server,
    running_testbed,
    scratch_directory,
)

_OTHERS: Final = 50
_OTHERS_RATE_PER_S: Final = 200.0
_EVENTS: Final = 400
_PAUSE_S: Final = 0.02
_WARM_UP: Final = 20
_LIMIT_S: Final = 60.0
_CALL: Final = 2
_CALL_ERROR: Final = 4


class Follower:
    """A client of the stream of one server, which notes when the event of each report has arrived.

    Attributes:
        arrived: by the `info` of the report.
    """

    def __init__(self) -> None:
        self.arrived: dict[str, float] = {}
        self._changed = asyncio.Condition()

    async def follow(self, server: Server, token: str) -> None:
        """Read the stream until cancelled."""
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        url = f"http://{HOST}:{server.port}/v1/events?type=connector.status_changed"
        async with (
            httpx.AsyncClient(timeout=_LIMIT_S) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                if line.startswith("data: ") and (info := orjson.loads(line[6:])["data"].get("info")):
                    self.arrived[info] = time.perf_counter()
                    async with self._changed:
                        self._changed.notify_all()

    async def wait(self, infos: set[str]) -> None:
        """Wait until the events of reports have arrived."""
        async with self._changed, asyncio.timeout(_LIMIT_S):
            await self._changed.wait_for(lambda: infos <= self.arrived.keys())


@asynccontextmanager
async def charge_point(server: Server, key: str, name: str) -> AsyncIterator[ClientConnection]:
    """Log in as a charge point."""
    credential = b64encode(f"{name}:".encode() + bytes.fromhex(key)).decode()
    options = {"additional_headers": {"Authorization": f"Basic {credential}"}, "subprotocols": ["ocpp1.6"]}
    async with connect(f"{server.url}/{name}", **options) as socket:  # type: ignore[arg-type]
        yield socket


async def report(socket: ClientConnection, info: str) -> float:
    """Send a state with another `info` than before; return when."""
    payload = {"connectorId": 1, "status": "Charging", "errorCode": "NoError", "info": info}
    text = orjson.dumps([2, info, "StatusNotification", payload]).decode()
    begun = time.perf_counter()
    await socket.send(text)
    while (answer := orjson.loads(await socket.recv()))[0] == _CALL:
        # The server asks a charge point that it does not know yet.
        await socket.send(orjson.dumps([_CALL_ERROR, answer[1], "NotSupported", "", {}]).decode())
    if answer[0] == _CALL_ERROR:
        raise RuntimeError(f"the report was refused: {answer}")
    return begun


async def keep_reporting(server: Server, key: str, number: int) -> None:
    """Report states as one of the others, until cancelled."""
    async with charge_point(server, key, identity(number)) as socket:
        count = 0
        while True:
            count += 1
            await report(socket, f"other-{number}-{count}")
            await asyncio.sleep(_OTHERS / _OTHERS_RATE_PER_S)


async def latencies_ms(socket: ClientConnection, follower: Follower, number: int, series: str) -> list[float]:
    """Return how long the event of each of `number` reports took, in order."""
    begun: dict[str, float] = {}
    for place in range(number):
        info = f"{series}-{place}"
        begun[info] = await report(socket, info)
        await asyncio.sleep(_PAUSE_S)
    await follower.wait(set(begun))
    return sorted((follower.arrived[info] - at) * 1000.0 for info, at in begun.items())


def show(title: str, found: list[float], say: Callable[[str], None] = print) -> None:
    """Print p50, p99 and the longest."""
    p50, p99 = found[len(found) // 2], found[int(len(found) * 0.99)]
    say(f"{title}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {found[-1]:.1f} ms of {len(found)} events")


async def measure(testbed: Testbed, owner: Server, other: Server, token: str) -> None:
    """Print the figures."""
    follower = Follower()
    async with (
        charge_point(owner, testbed.key, identity(0)) as socket,
        asyncio.TaskGroup() as group,
    ):
        following = group.create_task(follower.follow(other, token))
        # The stream tells what happens from its begin on, so the first that arrives shows that it runs.
        tried = 0
        while not follower.arrived:
            tried += 1
            await report(socket, f"first-{tried}")
            await asyncio.sleep(_PAUSE_S)
        await latencies_ms(socket, follower, _WARM_UP, "warm-up")
        show("quiet", await latencies_ms(socket, follower, _EVENTS, "quiet"))
        others = [
            group.create_task(keep_reporting(owner, testbed.key, number)) for number in range(1, _OTHERS + 1)
        ]
        await latencies_ms(socket, follower, _WARM_UP, "warm-up of the others")
        loaded = await latencies_ms(socket, follower, _EVENTS, "loaded")
        show(f"with up to {_OTHERS_RATE_PER_S:.0f} events/s of {_OTHERS} others", loaded)
        for task in (following, *others):
            task.cancel()


async def main() -> None:
    """Measure, and print."""
    cores = Cores()
    async with AsyncExitStack() as stack:
        stack.enter_context(cores.kept_off_server_core())
        directory = stack.enter_context(scratch_directory())
        testbed = await stack.enter_async_context(running_testbed(directory, _OTHERS + 1))
        token = await api_token(testbed)
        owner = await stack.enter_async_context(running_server(testbed, cores, directory))
        other = await stack.enter_async_context(running_server(testbed, cores, directory))
        await measure(testbed, owner, other, token)


if __name__ == "__main__":
    asyncio.run(main())
