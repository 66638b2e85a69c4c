"""Stored charging profiles over HTTP: their two forms, their numbers, and what is refused about them."""

import json
from typing import Any

import pytest

from app.tenants.records import TenantRecord
from tests.support.api import Api

PATH = "/v1/charging-profiles"
PERIODS = [{"startPeriod": 0, "limit": 16.0}, {"startPeriod": 3600, "limit": 21.4}]
SCHEDULE = {
    "startSchedule": "2026-01-01T00:00:00Z",
    "chargingRateUnit": "A",
    "chargingSchedulePeriod": PERIODS,
}
PROFILE = {
    "stackLevel": 1,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": SCHEDULE,
}
RULE = {"days": ["Mon"], "from": "17:00", "to": "20:00", "limit": 8}
CALENDAR = {"time_zone": "Europe/Brussels", "unit": "A", "rules": [RULE], "otherwise": None}


def literal(**changes: Any) -> dict[str, Any]:
    return {"description": "Base", "charging_profile": {**PROFILE, **changes}}


def calendar(**changes: Any) -> dict[str, Any]:
    return {"description": "Peak", "calendar": {**CALENDAR, **changes}}


async def created(api: Api, token: str, body: dict[str, Any]) -> dict[str, Any]:
    response = await api.call("POST", PATH, token, json=body)
    assert response.status_code == 201, response.text
    shown: dict[str, Any] = response.json()
    assert response.headers["location"] == f"{PATH}/{shown['id']}"
    return shown


async def test_a_profile_bears_its_id_on_the_wire(api: Api, token: str) -> None:
    shown = await created(api, token, literal())
    assert shown["charging_profile"] == PROFILE
    assert shown["profiles"] == [{"chargingProfileId": shown["id"], **PROFILE}]
    assert shown["next_clock_change"] is None


async def send_text(api: Api, token: str, text: str) -> Any:
    return await api.call("POST", PATH, token, content=text, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("number", "taken"),
    [
        ("21.4", "21.4"),
        ("21.40", "21.4"),
        ("2.14e1", "21.4"),
        ("-0.0", "0.0"),
        ("21.40000000000000000001", None),
        ("1e-400", None),
        ("1e400", None),
        ("1000000000.00000000001", None),
        ("99999999999999999999", None),
        ("NaN", None),
        ("-Infinity", None),
        ("1e9999999999999999999999", None),
    ],
)
@pytest.mark.parametrize("form", ["literal", "calendar"])
async def test_limits_are_judged_as_they_are_written(
    api: Api, token: str, number: str, taken: str | None, form: str
) -> None:
    if form == "literal":
        body, pointer = periods({"startPeriod": 0, "limit": 77.5}), f"{FIRST}/limit"
    else:
        body, pointer = calendar(rules=[{**RULE, "limit": 77.5}]), "/calendar/rules/0/limit"
    response = await send_text(api, token, json.dumps(body).replace("77.5", number))
    if taken is None:
        assert response.status_code == 422, response.text
        assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    else:
        assert response.status_code == 201, response.text
        (profile,) = response.json()["profiles"]
        assert str(profile["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"]) == taken


async def test_half_a_character_is_refused_by_its_place(api: Api, token: str) -> None:
    response = await send_text(api, token, json.dumps(literal()).replace("Base", "\\ud800"))
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == ["/description"]


async def test_a_calendar_is_shown_as_what_it_is_on_the_wire(api: Api, token: str) -> None:
    shown = await created(api, token, calendar(stack_level=3))
    (profile,) = shown["profiles"]
    assert (profile["chargingProfileId"], profile["stackLevel"]) == (shown["id"], 3)
    assert profile["chargingSchedule"] == {
        "duration": 10_800,
        # Brussels is at UTC+2 in May.
        "startSchedule": "2026-04-27T15:00:00.000Z",
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.0}],
    }
    assert shown["next_clock_change"] == "2026-10-25T01:00:00.000Z"


