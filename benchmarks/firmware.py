"""Measures a roll-out of firmware: 200 charge points download 50 MB at once while others report.

    python -m benchmarks.firmware

The charge points are connected, get UpdateFirmware, and fetch the URL that it names. Rounds without and with
downloads follow each other in turns; the others send MeterValues at a fixed rate, so that a slow answer
delays no later frame. Server, engines and clients share the machine: on two cores the downloads cost the
others more than they would in a data centre.
"""

import asyncio
import os
import statistics
import time
from base64 import b64encode
from contextlib import AsyncExitStack
from typing import Final
from urllib.parse import urlsplit

import httpx
import orjson
from websockets.asyncio.client import connect

from benchmarks.accounting import memory
from benchmarks.commands import api_token
from benchmarks.host import Cores
from benchmarks.load import FleetPlan, Run, running_fleet
from benchmarks.rounds import Measured, measure_round
from benchmarks.testbed import (
    HOST,
    Server,
    Testbed,
    identity,
    running_server,
    running_testbed,
    scratch_directory,
)

_FILE_BYTES: Final = 50 * 1024 * 1024
_DOWNLOADERS: Final = 200
_OTHERS: Final = 256
_RATE_PER_S: Final = 1000.0
_ROUNDS: Final = 9
_WARM_UP_S: Final = 1.0
_ROUND_S: Final = 4.0
_PART_BYTES: Final = 1 << 18


class Downloader:
    """A charge point that waits for UpdateFirmware, and then fetches the file again and again.

    Attributes:
        received: bytes of files so far.
    """

    def __init__(self, server: Server, key: str, name: str) -> None:
        credential = b64encode(f"{name}:".encode() + bytes.fromhex(key)).decode()
        self._url, self._headers = f"{server.url}/{name}", {"Authorization": f"Basic {credential}"}
        self._location: str | None = None
        self.received = 0

    async def wait_for_order(self, connected: asyncio.Semaphore) -> None:
        """Log in, and wait until UpdateFirmware has named the URL. connected: released when logged in."""
        options = {"additional_headers": self._headers, "subprotocols": ["ocpp1.6"]}
        async with connect(self._url, **options) as socket:  # type: ignore[arg-type]
            boot = {"chargePointVendor": "Benchmark", "chargePointModel": "Downloader"}
            await socket.send(orjson.dumps([2, "boot", "BootNotification", boot]).decode())
            assert orjson.loads(await socket.recv())[0] == 3
            connected.release()
            async for text in socket:
                kind, message_id, *rest = orjson.loads(text)
                if kind == 2:
                    await socket.send(orjson.dumps([3, message_id, {}]).decode())
                    if rest[0] == "UpdateFirmware":
                        self._location = rest[1]["location"]
                        return

    async def download(self, allowed: asyncio.Event) -> None:
        """Fetch the file whenever it is allowed, until cancelled."""
        assert self._location is not None
        target = urlsplit(self._location)
        while True:
            await allowed.wait()
            reader, writer = await asyncio.open_connection(HOST, target.port, limit=_PART_BYTES)
            writer.write(f"GET {target.path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert b" 200 " in head.split(b"\r\n")[0], head
            while allowed.is_set() and (part := await reader.read(_PART_BYTES)):
                self.received += len(part)
            writer.transport.abort()


async def order_firmware(server: Server, token: str) -> None:
    """Upload a file, and have each downloader updated to it."""
    headers = {"Authorization": f"Bearer {token}"}
    base = f"http://{HOST}:{server.port}/v1"
    async with httpx.AsyncClient(headers=headers, timeout=120) as client:
        kind = {"Content-Type": "application/octet-stream"}
        sent = await client.post(f"{base}/files?name=v2.bin", content=os.urandom(_FILE_BYTES), headers=kind)
        file_id = sent.raise_for_status().json()["id"]
        for number in range(_DOWNLOADERS):
            path = f"{base}/charge-points/{identity(number)}/firmware-updates"
            (await client.post(path, json={"file_id": file_id})).raise_for_status()


async def measure(testbed: Testbed, server: Server, token: str) -> None:
    """Print the figures."""
    allowed, connected = asyncio.Event(), asyncio.Semaphore(0)
    points = [Downloader(server, testbed.key, identity(number)) for number in range(_DOWNLOADERS)]
    plan = FleetPlan(server.url, testbed.key, first=_DOWNLOADERS)
    async with running_fleet(plan) as fleet, asyncio.TaskGroup() as group:
        await fleet.connect(_OTHERS)
        orders = [group.create_task(point.wait_for_order(connected)) for point in points]
        for _ in points:
            await connected.acquire()
        await order_firmware(server, token)
        await asyncio.gather(*orders)
        downloads = [group.create_task(point.download(allowed)) for point in points]
        subject = Measured(server, fleet, testbed)
        run = Run("meter_values", _OTHERS, _WARM_UP_S, _ROUND_S, _RATE_PER_S)
        p99_ms: dict[bool, list[float]] = {False: [], True: []}
        resident: dict[bool, list[int]] = {False: [], True: []}
        rates = []
        for turn in range(2 * _ROUNDS):
            is_loaded = turn % 2 == 1
            if is_loaded:
                allowed.set()
            received, begun = sum(point.received for point in points), time.perf_counter()
            figures, _ = await measure_round(subject, run)
            if is_loaded:
                took_s = time.perf_counter() - begun
                rates.append((sum(point.received for point in points) - received) / took_s / 1e6)
            p99_ms[is_loaded].append(figures["p99_ms"])
            resident[is_loaded].append(memory(server.processes).resident_bytes)
            allowed.clear()
        for download in downloads:
            download.cancel()
    quiet, loaded = (statistics.median(p99_ms[kind]) for kind in (False, True))
    grown = (max(resident[True]) - min(resident[False])) / 2**20
    print(
        f"{_DOWNLOADERS} charge points download {_FILE_BYTES >> 20} MB: {statistics.median(rates):.0f} MB/s"
    )
    print(
        f"MeterValues of {_OTHERS} others, {_RATE_PER_S:.0f}/s, "
        f"p99: quiet {quiet:.1f} ms, loaded {loaded:.1f} ms"
    )
    print(f"loaded / quiet: {loaded / quiet:.2f}; memory of the server: +{grown:.0f} MB at most")


async def main() -> None:
    """Measure, and print."""
    cores = Cores()
    async with AsyncExitStack() as stack:
        stack.enter_context(cores.kept_off_server_core())
        directory = stack.enter_context(scratch_directory())
        testbed = await stack.enter_async_context(running_testbed(directory, _DOWNLOADERS + _OTHERS))
        token = await api_token(testbed)
        server = await stack.enter_async_context(
            running_server(testbed, cores, directory, has_public_url=True)
        )
        await measure(testbed, server, token)


if __name__ == "__main__":
    asyncio.run(main())
