"""What whoever runs the server asks it."""

from app.store.records import TenantRecord
from tests.api.edge import Edge


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
