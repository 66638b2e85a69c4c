"""`/v1/charge-points/{identity}/deviations` and `/v1/interoperability`: what an operator reads."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.clock import microseconds_of
from app.deviations.records import ChargePointCounts, CountedDeviation, SeenDeviation
from app.deviations.store import add_counts
from app.tenants.records import TenantRecord
from app.types import ChargePointId
from tests.support.api import NOW, Api

PATH = "/v1/charge-points/RDAM-1/deviations"
SCORES = "/v1/interoperability"


async def count(
    api: Api, tenant: TenantRecord, point: int, calls: int, *, at: datetime = NOW, **counts: int
) -> None:
    """Add the counts of a charge point, as a worker does."""
    at_us = microseconds_of(at)
    deviations = {
        code: CountedDeviation(
            number, at_us, at_us, SeenDeviation(code, "m1", "Heartbeat", "/a", '"x"'), "c1"
        )
        for code, number in counts.items()
    }
    async with api.services.storage.database.platform() as work:
        await add_counts(work, [ChargePointCounts(tenant.id, point, at_us, calls, deviations)])


async def run(api: Api, tenant: TenantRecord, point: int, *software: str | None) -> None:
    """Give a charge point a vendor, a model and a firmware."""
    names = dict(zip(("vendor", "model", "firmware"), software, strict=True))
    async with api.services.storage.database.tenant(tenant.id) as work:
        await work.connection.execute(
            text(
                "update charge_points set vendor = :vendor, model = :model, firmware_version = :firmware "
                "where tenant_id = :tenant and id = :point"
            ),
            {**names, "tenant": tenant.id, "point": point},
        )


async def listed(api: Api, path: str, token: str, **parameters: str) -> list[dict[str, Any]]:
    """Read a list, two items at a time."""
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await api.call("GET", path, token, params={"limit": "2", **parameters, **cursor})).json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = {"cursor": page["next_cursor"]}


async def test_a_deviation_is_shown_whole(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    await run(api, operator, charge_point, "V", "M", "1.0")
    await count(api, operator, charge_point, 10, unknown_field=3)
    await run(api, operator, charge_point, "V", "M", "1.1")
    await count(api, operator, charge_point, 10, at=NOW + timedelta(minutes=1), unknown_field=4)
    page = (await api.call("GET", PATH, token)).json()
    assert page == {
        "items": [
            {
                "code": "unknown_field",
                "severity": "cosmetic",
                "meaning": "A message has a field that the standard does not know. The field is ignored. The "
                "frame log has it.",
                "count": 7,
                "first_at": "2026-05-04T08:15:30.000Z",
                "last_at": "2026-05-04T08:16:30.000Z",
                "firmware_version": "1.1",
                "last_example": {
                    "message_id": "m1",
                    "action": "Heartbeat",
                    "pointer": "/a",
                    "raw": '"x"',
                    "connection_id": "c1",
                    "frames": "/v1/charge-points/RDAM-1/frames?direction=in"
                    "&from=2026-05-04T08%3A16%3A30.000Z&to=2026-05-04T08%3A16%3A30.001Z",
                },
                "entry": "/v1/protocols/ocpp-16j/deviations/unknown_field",
            }
        ],
        "next_cursor": None,
    }
    frames = await api.call("GET", page["items"][0]["last_example"]["frames"], token)
    assert (frames.status_code, frames.json()["items"]) == (200, [])


async def test_an_older_count_does_not_replace_the_newest_example(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    for minutes in (5, 1):
        await count(api, operator, charge_point, 1, at=NOW + timedelta(minutes=minutes), too_long=1)
    (item,) = (await api.call("GET", PATH, token)).json()["items"]
    assert (item["first_at"], item["last_at"]) == ("2026-05-04T08:16:30.000Z", "2026-05-04T08:20:30.000Z")


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, ["bad_date_time", "null_field", "too_long", "unknown_field"]),
        ({"code": "too_long"}, ["too_long"]),
        ({"code": "too_deep"}, []),
        ({"since": "2026-05-04T08:16:30Z"}, ["too_long", "unknown_field"]),
        ({"since": "2026-05-04T08:16:30Z", "code": "null_field"}, []),
    ],
)
async def test_deviations_are_narrowed_and_paged(
    api: Api,
    operator: TenantRecord,
    token: str,
    charge_point: ChargePointId,
    parameters: dict[str, str],
    found: list[str],
) -> None:
    await count(api, operator, charge_point, 1, null_field=1, bad_date_time=1)
    await count(api, operator, charge_point, 1, at=NOW + timedelta(minutes=1), unknown_field=1, too_long=1)
    assert [item["code"] for item in await listed(api, PATH, token, **parameters)] == found


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("code=Bad", "code"),
        ("code=", "code"),
        ("since=yesterday", "since"),
        ("cursor=x", "cursor"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("other=1", "other"),
    ],
)
async def test_a_query_that_means_nothing_is_refused(
    api: Api, token: str, charge_point: ChargePointId, query: str, field: str
) -> None:
    answer = await api.call("GET", f"{PATH}?{query}", token)
    assert answer.status_code == 422
    assert field in answer.text


@pytest.mark.parametrize("query", ["vendor=", "model=" + "x" * 51, "vendor=a%00", "cursor=x", "other=1"])
async def test_a_question_for_scores_that_means_nothing_is_refused(api: Api, token: str, query: str) -> None:
    answer = await api.call("GET", f"{SCORES}?{query}", token)
    assert answer.status_code == 422
    assert query.partition("=")[0] in answer.text


async def test_a_charge_point_of_another_tenant_is_not_found(
    api: Api, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    await count(api, operator, charge_point, 200, too_long=1)
    other = await api.key(await api.tenant(), "read")
    assert (await api.call("GET", PATH, other)).status_code == 404
    assert (await api.call("GET", SCORES, other)).json()["items"] == []


@pytest.mark.parametrize("path", [PATH, SCORES])
async def test_the_scope_read_is_needed(
    api: Api, operator: TenantRecord, charge_point: ChargePointId, path: str
) -> None:
    assert (await api.call("GET", path, await api.key(operator, "write"))).status_code == 403
    assert (await api.call("GET", path)).status_code == 401


async def test_scores_are_listed_with_the_worst_first(api: Api, operator: TenantRecord, token: str) -> None:
    kinds: list[tuple[str, str | None, int, dict[str, int]]] = [
        ("GOOD", "1", 500, {}),
        ("FEW", "1", 99, {"item_dropped": 50}),
        ("BAD", "2", 1000, {"unknown_field": 500, "bad_date_time": 125, "item_dropped": 200}),
        ("BAD-2", "2", 1000, {}),
        ("FAIR", None, 1000, {"unknown_field": 100}),
    ]
    for identity, version, calls, counts in kinds:
        point = await api.charge_point(operator, identity)
        await run(api, operator, point, "V", identity.removesuffix("-2"), version)
        await count(api, operator, point, calls, at=NOW, **counts)
    items = await listed(api, SCORES, token)
    assert [(item["model"], item["score"]) for item in items] == [
        ("BAD", 40.0),
        ("FAIR", 90.9),
        ("GOOD", 100.0),
        ("FEW", None),
    ]
    assert items[0] == {
        "vendor": "V",
        "model": "BAD",
        "firmware_version": "2",
        "charge_points": 2,
        "calls": 2000,
        "deviations": 825,
        "deviations_per_1000_calls": 412.5,
        "score": 40.0,
        "codes": [
            {"code": "unknown_field", "severity": "cosmetic", "count": 500, "per_1000_calls": 250.0},
            {"code": "item_dropped", "severity": "money", "count": 200, "per_1000_calls": 100.0},
            {"code": "bad_date_time", "severity": "information", "count": 125, "per_1000_calls": 62.5},
        ],
    }
    assert items[1]["firmware_version"] is None
    assert [item["model"] for item in await listed(api, SCORES, token, model="FAIR")] == ["FAIR"]
    assert await listed(api, SCORES, token, vendor="W") == []


async def test_a_charge_point_that_has_sent_nothing_has_no_rate(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    await count(api, operator, charge_point, 0, trailing_slash=1)
    (item,) = (await api.call("GET", SCORES, token)).json()["items"]
    assert (item["vendor"], item["deviations_per_1000_calls"], item["score"]) == (None, None, None)


async def test_counts_beyond_any_number_are_shown(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    latest = datetime(9999, 12, 31, 23, 59, 59, 999998, NOW.tzinfo)
    for _ in range(2):
        await count(api, operator, charge_point, 2**63 - 1, at=latest, too_long=2**62, no_such_code=2**63 - 1)
    await run(api, operator, charge_point, "V", "M", "1")
    await count(api, operator, charge_point, 2**63 - 1, at=latest, too_long=1, no_such_code=1)
    items = (await api.call("GET", PATH, token)).json()["items"]
    assert [(item["code"], item["severity"], item["count"]) for item in items] == [
        ("no_such_code", "money", 2**63 - 1),
        ("too_long", "cosmetic", 2**63 - 1),
    ]
    scores = (await api.call("GET", SCORES, token)).json()["items"]
    assert [(item["score"], item["calls"]) for item in scores] == [(8.3, 2**63 - 1), (99.9, 2**63 - 1)]