async def test_each_gap_of_a_calendar_takes_a_number_and_a_level(api: Api, token: str) -> None:
    rules = [{**RULE, "days": ["Mon", "Tue", "Wed"]}]
    shown = await created(api, token, calendar(rules=rules))
    numbers = [profile["chargingProfileId"] for profile in shown["profiles"]]
    levels = [profile["stackLevel"] for profile in shown["profiles"]]
    assert numbers == [shown["id"], shown["id"] + 1, shown["id"] + 2]
    assert levels == [0, 1, 2]
    following = await created(api, token, literal())
    assert following["id"] > numbers[-1]


async def test_numbers_are_given_once_and_each_tenant_counts_for_itself(
    api: Api, operator: TenantRecord, token: str
) -> None:
    first = await created(api, token, literal())
    assert first["id"] == 1
    assert (await api.call("DELETE", f"{PATH}/1", token)).status_code == 204
    assert (await api.call("GET", f"{PATH}/1", token)).status_code == 404
    assert (await created(api, token, literal()))["id"] == 2
    other = await api.key(await api.tenant())
    assert (await created(api, other, literal()))["id"] == 1


async def test_profiles_are_paged(api: Api, token: str) -> None:
    ids = [(await created(api, token, literal()))["id"] for _ in range(3)]
    first = (await api.call("GET", f"{PATH}?limit=2", token)).json()
    second = (await api.call("GET", f"{PATH}?limit=2&cursor={first['next_cursor']}", token)).json()
    assert [item["id"] for page in (first, second) for item in page["items"]] == ids


async def test_a_profile_is_replaced_by_who_knows_it(api: Api, token: str) -> None:
    shown = await created(api, token, literal())
    path = f"{PATH}/{shown['id']}"
    tag = (await api.call("GET", path, token)).headers["etag"]
    replaced = await api.call("PUT", path, token, json=literal(stackLevel=2), headers={"If-Match": tag})
    assert replaced.status_code == 200
    assert replaced.json()["charging_profile"]["stackLevel"] == 2
    again = await api.call("PUT", path, token, json=literal(), headers={"If-Match": tag})
    assert again.status_code == 412
    fresh = await api.call("GET", path, token, headers={"If-None-Match": tag})
    assert fresh.status_code == 200


async def test_the_form_of_a_profile_never_changes(api: Api, token: str) -> None:
    shown = await created(api, token, literal())
    response = await api.call("PUT", f"{PATH}/{shown['id']}", token, json=calendar())
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert (error["code"], error["pointer"]) == ("form_never_changes", "/calendar")


def schedule(**changes: Any) -> dict[str, Any]:
    return literal(chargingSchedule={**SCHEDULE, **changes})


def periods(*rows: dict[str, Any]) -> dict[str, Any]:
    return schedule(chargingSchedulePeriod=list(rows))


