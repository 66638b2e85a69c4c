"""The questions of operators to the server."""

import asyncio
from typing import Any

import pytest

from app.tenants.records import TenantRecord
from tests.support.api import Edge


async def test_health_needs_no_key_and_names_the_engines(edge: Edge) -> None:
    answer = await edge.call("GET", "/health")
    assert (answer.status_code, answer.json()) == (200, {"database": "ok", "redis": "ok"})


async def test_metrics_are_for_the_platform_only(
    edge: Edge, operator: TenantRecord, token: str, platform_token: str
) -> None:
    assert (await edge.call("GET", "/metrics")).status_code == 401
    assert (await edge.call("GET", "/metrics", token)).status_code == 403
    shown = await edge.call("GET", "/metrics", platform_token)
    assert shown.status_code == 200
    assert "stationmaster_limits_hit_total" in shown.text


async def test_a_database_that_hangs_is_no_reason_to_wait(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, asked = edge.services.storage.database, 0

    async def hang() -> bool:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()
        return True

    monkeypatch.setattr("app.database.database._PING_S", 0.05)
    with monkeypatch.context() as patch:
        patch.setattr(database, "_answers", hang)
        answers = await asyncio.gather(*(edge.call("GET", "/health") for _ in range(3)))
    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert asked == 1
    assert database._probe is not None
    database._probe.cancel()
    await asyncio.wait({database._probe})
    monkeypatch.setattr("app.database.database._PING_S", 10.0)
    assert (await edge.call("GET", "/health")).status_code == 200


async def test_who_hangs_up_inside_a_request_is_no_fault_of_ours(
    edge: Edge, token: str, capfd: pytest.CaptureFixture[str]
) -> None:
    messages = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    path = "/v1/charge-points/CP-1/commands/Reset"
    headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-length", b"50")]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [*headers, (b"content-type", b"application/json")],
        "client": ("192.0.2.1", 1),
        "server": ("test", 80),
    }
    await edge.app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert "Traceback" not in capfd.readouterr().err
