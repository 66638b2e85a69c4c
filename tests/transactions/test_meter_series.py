"""The meter values of a transaction as series, over the API."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from app.database.text import json_text
from app.tenants.records import TenantRecord
from app.transactions import service
from app.transactions.rules.series import Point, Series, SeriesKey
from app.transactions.schemas import TransactionSeries, series_fields
from app.transactions.store.reading import TransactionStore
from app.types import ChargePointId
from app.web.rows import encoded
from tests.support.api import NOW, Api

REGISTER = "Energy.Active.Import.Register"


async def stored(api: Api, operator: TenantRecord, charge_point: ChargePointId, **columns: Any) -> str:
    """Store a transaction with four meter values, a minute apart, and return the path of its series."""
    number = await api.transaction(operator, charge_point, started_at=NOW, meter_start_wh=18_000, **columns)
    for minute in range(4):
        await api.meter_value(
            operator,
            charge_point,
            transaction_id=number,
            sampled_at=NOW + timedelta(minutes=minute),
            context="stop" if minute == 3 else "periodic",
            sampled_values=[
                {"value": f"{18 + minute / 10:.1f}", "unit": "kWh"},
                {"value": f"{7 + minute}.25", "unit": "kW", "measurand": "Power.Active.Import"},
                {"value": "AB12", "format": "SignedData"},
            ],
        )
    await api.meter_value(operator, charge_point, sampled_values=[{"value": "of no transaction"}])
    return f"/v1/transactions/{number}/meter-series"


async def test_a_transaction_is_shown_as_series(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    path = await stored(api, operator, charge_point)
    shown = await api.call("GET", path, token, params={"measurand": REGISTER})
    assert shown.status_code == 200, shown.text
    expected = {
        "measurand": REGISTER,
        "phase": None,
        "location": "Outlet",
        "unit": "Wh",
        "aggregate": None,
        "flags": [],
        "points": [
            {"at": "2026-05-04T08:15:30.000Z", "value": 18000},
            {"at": "2026-05-04T08:16:30.000Z", "value": 18100},
            {"at": "2026-05-04T08:17:30.000Z", "value": 18200},
            {"at": "2026-05-04T08:18:30.000Z", "value": 18300},
        ],
    }
    assert shown.json() == {"every_s": None, "left_out": 4, "series": [expected]}
    assert '"value":18100}' in shown.text
    every = (await api.call("GET", path, token, params={"every_s": 120})).json()
    assert every["every_s"] == 120
    assert [(one["aggregate"], one["points"]) for one in every["series"]] == [
        (
            "last",
            [
                {"at": "2026-05-04T08:15:30.000Z", "value": 18000},
                {"at": "2026-05-04T08:17:30.000Z", "value": 18200},
                {"at": "2026-05-04T08:18:30.000Z", "value": 18300},
            ],
        ),
        (
            "mean",
            [
                {"at": "2026-05-04T08:14:00.000Z", "value": 7250},
                {"at": "2026-05-04T08:16:00.000Z", "value": 8750},
                {"at": "2026-05-04T08:18:00.000Z", "value": 10250},
            ],
        ),
    ]
    for narrowed in ({"phase": "L1"}, {"location": "EV"}, {"measurand": "power"}):
        assert (await api.call("GET", path, token, params=narrowed)).json()["series"] == []


async def test_the_series_of_another_tenant_do_not_exist(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    path = await stored(api, operator, charge_point)
    stranger = await api.key(await api.tenant())
    assert (await api.call("GET", path, stranger)).status_code == 404
    assert (await api.call("GET", "/v1/transactions/2147483647/meter-series", token)).status_code == 404
    writer = await api.key(operator, "write")
    assert (await api.call("GET", path, writer)).status_code == 403


async def test_a_transaction_without_meter_values_has_no_series(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    number = await api.transaction(operator, charge_point)
    shown = await api.call("GET", f"/v1/transactions/{number}/meter-series", token)
    assert shown.json() == {"every_s": None, "left_out": 0, "series": []}


async def test_pages_of_meter_values_are_put_together(
    api: Api,
    operator: TenantRecord,
    token: str,
    charge_point: ChargePointId,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = await stored(api, operator, charge_point)
    whole = (await api.call("GET", path, token)).json()
    for rows in (1, 3, 4):
        monkeypatch.setattr(service, "_READ_AT_ONCE", rows)
        assert (await api.call("GET", path, token)).json() == whole


@pytest.mark.parametrize(
    ("limits", "parameters", "violation"),
    [
        ((8, 4), {}, None),
        ((7, 4), {"every_s": 3600}, None),
        ((7, 4), {"measurand": REGISTER}, None),
        ((7, 4), {}, ("every_s", "too_many_points", "is needed: there are more than 7 points")),
        (
            (7, 4),
            {"every_s": 60},
            ("every_s", "too_many_points", "is too small: there are more than 7 points"),
        ),
        (
            (8, 3),
            {"every_s": 3600},
            (
                "transaction_id",
                "too_many_meter_values",
                "has more than 3 meter values: list them by pages instead",
            ),
        ),
    ],
)
async def test_an_answer_has_a_bound(
    api: Api,
    operator: TenantRecord,
    token: str,
    charge_point: ChargePointId,
    monkeypatch: pytest.MonkeyPatch,
    limits: tuple[int, int],
    parameters: dict[str, Any],
    violation: tuple[str, str, str] | None,
) -> None:
    path = await stored(api, operator, charge_point)
    monkeypatch.setattr(service, "MOST_POINTS", limits[0])
    monkeypatch.setattr(service, "MOST_METER_VALUES", limits[1])
    answer = await api.call("GET", path, token, params=parameters)
    if violation is None:
        assert answer.status_code == 200, answer.text
    else:
        assert answer.status_code == 422
        [error] = answer.json()["errors"]
        assert (error["parameter"], error["code"], error["detail"]) == violation


@pytest.mark.parametrize(
    "query", ["every_s=0", "every_s=86401", "every_s=1.5", "phase=L1%00", "measurand=" + "x" * 51, "hurry=1"]
)
async def test_a_bad_query_is_refused(api: Api, token: str, query: str) -> None:
    response = await api.call("GET", f"/v1/transactions/1/meter-series?{query}", token)
    assert response.status_code == 422
    assert [error["parameter"] for error in response.json()["errors"]] == [query.partition("=")[0]]


@pytest.mark.parametrize(
    ("number", "text"),
    [("100", "100"), ("1E+2", "100"), ("-0", "0"), ("0.10", "0.1"), ("-18250.125", "-18250.125")],
)
def test_values_are_written_exactly_and_as_the_model_says(number: str, text: str) -> None:
    key = SeriesKey(REGISTER, None, "Outlet", "Wh")
    series = Series(key, "last", ["register_in_kwh"], [Point(NOW, Decimal(number))])
    written = encoded(series_fields(60, [series], 3))
    assert f'"value":{text}}}'.encode() in written
    model = TransactionSeries.model_validate_json(written)
    assert model.model_dump(mode="json")["series"][0]["points"][0]["value"] == float(text)


async def test_the_newest_sample_with_a_power_is_found_in_rows_of_any_version(
    api: Api, operator: TenantRecord
) -> None:
    key = await api.charge_point(operator)
    transaction_id = await api.transaction(operator, key)
    power = [{"measurand": "Power.Active.Import", "unit": "W", "value": "3690"}]
    other = [{"measurand": "Power.Active.Export", "unit": "W", "value": "1"}]

    async def newest() -> list[tuple[datetime, str]]:
        async with api.services.storage.database.tenant(operator.id) as work:
            found = await TransactionStore(work).newest_power(None, NOW - timedelta(hours=1))
        return [(sample.sampled_at, sample.sampled_values_json) for sample in found]

    assert await newest() == []
    for minute, samples in enumerate((power, other)):
        await api.meter_value(
            operator,
            key,
            transaction_id=transaction_id,
            sampled_at=NOW + timedelta(minutes=minute),
            sampled_values=samples,
        )
    assert await newest() == [(NOW, json_text(power))]
    written = '[{"measurand":  "Power.Active.Import"}]'
    async with api.services.storage.database.platform() as work:
        await work.connection.execute(
            text(
                "insert into meter_values (tenant_id, charge_point_id, connector_id, transaction_id,"
                " sampled_at, received_at, context, sampled_values, digest)"
                " values (:tenant, :key, 1, :transaction, :at, :at, 'periodic', cast(:samples as json), 1)"
            ).bindparams(
                tenant=operator.id,
                key=key,
                transaction=transaction_id,
                at=NOW + timedelta(minutes=2),
                samples=written,
            )
        )
    assert await newest() == [(NOW + timedelta(minutes=2), written)]