FIRST = "/charging_profile/chargingSchedule/chargingSchedulePeriod/0"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"description": "x"}, "/calendar"),
        ({**literal(), **calendar()}, "/calendar"),
        (literal(chargingProfilePurpose="Other"), "/charging_profile/chargingProfilePurpose"),
        (literal(chargingProfilePurpose=7), "/charging_profile/chargingProfilePurpose"),
        (literal(chargingProfileId=7), "/charging_profile/chargingProfileId"),
        (literal(transactionId=7), "/charging_profile/transactionId"),
        (literal(chargingProfileKind="Recurring"), "/charging_profile/recurrencyKind"),
        (literal(stackLevel="1"), "/charging_profile/stackLevel"),
        (periods({"startPeriod": 5, "limit": 1}), f"{FIRST}/startPeriod"),
        (periods({"startPeriod": 0, "limit": 16.25}), f"{FIRST}/limit"),
        (periods({"startPeriod": 0, "limit": "NaN"}), f"{FIRST}/limit"),
        (
            periods({"startPeriod": 0, "limit": 1}, {"startPeriod": 0, "limit": 2}),
            "/charging_profile/chargingSchedule/chargingSchedulePeriod/1/startPeriod",
        ),
        (
            literal(chargingProfileKind="Relative"),
            "/charging_profile/chargingSchedule/startSchedule",
        ),
        (periods({"startPeriod": 0, "limit": 1, "numberPhases": 4}), f"{FIRST}/numberPhases"),
        (periods({"startPeriod": 0, "limit": -1}), f"{FIRST}/limit"),
        (
            periods(*({"startPeriod": start, "limit": 16} for start in range(10_000))),
            "/charging_profile/chargingSchedule/chargingSchedulePeriod",
        ),
        (schedule(duration=-1), "/charging_profile/chargingSchedule/duration"),
        (schedule(chargingRateUnit="kW"), "/charging_profile/chargingSchedule/chargingRateUnit"),
        (calendar(time_zone="Mars/Olympus"), "/calendar/time_zone"),
        (calendar(time_zone="../../etc/passwd"), "/calendar/time_zone"),
        (calendar(time_zone="localtime"), "/calendar/time_zone"),
        (calendar(time_zone="posixrules"), "/calendar/time_zone"),
        (calendar(time_zone="Factory"), "/calendar/time_zone"),
        (calendar(time_zone="right/Europe/Brussels"), "/calendar/time_zone"),
        (calendar(unit="kW"), "/calendar/unit"),
        (calendar(rules=[]), "/calendar/rules"),
        (calendar(rules=[{**RULE, "days": []}]), "/calendar/rules/0/days"),
        (calendar(rules=[{**RULE, "days": ["Monday"]}]), "/calendar/rules/0/days/0"),
        (calendar(rules=[{**RULE, "from": "25:00"}]), "/calendar/rules/0/from"),
        (calendar(rules=[{**RULE, "to": "17:00"}]), "/calendar/rules/0"),
        (calendar(rules=[{**RULE, "limit": 8.05}]), "/calendar/rules/0/limit"),
        (calendar(rules=[{**RULE, "limit": -1}]), "/calendar/rules/0/limit"),
        (calendar(rules=[{**RULE, "number_phases": 4}]), "/calendar/rules/0/number_phases"),
        (
            calendar(
                rules=[
                    {**RULE, "days": [day], "from": f"{hour}:00", "to": f"{hour}:30"}
                    for day in ("Mon", "Tue", "Wed")
                    for hour in range(10, 16)
                ]
            ),
            "/calendar/otherwise",
        ),
    ],
)
async def test_a_bad_profile_is_refused_by_name_and_pointer(
    api: Api, token: str, body: dict[str, Any], pointer: str
) -> None:
    response = await api.call("POST", PATH, token, json=body)
    assert response.status_code == 422, response.text
    assert pointer in [error.get("pointer", "") for error in response.json()["errors"]]
    assert (await api.call("GET", PATH, token)).json()["items"] == []


@pytest.mark.parametrize("limit", [10**9 + 1, 10**30, -(10**30), 1e300])
async def test_a_number_that_nobody_can_mean_is_refused(api: Api, token: str, limit: float) -> None:
    periods = [{"startPeriod": 0, "limit": limit}]
    body = literal(chargingSchedule={**SCHEDULE, "chargingSchedulePeriod": periods})
    response = await api.call("POST", PATH, token, json=body)
    assert response.status_code == 422, response.text
    (error,) = response.json()["errors"]
    assert error["pointer"].endswith("/chargingSchedulePeriod/0/limit")
    assert error["code"] == "out_of_range"


async def test_a_member_that_stands_twice_is_refused(api: Api, token: str) -> None:
    text = json.dumps(literal()).replace('"limit": 16.0', '"limit": 16.0, "limit": 99')
    response = await api.call("POST", PATH, token, content=text, headers={"Content-Type": "application/json"})
    assert response.status_code == 422, response.text
    pointer = "/charging_profile/chargingSchedule/chargingSchedulePeriod/0/limit"
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


async def test_all_that_is_missing_is_named_at_once(api: Api, token: str) -> None:
    response = await api.call("POST", PATH, token, json={})
    assert [(error["pointer"], error["detail"]) for error in response.json()["errors"]] == [
        ("/description", "is required"),
        ("/calendar", "is required if there is no `charging_profile`"),
    ]
