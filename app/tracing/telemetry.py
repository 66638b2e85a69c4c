"""Traces by OpenTelemetry. It is imported only if traces are on."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from fastapi import FastAPI
from msgspec import UNSET
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.settings import Settings
from app.tracing.spans import Carried, TracedCommand
from app.web.measuring import route_of

_EXPORT_S = 5.0
_PARENT = "traceparent"
_FAILED = frozenset({"call_error", "timed_out", "connection_lost", "expired"})
_PROPAGATOR = TraceContextTextMapPropagator()


class Telemetry:
    """Traces requests and commands, and sends the spans to a collector (OTLP over HTTP)."""

    def __init__(self, settings: Settings, processor: SpanProcessor | None = None) -> None:
        """Prepare. processor: takes the spans instead of the collector of the settings."""
        self._settings = settings
        self._processor = processor
        self._provider: TracerProvider | None = None
        self._tracer: trace.Tracer = trace.NoOpTracer()

    def install(self, app: FastAPI) -> None:
        """Trace the requests to an application."""
        app.add_middleware(TracedRequests, telemetry=self)

    def start(self, worker_id: str) -> None:
        """Send spans from now on. Not earlier: a process that is forked has no thread of its parent."""
        resource = Resource.create(
            {
                "service.name": "stationmaster",
                "service.version": version("stationmaster"),
                "service.instance.id": worker_id,
            }
        )
        sampler = ParentBased(TraceIdRatioBased(self._settings.tracing_ratio))
        self._provider = TracerProvider(resource=resource, sampler=sampler, shutdown_on_exit=False)
        processor = self._processor
        if processor is None:
            url = f"{self._settings.tracing_url}/v1/traces"
            processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=_EXPORT_S))
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("stationmaster")

    async def close(self) -> None:
        """Send what waits, and stop."""
        if self._provider is not None:
            await asyncio.to_thread(self._provider.shutdown)

    @contextmanager
    def requested(self, method: str, parent: str | None) -> Iterator[trace.Span]:
        """Trace a request inside the block. parent: what its header `traceparent` says."""
        context = _PROPAGATOR.extract({} if parent is None else {_PARENT: parent})
        with self._tracer.start_as_current_span(
            method, context, trace.SpanKind.SERVER, {"http.request.method": method}
        ) as span:
            yield span

    @contextmanager
    def delivering(self, command: TracedCommand) -> Iterator[Carried]:
        """Trace inside the block that a command goes over the bus. Yields what its envelope carries."""
        with self._tracer.start_as_current_span(
            f"bus {command.action}", kind=trace.SpanKind.PRODUCER, attributes=_attributes(command)
        ):
            carrier: dict[str, str] = {}
            _PROPAGATOR.inject(carrier)
            yield carrier.get(_PARENT, UNSET)

    def calling(self, carried: Carried, command: TracedCommand) -> "CommandSpan | None":
        """Begin the span of a CALL. carried: by its envelope. None: it is not traced."""
        if carried is UNSET:
            return None
        span = self._tracer.start_span(
            f"CALL {command.action}",
            _PROPAGATOR.extract({_PARENT: str(carried)}),
            trace.SpanKind.CLIENT,
            _attributes(command),
        )
        return CommandSpan(span)


class CommandSpan:
    """The span of a CALL."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, event: str) -> None:
        """Note the time of an event."""
        self._span.add_event(event)

    def end(self, state: str) -> None:
        """End the span. state: in which the command ended."""
        self._span.set_attribute("ocpp.command.state", state)
        if state in _FAILED:
            self._span.set_status(trace.StatusCode.ERROR, state)
        self._span.end()


class TracedRequests:
    """ASGI middleware that makes a span of each request of the REST API."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, inside a span."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parent = next(
            (value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None
        )
        with self._telemetry.requested(scope["method"], parent) as span:

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.set_status(trace.StatusCode.ERROR)
                await send(message)

            try:
                await self._app(scope, receive, noting)
            finally:
                route = route_of(scope)
                span.set_attribute("http.route", route)
                span.update_name(f"{scope['method']} {route}")


def _attributes(command: TracedCommand) -> dict[str, str | int]:
    return {
        "ocpp.action": command.action,
        "stationmaster.command_id": command.command_id,
        "stationmaster.tenant_id": command.tenant_id,
        "stationmaster.charge_point": command.charge_point,
    }
