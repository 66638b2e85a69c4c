"""One trace from the request over the command bus and the socket to the result; nothing when it is off."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from redis.asyncio import Redis

from app.commands.records import CommandRequest
from app.live.envelopes import CallEnvelope
from app.settings import Settings, SettingsError
from app.storage import Storage
from app.tenants.records import TenantRecord
from app.tracing import choice
from app.tracing.choice import check_tracing, tracing_of
from app.tracing.spans import NoTracing, TracedCommand
from app.tracing.telemetry import Telemetry
from app.types import CommandId, TenantId, WorkerId
from tests.support.cluster import RESET, Cluster, received
from tests.support.live import SetClock
from tests.support.workers import Charger, running_workers, silence

_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Traced:
    """Two workers that trace, an application that sends Reset from the first one, and the spans."""

    cluster: Cluster
    app: FastAPI
    spans: InMemorySpanExporter

    async def reset(self, charger: Charger, **headers: str) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post(f"/reset/{charger.connection.identity}", headers=headers)

    def named(self, name: str) -> ReadableSpan:
        (found,) = [span for span in self.spans.get_finished_spans() if span.name == name]
        return found


@pytest.fixture
async def traced(
    redis_url: str, redis: Redis, storage: Storage, settings: Settings, tenant: TenantRecord
) -> AsyncIterator[Traced]:
    spans, clock, app = InMemorySpanExporter(), SetClock(), FastAPI()
    telemetry = Telemetry(settings, SimpleSpanProcessor(spans))
    telemetry.start("worker")
    telemetry.install(app)
    async with running_workers(redis_url, storage, clock, settings, "a", "b", tracing=telemetry) as workers:
        cluster = Cluster(workers, storage, tenant, clock)

        @app.post("/reset/{identity}")
        async def reset(identity: str) -> str:
            request = CommandRequest(identity, "Reset", RESET, "test")
            command = await cluster.a.commands.issue(cluster.tenant_id, request, wait_s=20)
            return command.state

        yield Traced(cluster, app, spans)
    await telemetry.close()


def _parent(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def _id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


async def test_a_trace_leads_from_the_request_to_the_result_on_another_worker(traced: Traced) -> None:
    charger = await traced.cluster.charger(traced.cluster.b)
    answer = await traced.reset(charger, traceparent=_PARENT)
    assert answer.json() == "accepted"
    await charger.reported()
    request, bus, call = [traced.named(n) for n in ("POST /reset/{identity}", "bus Reset", "CALL Reset")]
    assert (_parent(call), _parent(bus)) == (_id(bus), _id(request))
    assert _parent(request) == 0xB7AD6B7169203331
    contexts = [span.get_span_context() for span in (request, bus, call)]
    assert {f"{context.trace_id:032x}" for context in contexts if context} == {_PARENT.split("-")[1]}
    assert [event.name for event in call.events] == ["sent", "answered"]
    assert call.attributes is not None
    assert call.attributes["ocpp.command.state"] == "accepted"
    assert call.attributes["stationmaster.charge_point"] == charger.connection.identity
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == 200


async def test_a_call_that_ends_badly_is_an_error(traced: Traced) -> None:
    charger = await traced.cluster.charger(traced.cluster.b, silence)
    asked = asyncio.create_task(traced.reset(charger))
    await received(charger)
    await charger.disconnect()
    assert (await asked).json() == "connection_lost"
    call = traced.named("CALL Reset")
    assert (call.status.status_code, call.status.description) == (StatusCode.ERROR, "connection_lost")


async def test_without_a_trace_the_envelope_carries_nothing() -> None:
    with NoTracing().delivering(TracedCommand("Reset", "1", 1, "CP-1")) as carried:
        pass
    envelope = CallEnvelope(
        tenant_id=TenantId(1),
        identity="CP-1",
        epoch=1,
        life_s=1.0,
        full_life_s=1.0,
        issuer=WorkerId("a"),
        command_id=CommandId("1"),
        action="Reset",
        payload="{}",
        timeout_s=1.0,
        trace=carried,
    )
    assert b"trace" not in msgspec.msgpack.encode(envelope)


def test_a_worker_that_does_not_trace_imports_nothing_for_it() -> None:
    code = (
        "import sys, app.main; from app.settings import Settings; "
        "app.main.create_app(Settings()); "
        # The client of Redis imports OpenTelemetry's metrics by itself, where they are installed.
        "ours = ('app.tracing.telemetry', 'opentelemetry.sdk.trace', 'opentelemetry.exporter'); "
        "print([name for name in sys.modules if name.startswith(ours)])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_the_settings_choose(settings: Settings) -> None:
    assert isinstance(tracing_of(settings), NoTracing)
    on = settings.model_copy(update={"tracing_url": "http://127.0.0.1:4318"})
    assert isinstance(tracing_of(on), Telemetry)


def test_without_the_package_the_server_says_what_to_install(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = settings.model_copy(update={"tracing_url": "http://127.0.0.1:4318"})
    check_tracing(on)
    monkeypatch.setattr(choice, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"^STATIONMASTER_TRACING_URL needs .*stationmaster\[tracing\]"):
        check_tracing(on)
    check_tracing(settings)
