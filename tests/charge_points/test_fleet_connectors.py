"""`/v1/connectors`: the connectors of all charge points of a tenant."""

from datetime import timedelta
from typing import Any

import pytest

from app.charge_points.records import LastSeen, StatusReport
from app.charge_points.store import ChargePointStore
from app.tenants.records import TenantRecord
from app.types import ChargePointId
from tests.support.api import NOW, Api
from tests.support.statuses import record_status

PATH = "/v1/connectors"


@pytest.fixture
async def fleet(api: Api, operator: TenantRecord) -> list[ChargePointId]:
    """Create two charge points with connectors; the second one has been silent for two hours."""
    points = [await api.charge_point(operator, identity) for identity in ("Z-1", "A-2")]
    async with api.services.storage.database.tenant(operator.id) as work:
        await ChargePointStore(work).update("Z-1", labels={"site": "north"})
    run = api.services.storage.message_steps.rows
    for point, connector, status, error in (
        (points[0], 0, "Available", "NoError"),
        (points[0], 1, "Charging", "NoError"),
        (points[0], 2, "Faulted", "GroundFailure"),
        (points[1], 1, "Charging", "NoError"),
    ):
        await record_status(run, operator.id, point, StatusReport(connector, status, error, NOW, NOW, 0), 64)
    seen = [LastSeen(operator.id, points[0], NOW), LastSeen(operator.id, points[1], NOW - timedelta(hours=2))]
    await api.services.storage.login_batcher.record_last_seen(seen)
    return points


async def listed(api: Api, token: str, **query: Any) -> list[tuple[str, int]]:
    response = await api.call("GET", PATH, token, params=query)
    assert response.status_code == 200, response.text
    return [(item["identity"], item["connector_id"]) for item in response.json()["items"]]


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [("Z-1", 0), ("Z-1", 1), ("Z-1", 2), ("A-2", 1)]),
        ({"status": "Charging"}, [("Z-1", 1), ("A-2", 1)]),
        ({"error_code": "GroundFailure"}, [("Z-1", 2)]),
        ({"error_code": "NoError", "label": "site:north"}, [("Z-1", 0), ("Z-1", 1)]),
        ({"label": ["site:north", "site:south"]}, []),
        ({"stale": "true"}, [("A-2", 1)]),
        ({"stale": "false", "label": "site"}, [("Z-1", 0), ("Z-1", 1), ("Z-1", 2)]),
    ],
)
async def test_the_list_is_narrowed(
    api: Api, token: str, query: dict[str, Any], found: list[tuple[str, int]]
) -> None:
    assert await listed(api, token, **query) == found


async def test_a_report_of_an_earlier_connection_is_stale(
    api: Api, operator: TenantRecord, token: str, fleet: list[ChargePointId]
) -> None:
    await api.services.storage.login_batcher.next_epoch(operator.id, fleet[0], NOW)
    await api.connect(operator, fleet[0], "Z-1")
    items = (await api.call("GET", PATH, token)).json()["items"]
    assert [(item["stale"], item["connected"]) for item in items] == [(True, True)] * 3 + [(True, False)]


@pytest.mark.usefixtures("fleet")
async def test_pages_have_each_connector_once(api: Api, token: str) -> None:
    seen: list[tuple[str, int]] = []
    cursor: str | None = None
    for _ in range(4):
        query = {"limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = (await api.call("GET", PATH, token, params=query)).json()
        seen += [(item["identity"], item["connector_id"]) for item in page["items"]]
        cursor = page["next_cursor"]
    assert (seen, cursor) == ([("Z-1", 0), ("Z-1", 1), ("Z-1", 2), ("A-2", 1)], None)


@pytest.mark.usefixtures("fleet")
async def test_connectors_are_counted_by_status(api: Api, token: str) -> None:
    counts = (await api.call("GET", f"{PATH}/counts", token)).json()
    assert counts == {
        "connectors": 4,
        "stale": 1,
        "items": [
            {"status": "Available", "connectors": 1, "stale": 0},
            {"status": "Charging", "connectors": 2, "stale": 1},
            {"status": "Faulted", "connectors": 1, "stale": 0},
        ],
    }
    narrowed = (
        await api.call("GET", f"{PATH}/counts", token, params={"label": "site", "stale": "true"})
    ).json()
    assert narrowed == {"connectors": 0, "stale": 0, "items": []}


async def test_another_tenant_sees_none(api: Api, fleet: list[ChargePointId]) -> None:
    assert fleet
    other = await api.key(await api.tenant())
    assert await listed(api, other) == []


@pytest.mark.parametrize("query", [{"status": ""}, {"stale": "1"}, {"vendor": "x"}, {"label": "-"}])
async def test_a_bad_filter_is_named(api: Api, token: str, query: dict[str, str]) -> None:
    response = await api.call("GET", PATH, token, params=query)
    assert (response.status_code, response.json()["field"]) == (422, next(iter(query)))
