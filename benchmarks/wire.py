"""N sockets in a closed loop against the running server: frames per second, latency, CPU of each process.

Closed loop: each charge point sends its next CALL when the last one is answered, so N is the number of CALLs
under way at any time. MeterValues is answered after its rows are committed with fsync; Heartbeat touches no
record.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import orjson

from benchmarks.accounting import CpuUse, cpu_use
from benchmarks.corpus import UNIQUE_ID, frame
from benchmarks.plan import Plan
from benchmarks.rig import TENANT, Rig, identity
from benchmarks.summary import percentile, summarize
from benchmarks.websocket_load import FrameTemplate, LoadError, LoadSocket

_CONNECTING_AT_ONCE = 16
_LAST_ANSWER_S = 30.0
_START_TIME = "2026-03-01T08:00:00.000Z"


@dataclass(slots=True)
class _Round:
    """One measurement of so many sockets; `running` ends it, `stopped` is set by the last answer."""

    sockets: int
    stopped: asyncio.Event
    running: bool = True
    answers: int = 0
    latencies_s: list[float] = field(default_factory=list)

    def answered(self, took_s: float) -> bool:
        self.answers += 1
        self.latencies_s.append(took_s)
        if not self.running:
            self.sockets -= 1
            if self.sockets == 0:
                self.stopped.set()
        return self.running


async def measure(rig: Rig, plan: Plan) -> dict[str, Any]:
    """Return the figures by scenario and number of sockets."""
    sockets = await connect_many(rig, 0, max(plan.socket_counts))
    scenarios: dict[str, list[FrameTemplate]] = {"meter_values": [], "heartbeat": []}
    for number, socket in enumerate(sockets):
        scenarios["meter_values"].append(await _meter_values_template(socket, number))
        scenarios["heartbeat"].append(FrameTemplate(frame("heartbeat").text.replace(UNIQUE_ID, "{id}")))
    rounds: dict[str, dict[int, list[dict[str, float]]]] = {
        name: {count: [] for count in plan.socket_counts} for name in scenarios
    }
    answered = 0
    # Rounds outside, so that what changes in the machine meanwhile meets every scenario.
    for _ in range(plan.wire_rounds):
        for name, templates in scenarios.items():
            for count in plan.socket_counts:
                found, answers = await _measure_round(rig, sockets[:count], templates[:count], plan)
                rounds[name][count].append(found)
                answered += answers if name == "meter_values" else 0
    for socket in sockets:
        socket.close()
    await _assert_stored(rig, answered)
    return {name: _figures(by_count) for name, by_count in rounds.items()}


async def connect_many(rig: Rig, first: int, count: int) -> list[LoadSocket]:
    """Connect and boot charge points, a few at a time."""
    gate = asyncio.Semaphore(_CONNECTING_AT_ONCE)
    boot = frame("boot_notification").text.replace(UNIQUE_ID, "{id}")

    async def connect(number: int) -> LoadSocket:
        async with gate:
            socket = LoadSocket()
            name = identity(number)
            await socket.connect(rig.port, f"/ocpp/{TENANT}/{name}", name, rig.key)
            await socket.call(boot)
            return socket

    return await asyncio.gather(*(connect(number) for number in range(first, first + count)))


async def _meter_values_template(socket: LoadSocket, number: int) -> FrameTemplate:
    """Open a transaction; return the frame whose four sampled values belong to it."""
    start = {"connectorId": 1, "idTag": "BENCHMARK", "meterStart": 1_000_000, "timestamp": _START_TIME}
    answer = orjson.loads(await socket.call(orjson.dumps([2, "{id}", "StartTransaction", start]).decode()))
    text = frame("meter_values").text
    for old, new in (
        (UNIQUE_ID, "{id}"),
        ('"transactionId":100001', f'"transactionId":{answer[2]["transactionId"]}'),
        ("30:00.000Z", "{time}Z"),
        ('"1207080"', '"{register}"'),
    ):
        if old not in text:
            raise LoadError(f"the corpus' MeterValues has no {old}")
        text = text.replace(old, new, 1)
    return FrameTemplate(text)


async def _measure_round(
    rig: Rig, sockets: list[LoadSocket], templates: list[FrameTemplate], plan: Plan
) -> tuple[dict[str, float], int]:
    """Return the figures of the measured part, and all answers, those of the warm-up included."""
    current = _Round(len(sockets), asyncio.Event())
    failure: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: failure.append(context.get("exception") or LoadError(context["message"]))
    )
    for socket, template in zip(sockets, templates, strict=True):
        socket.start(template, current.answered)
    await asyncio.sleep(plan.wire_warm_up_s)
    current.latencies_s.clear()
    before = _Usage.now(rig, current.answers)
    await asyncio.sleep(plan.wire_round_s)
    latencies_s = sorted(current.latencies_s)
    after = _Usage.now(rig, current.answers)
    current.running = False
    try:
        async with asyncio.timeout(_LAST_ANSWER_S):
            await current.stopped.wait()
    except TimeoutError:
        raise failure[0] if failure else LoadError("some answers never came") from None
    return after.since(before, latencies_s), current.answers


async def _assert_stored(rig: Rig, answered: int) -> None:
    """A fast answer that stored nothing would be no result.

    Raises:
        LoadError: the answered MeterValues are not in the database, one row each.
    """
    connection = await asyncpg.connect(rig.engines.database_url)
    try:
        stored: int = await connection.fetchval(
            "select count(*) from meter_values join tenants on tenants.id = tenant_id where slug = $1", TENANT
        )
    finally:
        await connection.close()
    if stored != answered:
        raise LoadError(f"{answered} MeterValues were answered, {stored} are stored")


@dataclass(frozen=True, slots=True)
class _Usage:
    at: float
    answers: int
    server: CpuUse
    postgres: CpuUse
    redis: CpuUse
    load_s: float

    @classmethod
    def now(cls, rig: Rig, answers: int) -> "_Usage":
        return cls(
            time.perf_counter(),
            answers,
            cpu_use(rig.server),
            cpu_use(rig.postgres_processes()),
            cpu_use([rig.redis]),
            time.process_time(),
        )

    def since(self, before: "_Usage", latencies_s: list[float]) -> dict[str, float]:
        answers = max(1, self.answers - before.answers)
        passed_s = self.at - before.at
        server = self.server.since(before.server)
        latencies_s = latencies_s or [passed_s]
        return {
            "frames_per_s": answers / passed_s,
            "p50_ms": percentile(latencies_s, 0.5) * 1000.0,
            "p99_ms": percentile(latencies_s, 0.99) * 1000.0,
            "server_cpu_us": server.exact_s / answers * 1e6,
            "server_user_us": server.user_s / answers * 1e6,
            "server_system_us": server.system_s / answers * 1e6,
            "server_busy": server.exact_s / passed_s,
            "postgres_cpu_us": self.postgres.since(before.postgres).exact_s / answers * 1e6,
            "redis_cpu_us": self.redis.since(before.redis).exact_s / answers * 1e6,
            "load_generator_cpu_us": (self.load_s - before.load_s) / answers * 1e6,
        }


def _figures(by_count: dict[int, list[dict[str, float]]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for count, rounds in by_count.items():
        figures = {name: summarize([figure[name] for figure in rounds]) for name in rounds[0]}
        found.append({"sockets": count, **figures})
    return found
