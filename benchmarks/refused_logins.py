"""Measures refused logins on a running server with its ordinary limits. It prints what it finds.

    python -m benchmarks.refused_logins

First: whether the time of the answer tells a wrong password from an unknown identity. Both are asked in
turns, from a new address each time, and compared by Welch's t; below 4.5 they cannot be told apart.

Then: 2000 wrong passwords a second from 50 addresses, while a genuine charge point logs in four times a
second from an address of its own. All addresses are on loopback.
"""

import asyncio
import statistics
import time
from base64 import b64encode
from collections import Counter
from itertools import count
from typing import Final

from benchmarks.accounting import cpu_use
from benchmarks.host import Cores
from benchmarks.testbed import (
    HOST,
    TENANT,
    Server,
    identity,
    running_server,
    running_testbed,
    scratch_directory,
)

_CHARGE_POINTS: Final = 1000
_PAIRS: Final = 3000
_WARM_UP: Final = 200
_ATTACKERS: Final = 50
_TRIES_PER_S: Final = 2000
_ATTACK_S: Final = 20
_GENUINE_EVERY_S: Final = 0.25
_WRONG: Final = "wrong password"


async def log_in(port: int, name: str, password: str, source: str) -> tuple[int, float]:
    """Try one login. Return the status of the answer, and the seconds from the request to the answer."""
    reader, writer = await asyncio.open_connection(HOST, port, local_addr=(source, 0))
    credential = b64encode(f"{name}:{password}".encode()).decode()
    request = (
        f"GET /ocpp/{TENANT}/{name} HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Protocol: ocpp1.6\r\nAuthorization: Basic {credential}\r\n\r\n"
    )
    begun = time.perf_counter()
    writer.write(request.encode())
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), time.perf_counter() - begun
    finally:
        writer.transport.abort()


async def compare_times(port: int) -> None:
    """Print how the times of the two refusals differ."""
    found: dict[str, list[float]] = {"wrong password": [], "unknown identity": []}
    for number in range(_WARM_UP + _PAIRS):
        # Each kind comes first in every second pair: what comes second may find caches warmer.
        for place, (kind, times) in enumerate(list(found.items())[:: 1 - 2 * (number % 2)]):
            name = identity(number % _CHARGE_POINTS)
            if kind == "unknown identity":
                name = f"OTHER-{name[-5:]}"
            source = f"127.{100 + place}.{number // 250}.{1 + number % 250}"
            status, seconds = await log_in(port, name, _WRONG, source)
            assert status == 401, status
            if number >= _WARM_UP:
                times.append(seconds * 1e6)
    for kind, times in found.items():
        print(f"{kind}: median {statistics.median(times):.0f} us, mean {statistics.fmean(times):.0f} us")
    print(f"Welch's t of {_PAIRS} pairs: {_welch(*map(_without_outliers, found.values())):.2f}")


def _without_outliers(times: list[float]) -> list[float]:
    """Leave out the slowest twentieth: pauses of the machine, which hit either kind."""
    return sorted(times)[: len(times) * 19 // 20]


def _welch(one: list[float], other: list[float]) -> float:
    error: float = (statistics.variance(one) / len(one) + statistics.variance(other) / len(other)) ** 0.5
    return (statistics.fmean(one) - statistics.fmean(other)) / error


async def attack(server: Server, key: str) -> None:
    """Print what an attack costs, and what a genuine charge point notices of it."""
    statuses: Counter[int | str] = Counter()
    genuine: list[float] = []
    numbers = count()
    end = time.monotonic() + _ATTACK_S

    async def guess(source: str) -> None:
        name = identity(1 + next(numbers) % (_CHARGE_POINTS - 1))
        try:
            statuses[(await log_in(server.port, name, _WRONG, source))[0]] += 1
        except (OSError, asyncio.IncompleteReadError) as error:
            statuses[type(error).__name__] += 1

    async def attackers() -> None:
        # It does not wait for answers, so that slow ones do not slow it.
        due = time.monotonic()
        async with asyncio.TaskGroup() as guesses:
            while (now := time.monotonic()) < end:
                due += 1 / _TRIES_PER_S
                await asyncio.sleep(max(0.0, due - now))
                guesses.create_task(guess(f"127.90.0.{1 + next(numbers) % _ATTACKERS}"))

    async def charge_point() -> None:
        while time.monotonic() < end:
            begun = time.perf_counter()
            status, _ = await log_in(server.port, identity(0), key, "127.0.0.200")
            genuine.append(time.perf_counter() - begun)
            assert status == 101, status
            await asyncio.sleep(_GENUINE_EVERY_S)

    begun, before = time.monotonic(), cpu_use(server.processes)
    await asyncio.gather(charge_point(), attackers())
    used, took_s = cpu_use(server.processes).since(before).exact_s, time.monotonic() - begun
    print(
        f"{_TRIES_PER_S} tries/s for {_ATTACK_S} s: {dict(statuses)}; answered after {took_s:.0f} s, "
        f"in which the server used {used / took_s:.2f} cores"
    )
    print(
        f"{len(genuine)} genuine logins: median {1000 * statistics.median(genuine):.0f} ms, "
        f"slowest {1000 * max(genuine):.0f} ms"
    )


async def main() -> None:
    """Measure both, and print them."""
    cores = Cores()
    with cores.kept_off_server_core(), scratch_directory() as directory:
        async with (
            running_testbed(directory, _CHARGE_POINTS) as testbed,
            running_server(testbed, cores, directory, is_crowd=False) as server,
        ):
            await compare_times(server.port)
            await attack(server, testbed.key)


if __name__ == "__main__":
    asyncio.run(main())
