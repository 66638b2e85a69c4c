"""The screens of transactions: the list, the values over time, the evidence, and the end by hand."""

import re
from datetime import timedelta

import pytest

from app.tenants.records import TenantRecord
from app.types import ChargePointId
from tests.support.api import NOW
from tests.support.console import ConsoleSite


async def running(site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId) -> int:
    """Store a transaction that has charged for ten minutes at 7.4 kW."""
    begin = NOW - timedelta(minutes=10)
    number = await site.api.transaction(
        operator, charge_point, started_at=begin, started_received_at=begin, started_key=begin
    )
    for minute, register in ((0, "1000"), (9, "2250")):
        await site.api.meter_value(
            operator,
            charge_point,
            transaction_id=number,
            sampled_at=begin + timedelta(minutes=minute),
            sampled_values=[
                {"measurand": "Power.Active.Import", "unit": "W", "value": "7400"},
                {"measurand": "SoC", "unit": "Percent", "value": str(40 + minute)},
                {"value": register},
            ],
        )
    return number


async def test_the_list_shows_what_runs_with_its_power_and_energy(
    site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    number = await running(site, operator, charge_point)
    page = (await (await site.logged_in(operator, "viewer")).get("/transactions")).text
    assert f'href="/console/transactions/{number}"' in page
    for expected in ("1.25 kWh", "7.4 kW", "10 min", "running"):
        assert expected in page


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"first", "second"}),
        ("charge_point=RDAM-2", {"second"}),
        ("id_tag=OTHER", {"second"}),
        ("state=running", {"first"}),
        ("state=ended", {"second"}),
        (f"since={NOW:%Y-%m-%d}&until={NOW:%Y-%m-%d}", {"first"}),
        (f"until={NOW - timedelta(days=1):%Y-%m-%d}", {"second"}),
    ],
)
async def test_the_list_is_narrowed(
    site: ConsoleSite, operator: TenantRecord, query: str, shown: set[str]
) -> None:
    first, second = [await site.api.charge_point(operator, name) for name in ("RDAM-1", "RDAM-2")]
    before = NOW - timedelta(days=2)
    numbers = {
        "first": await site.api.transaction(operator, first),
        "second": await site.api.transaction(
            operator,
            second,
            id_tag="OTHER",
            id_tag_key="other",
            started_at=before,
            started_key=before,
            stopped_at=NOW,
            stopped_received_at=NOW,
        ),
    }
    page = (await (await site.logged_in(operator)).get(f"/transactions/rows?{query}")).text
    assert {name for name, number in numbers.items() if f"/transactions/{number}" in page} == shown


@pytest.mark.parametrize("query", ["state=odd", "since=yesterday", "until=9999-12-31", "cursor=damaged"])
async def test_a_wrong_parameter_is_named(site: ConsoleSite, operator: TenantRecord, query: str) -> None:
    answer = await (await site.logged_in(operator)).get(f"/transactions?{query}")
    assert (answer.status, query.partition("=")[0] in answer.text) == (422, True)


