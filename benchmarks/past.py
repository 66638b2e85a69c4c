"""Times records and lists as the past grows: through a running server, one at a time. It prints a table.

    python -m benchmarks.past [own transactions of the charge point ...]

The tenant has ten times as many transactions as the charge point. Each time is the median of many round trips
of one charge point or one caller, with nothing else to do.
"""

import asyncio
import json
import statistics
import sys
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import asyncpg
import httpx
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.commands import api_token
from benchmarks.host import Cores
from benchmarks.testbed import (
    HOST,
    TENANT,
    Server,
    Testbed,
    identity,
    running_server,
    running_testbed,
    scratch_directory,
)

_CHARGE_POINTS: Final = 101
_ROUNDS: Final = 101
_SHARE: Final = 10
_ROWS_AT_ONCE: Final = 500_000
_FILL: Final = """
    with place as (
        select t.id as tenant, (select min(id) from charge_points where tenant_id = t.id) as first
        from tenants t where t.slug = $1
    ), session as (
        select place.*, number, '2023-01-01'::timestamptz + number * interval '10 s' as at,
            case when number % $4 = 0 then 0 else 1 + number / $4 % ($5::int - 1) end as place
        from place, generate_series($2::bigint, $3::bigint - 1) as number
    )
    insert into transactions (tenant_id, id, charge_point_id, connector_id, id_tag, id_tag_key, started_at,
        started_key, started_received_at, meter_start_wh, id_tag_info, started_epoch, stopped_at,
        stopped_received_at, meter_stop_wh, stop_raw)
    select tenant, number, first + place, 1 + number / $4 % 2, 'TAG-' || number % 5000,
        'tag-' || number % 5000, at, at, at, number, '{"status": "Accepted"}', 1, at + interval '9 s',
        at + interval '9 s', number + 1, '{}'
    from session
"""
# The sessions of the measurement have numbers above those of any past.
_NEXT_ID: Final = """
    insert into transaction_ids select id, 1000000000 from tenants where slug = $1 on conflict do nothing
"""
_LISTS: Final = {
    "list, no filter": "",
    "list, charge point": f"&charge_point={identity(0)}",
    "list, connector": f"&charge_point={identity(0)}&connector_id=2",
    "list, connector of all charge points": "&connector_id=2",
    "list, tag": "&id_tag=TAG-40",
    "list, tag at a charge point": f"&charge_point={identity(0)}&id_tag=TAG-40",
    "list, tag on a connector, from a day on": "&id_tag=TAG-40&connector_id=2&from=2023-01-01T00:00:00Z",
    "list, stopped": "&open=false",
    "list, stopped of a connector": f"&charge_point={identity(0)}&connector_id=2&open=false",
    "list, open": "&open=true",
    "list, open of a charge point": f"&charge_point={identity(0)}&open=true",
    "list, a day long past": "&from=2023-01-01T00:00:00Z&to=2023-01-02T00:00:00Z",
}


async def fill(testbed: Testbed, first: int, end: int) -> None:
    """Store the stopped transactions with the numbers from `first` up to, but not including, `end`."""
    connection = await asyncpg.connect(testbed.engines.database_url)
    try:
        for start in range(first, end, _ROWS_AT_ONCE):
            last = min(end, start + _ROWS_AT_ONCE)
            await connection.execute(_FILL, TENANT, start, last, _SHARE, _CHARGE_POINTS)
        await connection.execute(_NEXT_ID, TENANT)
        # The work that the inserts leave for later must not count.
        await connection.execute("vacuum analyze transactions")
        await connection.execute("checkpoint")
    finally:
        await connection.close()


async def median_ms(act: Callable[[int], Awaitable[Any]]) -> float:
    """Return the median time of an act, which gets its number."""
    times = []
    for number in range(_ROUNDS):
        begun = time.perf_counter()
        await act(number)
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1000


