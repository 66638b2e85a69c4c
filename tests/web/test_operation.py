"""The questions of operators to the server."""

from typing import Any

import pytest

from app.tenants.records import TenantRecord
from tests.support.api import Api


async def test_metrics_are_for_keys_of_the_platform_with_their_scope(
    api: Api, operator: TenantRecord, platform_token: str
) -> None:
    assert (await api.call("GET", "/metrics")).status_code == 401
    assert (await api.call("GET", "/metrics", await api.key(operator, "metrics"))).status_code == 403
    assert (await api.call("GET", "/metrics", platform_token)).status_code == 403
    shown = await api.call("GET", "/metrics", await api.key(None, "metrics"))
    assert shown.status_code == 200
    assert "stationmaster_limits_hit_total" in shown.text


async def test_who_hangs_up_inside_a_request_is_no_fault_of_ours(
    api: Api, token: str, capfd: pytest.CaptureFixture[str]
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
    await api.app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert "Traceback" not in capfd.readouterr().err
