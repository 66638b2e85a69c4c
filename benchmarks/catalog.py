"""Compares a cached catalog document with a bare Starlette route that returns the same bytes, in turns.

`asgi`: calls of the applications, without a socket. `http`: keep-alive connections to two servers with the
same uvicorn options, on the same core.
"""

import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

from starlette.types import Message, Scope

from app.main import create_app
from benchmarks import bare_route
from benchmarks.accounting import family
from benchmarks.host import Cores
from benchmarks.http_load import HttpLoop
from benchmarks.plan import Plan
from benchmarks.summary import significant, summarize
from benchmarks.testbed import HOST, Testbed, free_port, pinned_process, running_server, wait_until_serving

PATHS = ("/v1/protocols/ocpp-16j", "/v1/protocols/ocpp-16j/messages/MeterValues")

Application = Callable[[Scope, Any, Any], Awaitable[None]]


async def measure(testbed: Testbed, cores: Cores, plan: Plan, directory: Path) -> dict[str, Any]:
    """Return the requests per second of both, and the median of the ratios of neighbouring rounds."""
    app = create_app(testbed.settings)
    documents = {path: await _body(app, path) for path in PATHS}
    bare = bare_route.make(documents)
    figures: dict[str, Any] = {}
    async with (
        running_server(testbed, cores, directory) as server,
        _bare_server(documents, cores, directory) as (process, port),
    ):
        servers = {"catalog": (server.port, server.processes), "bare": (port, family(process))}
        for path, body in documents.items():
            if await _body(bare, path) != body:
                raise ValueError("the bare route returns other bytes")
            figures[path] = {
                "bytes": len(body),
                "asgi": await _alternate(
                    plan, {"catalog": _asgi_round(app, path), "bare": _asgi_round(bare, path)}
                ),
                "http": await _alternate(
                    plan,
                    {
                        name: _http_round(at, processes, path, body, plan)
                        for name, (at, processes) in servers.items()
                    },
                ),
            }
    return {"unit": "requests per second; CPU microseconds per request", "documents": figures}


Round = Callable[[float], Awaitable[tuple[float, float]]]
"""Runs for some seconds. It returns requests per second (of CPU time for `asgi`) and CPU us per request."""


async def _alternate(plan: Plan, subjects: dict[str, Round]) -> dict[str, Any]:
    rates: dict[str, list[float]] = {name: [] for name in subjects}
    cpu: dict[str, list[float]] = {name: [] for name in subjects}
    order = list(subjects)
    for _ in range(plan.catalog_rounds):
        for name in order:
            rate, cpu_us = await subjects[name](plan.catalog_round_s)
            rates[name].append(rate)
            cpu[name].append(cpu_us)
        # The first one changes with each round.
        order.reverse()
    ratios = [ours / theirs for ours, theirs in zip(rates["catalog"], rates["bare"], strict=True)]
    return {
        name: {"requests_per_s": summarize(rates[name]), "cpu_us": summarize(cpu[name])} for name in subjects
    } | {
        "throughput_of_bare": significant(median(ratios), 3),
        "ratios": [significant(ratio, 3) for ratio in ratios],
    }


def _scope(path: str) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:8080"), (b"accept", b"application/json")],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8080),
        "state": {},
    }


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _body(app: Application, path: str) -> bytes:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    await app(_scope(path), _receive, send)
    if messages[0]["status"] != 200:
        raise ValueError(f"{path}: {messages[0]['status']}")
    return b"".join(message.get("body", b"") for message in messages[1:])


def _asgi_round(app: Application, path: str) -> Round:
    async def send(message: Message) -> None:
        pass

    async def run(duration_s: float) -> tuple[float, float]:
        requests = 0
        started = time.thread_time()
        while (used_s := time.thread_time() - started) < duration_s / 4:
            for _ in range(50):
                await app(_scope(path), _receive, send)
            requests += 50
        return requests / used_s, used_s / requests * 1e6

    return run


def _http_round(port: int, processes: list[int], path: str, body: bytes, plan: Plan) -> Round:
    loop = HttpLoop(port, path, plan.catalog_connections, body=body)

    async def run(duration_s: float) -> tuple[float, float]:
        rate, [used_us] = await loop.run(duration_s, [lambda: processes])
        return rate, used_us

    return run


@asynccontextmanager
async def _bare_server(
    documents: dict[str, bytes], cores: Cores, directory: Path
) -> AsyncIterator[tuple[int, int]]:
    files = []
    for number, (path, body) in enumerate(documents.items()):
        file = directory / f"document-{number}"
        file.write_bytes(body)
        files.append(f"{path}={file}")
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "benchmarks.bare_route:application"]
    options = ["--host", HOST, "--port", str(port), "--loop", "uvloop", "--http", "httptools"]
    # The same options as those of the server, see `app.server.worker.make_config`.
    options += ["--no-access-log", "--no-server-header", "--no-proxy-headers", "--log-level", "warning"]
    environment = {bare_route.VARIABLE: " ".join(files)}
    with pinned_process([*command, *options], environment, cores, directory / "bare.log") as process:
        await wait_until_serving(process, port, directory / "bare.log")
        yield process.pid, port