async def test_the_list_has_pages_and_says_what_to_do_when_it_is_empty(
    site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    visitor = await site.logged_in(operator)
    assert "RemoteStartTransaction" in (await visitor.get("/transactions")).text
    assert "Clear the filters" in (await visitor.get("/transactions?id_tag=NONE")).text
    numbers = [await site.api.transaction(operator, charge_point) for _ in range(51)]
    first = (await visitor.get("/transactions")).text
    assert f"/transactions/{numbers[0]}" not in first
    older = re.search(r'href="/console(/transactions\?[^"]*)" rel="next"', first)
    assert older is not None
    last = (await visitor.get(older[1].replace("&amp;", "&"))).text
    assert f"/transactions/{numbers[0]}" in last
    assert 'rel="next"' not in last


async def test_lists_and_meter_values_are_taken_away_as_csv(
    site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    number = await running(site, operator, charge_point)
    visitor = await site.logged_in(operator, "viewer")
    lines = (await visitor.get("/transactions.csv?state=running")).text.splitlines()
    assert lines[0].startswith("id,charge_point,connector_id,id_tag,started_at")
    assert lines[1].startswith(f"{number},RDAM-1,1,B4A63CDF,")
    values = await visitor.get(f"/transactions/{number}/meter-values.csv")
    assert f"transaction-{number}.csv" in values.response.headers["content-disposition"]
    assert len(values.text.splitlines()) == 7
    assert ",periodic,Power.Active.Import,,,W,,7400" in values.text


async def test_the_charts_have_power_with_its_limit_charge_and_energy(
    site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 7400.0}],
        },
    }
    await site.api.command(
        operator,
        charge_point,
        action="SetChargingProfile",
        payload={"connectorId": 1, "csChargingProfiles": profile},
        state="accepted",
        result={"status": "Accepted"},
    )
    number = await running(site, operator, charge_point)
    charts = await (await site.logged_in(operator, "viewer")).get(f"/transactions/{number}/charts.json")
    power, energy = charts.response.json()
    limit, drawn, charge = power["lines"]
    assert {value for _, value in limit["points"]} == {7.4}
    # Limits of the future are not those of the values.
    assert limit["points"][-1][0] == NOW.timestamp()
    assert [value for _, value in drawn["points"]] == [7.4, 7.4]
    assert [value for _, value in charge["points"]] == [40, 49]
    assert [value for _, value in energy["lines"][0]["points"]] == [0.0, 1.25]
    assert "rose to 1.25 kWh" in energy["summary"]


async def test_a_transaction_without_values_has_no_charts(
    site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    number = await site.api.transaction(operator, charge_point)
    visitor = await site.logged_in(operator)
    assert (await visitor.get(f"/transactions/{number}/charts.json")).response.json() == []
    assert "No meter value has come yet" in (await visitor.get(f"/transactions/{number}")).text


async def test_flags_are_explained_and_orphans_shown(
    site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    number = await site.api.transaction(operator, charge_point, flags=["time_missing"])
    await site.api.orphan_record(operator, charge_point, transaction_id=number, kind="stop_conflict")
    page = (await (await site.logged_in(operator)).get(f"/transactions/{number}")).text
    for expected in (
        "time_missing",
        "A message bore no time",
        "stop_conflict",
        "from before frames were kept",
    ):
        assert expected in page


async def test_an_operator_ends_a_transaction_by_hand_with_a_reason(
    site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    number = await running(site, operator, charge_point)
    path = f"/transactions/{number}"
    assert "End by hand" not in (await (await site.logged_in(operator, "viewer")).get(path)).text
    visitor = await site.logged_in(operator, "operator")
    assert (await visitor.get(f"{path}/now")).status == 200
    for form, fault in (
        ({"reason": ""}, "Reason is needed"),
        ({"reason": "cut", "meter_stop_wh": "many"}, "Meter (Wh) "),
        ({"reason": "cut", "meter_stop_wh": "9" * 20}, "Meter (Wh) "),
    ):
        refused = await visitor.submit(f"{path}/end", **form)
        assert (refused.status, fault in refused.text) == (422, True), refused.text
    assert "running" in (await visitor.get(path)).text
    done = await visitor.submit(f"{path}/end", reason="The cable was cut.", meter_stop_wh="2300")
    assert (done.status, done.location) == (303, f"/console{path}")
    page = (await visitor.get(path)).text
    for expected in ("presumed ended", "by operator", "1.30 kWh", "2300 Wh"):
        assert expected in page
    assert (await visitor.get(f"{path}/now")).status == 200


async def test_a_stopped_transaction_is_not_ended_again(
    site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    number = await site.api.transaction(operator, charge_point, stopped_at=NOW, stopped_received_at=NOW)
    visitor = await site.logged_in(operator)
    refused = await visitor.submit(f"/transactions/{number}/end", reason="The cable was cut.")
    assert (refused.status, "has been stopped" in refused.text) == (409, True)
    assert "End by hand" not in refused.text