async def measure(testbed: Testbed, server: Server, token: str) -> dict[str, float]:
    """Return the median time of each record and each list, in milliseconds."""
    login = b64encode(f"{identity(0)}:".encode() + bytes.fromhex(testbed.key)).decode()
    url = f"{server.url}/{identity(0)}"
    headers = {"Authorization": f"Basic {login}"}
    found: dict[str, float] = {}
    async with connect(url, subprotocols=["ocpp1.6"], additional_headers=headers) as charge_point:  # type: ignore[list-item]
        found |= await _records(charge_point)
    base = f"http://{HOST}:{server.port}/v1/transactions?limit=50"
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
        for name, query in _LISTS.items():
            found[name] = await median_ms(partial(_listed, client, base + query))
    return found


async def _listed(client: httpx.AsyncClient, url: str, _: int) -> None:
    (await client.get(url)).raise_for_status()


async def _records(charge_point: ClientConnection) -> dict[str, float]:
    begun = time.time()
    last: dict[str, Any] = {}

    def at(number: int) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begun - 3600 + number))

    async def call(action: str, payload: dict[str, Any]) -> dict[str, Any]:
        await charge_point.send(json.dumps([2, str(time.perf_counter_ns()), action, payload]))
        kind, _, answer, *_ = json.loads(await charge_point.recv())
        while kind == 2:
            # The server asks for the state: skip that.
            kind, _, answer, *_ = json.loads(await charge_point.recv())
        assert kind == 3, answer
        last[action] = answer
        result: dict[str, Any] = answer
        return result

    def started(number: int) -> Awaitable[Any]:
        tag = identity(0)
        start = {"connectorId": 1, "idTag": tag, "meterStart": 10**9 + number, "timestamp": at(number)}
        return call("StartTransaction", start)

    def stopped(number: int, transaction_id: int | None = None) -> Awaitable[Any]:
        named = last["StartTransaction"]["transactionId"] if transaction_id is None else transaction_id
        stop = {"transactionId": named, "meterStop": 2 * 10**9 + number, "timestamp": at(number)}
        return call("StopTransaction", stop)

    def sampled(number: int) -> Awaitable[Any]:
        value = {"timestamp": at(number), "sampledValue": [{"value": str(number)}]}
        return call("MeterValues", {"connectorId": 1, "meterValue": [value]})

    async def session(number: int) -> None:
        await started(1000 + number)
        await stopped(1000 + number)

    async def session_without_an_id(number: int) -> None:
        await started(2000 + number)
        await stopped(2000 + number, -1)

    return {
        "StartTransaction, the one before still open": await median_ms(started),
        "StartTransaction and its stop": await median_ms(session),
        "StartTransaction and a stop without an id": await median_ms(session_without_an_id),
        "StopTransaction that fits nothing": await median_ms(lambda number: stopped(9000 + number, 0)),
        "MeterValues between sessions": await median_ms(sampled),
    }


async def main(sizes: list[int]) -> None:
    """Measure at each size, and print the table."""
    cores, columns, filled = Cores(), {}, 1
    with cores.kept_off_server_core(), scratch_directory() as directory:
        async with running_testbed(directory, _CHARGE_POINTS) as testbed:
            token = await api_token(testbed)
            for own in sizes:
                await fill(testbed, filled, own * _SHARE + 1)
                filled = own * _SHARE + 1
                async with running_server(testbed, cores, directory) as server:
                    columns[own] = await measure(testbed, server, token)
    print("| | " + " | ".join(f"{own:,}" for own in sizes) + " | largest / smallest |")
    print("|---" * (len(sizes) + 2) + "|")
    for name in columns[sizes[0]]:
        times = [columns[own][name] for own in sizes]
        print(f"| {name} | " + " | ".join(f"{ms:.2f}" for ms in times) + f" | {times[-1] / times[0]:.2f} |")


if __name__ == "__main__":
    asyncio.run(main([int(text) for text in sys.argv[1:]] or [10, 10_000, 1_000_000]))
