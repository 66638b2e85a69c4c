"""`POST /v1/smart-charging/composite-schedule`: answers, pictures, and every refusal by its pointer."""

import copy
import json
from typing import Any
from xml.etree import ElementTree

import pytest

from app.smart_charging.schemas.composite_schedule import (
    ANSWER_EXAMPLE,
    QUESTION_EXAMPLE,
    CompositeSchedule,
)
from tests.support.api import Api

PATH = "/v1/smart-charging/composite-schedule"
FIRST = "/installed/0/csChargingProfiles"
PERIODS = f"{FIRST}/chargingSchedule/chargingSchedulePeriod"


def changed(**changes: Any) -> dict[str, Any]:
    """The example with members replaced; names are paths with `__` between the steps."""
    body = copy.deepcopy(QUESTION_EXAMPLE)
    for path, value in changes.items():
        *steps, last = (int(step) if step.isdecimal() else step for step in path.split("__"))
        place: Any = body
        for step in steps:
            place = place[step]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return body


def first(**changes: Any) -> dict[str, Any]:
    """The example with the cap changed."""
    return changed(**{f"installed__0__csChargingProfiles__{path}": value for path, value in changes.items()})


async def test_the_answer_to_the_documented_question_is_the_documented_one(api: Api, token: str) -> None:
    response = await api.call("POST", PATH, token, json=QUESTION_EXAMPLE)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json() == ANSWER_EXAMPLE


async def test_the_answer_is_as_documented_for_a_whole_charge_point(api: Api, token: str) -> None:
    body = changed(connectorId=0, numberOfConnectors=2, assumeTransaction=True)
    response = await api.call("POST", PATH, token, json=body)
    schedule = CompositeSchedule.model_validate_json(response.content)
    assert [period.source.kind for period in schedule.chargingSchedulePeriod] == ["profile"]
    body = changed(connectorId=0, installed__0__csChargingProfiles__validTo="2026-02-01T00:00:00Z")
    response = await api.call("POST", PATH, token, json=body)
    sources = [period["source"] for period in response.json()["chargingSchedulePeriod"]]
    assert [source["kind"] for source in sources] == ["connectors", "connectors"]
    assert sources[1]["connectors"][0]["limit"] == 8.5


async def test_nothing_known_is_said_as_null(api: Api, token: str) -> None:
    response = await api.call("POST", PATH, token, json=changed(installed=[], hardwareMax=None, duration=0))
    assert response.json()["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "limit": None, "source": {"kind": "nothing"}, "beaten": []}
    ]


@pytest.mark.parametrize("accept", ["image/svg+xml", "image/*", "application/json;q=0.5, image/svg+xml"])
async def test_a_picture_is_given_to_who_wants_one(api: Api, token: str, accept: str) -> None:
    response = await api.call("POST", PATH, token, json=QUESTION_EXAMPLE, headers={"Accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (200, "image/svg+xml")
    assert "Accept" in response.headers.get_list("vary", split_commas=True)
    # Our own text.
    assert ElementTree.fromstring(response.text).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314


@pytest.mark.parametrize("accept", ["", "*/*", "application/json, image/svg+xml", "text/html", "image/*;q=x"])
async def test_json_is_given_to_everybody_else(api: Api, token: str, accept: str) -> None:
    response = await api.call("POST", PATH, token, json=QUESTION_EXAMPLE, headers={"Accept": accept})
    assert response.headers["content-type"] == "application/json"


ROWS: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "A1: a cap on a connector": (
        changed(installed__0__connectorId=1),
        [("/installed/0/connectorId", "charge_point_max_on_connector_zero")],
    ),
    "A1: a TxProfile on connector 0": (
        changed(installed__1__connectorId=0),
        [("/installed/1/connectorId", "tx_profile_needs_connector")],
    ),
    "A2: a cap of a transaction": (
        first(transactionId=501),
        [(f"{FIRST}/transactionId", "transaction_id_needs_tx_profile")],
    ),
    "A2: a default of a transaction": (
        first(transactionId=501, chargingProfilePurpose="TxDefaultProfile"),
        [(f"{FIRST}/transactionId", "transaction_id_needs_tx_profile")],
    ),
    "A3: the first period starts late": (
        first(chargingSchedule__chargingSchedulePeriod__0__startPeriod=1),
        [(f"{PERIODS}/0/startPeriod", "first_period_starts_at_zero")],
    ),
    "A3: periods do not rise": (
        first(chargingSchedule__chargingSchedulePeriod=[{"startPeriod": 0, "limit": 1}] * 2),
        [(f"{PERIODS}/1/startPeriod", "periods_strictly_increase")],
    ),
    "A3: no periods": (first(chargingSchedule__chargingSchedulePeriod=[]), [(PERIODS, "too_few_items")]),
    "A4: two decimals": (
        first(chargingSchedule__chargingSchedulePeriod__0__limit=21.45),
        [(f"{PERIODS}/0/limit", "too_precise")],
    ),
    "A4: a negative limit": (
        first(chargingSchedule__chargingSchedulePeriod__0__limit=-0.1),
        [(f"{PERIODS}/0/limit", "rates_are_not_negative")],
    ),
    "A4: a negative least rate": (
        first(chargingSchedule__minChargingRate=-1),
        [(f"{FIRST}/chargingSchedule/minChargingRate", "rates_are_not_negative")],
    ),
    "A4: a limit beyond all measure": (
        first(chargingSchedule__chargingSchedulePeriod__0__limit=1e10),
        [(f"{PERIODS}/0/limit", "out_of_range")],
    ),
    "A7: recurring without kind and start": (
        first(chargingProfileKind="Recurring", chargingSchedule__startSchedule=...),
        [
            (f"{FIRST}/recurrencyKind", "recurring_needs_kind_and_start"),
            (f"{FIRST}/chargingSchedule/startSchedule", "recurring_needs_kind_and_start"),
        ],
    ),
    "A7: absolute without start": (
        first(chargingSchedule__startSchedule=...),
        [(f"{FIRST}/chargingSchedule/startSchedule", "absolute_needs_start")],
    ),
    "A8: a relative cap with a start": (
        first(chargingProfileKind="Relative"),
        [
            (f"{FIRST}/chargingSchedule/startSchedule", "relative_omits_start"),
            (f"{FIRST}/chargingProfileKind", "charge_point_max_is_not_relative"),
        ],
    ),
    "A9: four phases": (
        first(chargingSchedule__chargingSchedulePeriod__0__numberPhases=4),
        [(f"{PERIODS}/0/numberPhases", "number_phases_is_one_to_three")],
    ),
    "A9: phases with direct current": (
        {
            **first(chargingSchedule__chargingSchedulePeriod__0__numberPhases=1),
            **{"currentType": "DC", "chargingRateUnit": "A"},
        },
        [(f"{PERIODS}/0/numberPhases", "phases_with_direct_current")],
    ),
    "validity that ends before it begins": (
        first(validFrom="2026-01-02T00:00:00Z", validTo="2026-01-01T23:00:00-01:00"),
        [(f"{FIRST}/validTo", "valid_to_is_after_valid_from")],
    ),
    "a negative duration of a schedule": (
        first(chargingSchedule__duration=-1),
        [(f"{FIRST}/chargingSchedule/duration", "duration_is_not_negative")],
    ),
    "an unknown unit": (
        first(chargingSchedule__chargingRateUnit="kW"),
        [(f"{FIRST}/chargingSchedule/chargingRateUnit", "not_in_enumeration")],
    ),
    "5 000 periods": (
        first(
            chargingSchedule__chargingSchedulePeriod=[
                {"startPeriod": number, "limit": 6} for number in range(5_000)
            ]
        ),
        [(PERIODS, "too_many_items")],
    ),
    "a unit that direct current cannot give": (
        {**QUESTION_EXAMPLE, "currentType": "DC", "chargingRateUnit": "W"},
        [
            (f"{FIRST}/chargingSchedule/chargingRateUnit", "no_conversion"),
            ("/installed/1/csChargingProfiles/chargingSchedule/chargingRateUnit", "no_conversion"),
        ],
    ),
    "an unknown member": (changed(conectorId=1), [("/conectorId", "unknown_field")]),
    "a member that is missing": (changed(scheduleStart=...), [("/scheduleStart", "missing")]),
    "a negative duration": (changed(duration=-1), [("/duration", "out_of_range")]),
    "a duration of years": (changed(duration=10**12), [("/duration", "out_of_range")]),
    "a fraction of a second": (changed(duration=0.5), [("/duration", "wrong_type")]),
    "a start without zone": (
        changed(scheduleStart="2026-03-02T10:05:00"),
        [("/scheduleStart", "bad_date_time")],
    ),
    "a start before the year 1": (
        changed(scheduleStart="0001-01-01T00:00:00+14:00"),
        [("/scheduleStart", "out_of_range")],
    ),
    "a start after the year 9999": (
        changed(scheduleStart="9999-12-31T23:59:59-14:00"),
        [("/scheduleStart", "out_of_range")],
    ),
    "a voltage of zero": (changed(nominalVoltage=0), [("/nominalVoltage", "out_of_range")]),
    "hardware of no unit": (changed(hardwareMax={}), [("/hardwareMax", "missing")]),
    "hardware in two decimals": (changed(hardwareMax={"A": 21.45}), [("/hardwareMax/A", "too_precise")]),
    "a connector that is not there": (
        changed(numberOfConnectors=1, connectorId=2),
        [("/connectorId", "unknown_connector")],
    ),
    "two transactions on one connector": (
        changed(transactions=QUESTION_EXAMPLE["transactions"] * 2),
        [("/transactions/1/connectorId", "connector_stands_twice")],
    ),
    "no objects at all": (
        changed(installed=[1], options=1, transactions={}),
        [("/installed/0", "not_an_object"), ("/transactions", "wrong_type"), ("/options", "wrong_type")],
    ),
}


@pytest.mark.parametrize(("body", "expected"), ROWS.values(), ids=ROWS)
async def test_a_bad_question_is_refused_by_rule_and_pointer(
    api: Api, token: str, body: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    response = await api.call("POST", PATH, token, json=body)
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert [(error["pointer"], error["code"]) for error in response.json()["errors"]] == expected


@pytest.mark.parametrize("start", ["0001-01-01T00:00:00Z", "9999-12-31T23:30:00Z"])
async def test_no_picture_is_drawn_of_the_ends_of_time(api: Api, token: str, start: str) -> None:
    body = changed(scheduleStart=start)
    response = await api.call("POST", PATH, token, json=body, headers={"Accept": "image/svg+xml"})
    assert response.status_code == 422, response.text
    assert [(error["pointer"], error["code"]) for error in response.json()["errors"]] == [
        ("/scheduleStart", "out_of_range")
    ]
    assert (await api.call("POST", PATH, token, json=body)).status_code == 200


async def test_limits_are_read_as_decimals(api: Api, token: str) -> None:
    body = first(chargingSchedule__chargingSchedulePeriod__0__limit=21.4)
    response = await api.call("POST", PATH, token, json=body)
    assert response.json()["chargingSchedulePeriod"][0]["limit"] == 21.4
    # As a double it is 21.4 too; as a decimal it is not.
    text = json.dumps(body).replace("21.4", "21.40000000000000000001")
    response = await api.call("POST", PATH, token, content=text, headers={"Content-Type": "application/json"})
    assert response.json()["errors"][0]["code"] == "too_precise"


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
async def test_what_is_no_number_is_named(api: Api, token: str, constant: str) -> None:
    text = json.dumps(QUESTION_EXAMPLE).replace("8.5", constant)
    response = await api.call("POST", PATH, token, content=text, headers={"Content-Type": "application/json"})
    assert response.status_code == 422
    pointer = "/installed/1/csChargingProfiles/chargingSchedule/chargingSchedulePeriod/1/limit"
    assert [(error["pointer"], error["code"]) for error in response.json()["errors"]] == [
        (pointer, "not_a_number")
    ]


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 100, b'{"a": "\\ud800"}', b"\xff", b'{"installed": nan}'])
async def test_what_is_no_json_is_malformed(api: Api, token: str, text: bytes) -> None:
    response = await api.call("POST", PATH, token, content=text, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (400, "malformed_json")


def recurring(number: int) -> dict[str, Any]:
    """A daily profile of a hundred periods."""
    item: dict[str, Any] = copy.deepcopy(QUESTION_EXAMPLE["installed"][0])
    profile = item["csChargingProfiles"]
    profile |= {"chargingProfileId": number, "stackLevel": number, "chargingProfileKind": "Recurring"}
    profile["recurrencyKind"] = "Daily"
    schedule = profile["chargingSchedule"]
    schedule["chargingSchedulePeriod"] = [
        {"startPeriod": 600 * place, "limit": (place * number) % 32} for place in range(100)
    ]
    return item


async def test_no_request_can_occupy_the_machine(api: Api, token: str) -> None:
    body = changed(installed=[recurring(number) for number in range(60)], duration=366 * 86_400)
    response = await api.call("POST", PATH, token, json=body)
    errors = [(error["pointer"], error["code"]) for error in response.json()["errors"]]
    assert errors == [("/duration", "too_much_work")]
    body = changed(installed=[recurring(number) for number in range(3)], duration=300 * 86_400)
    response = await api.call("POST", PATH, token, json=body)
    assert response.json()["errors"][0]["code"] == "answer_too_long"
    body["duration"] = 60 * 86_400
    assert (await api.call("POST", PATH, token, json=body)).status_code == 200
    response = await api.call("POST", PATH, token, json=body, headers={"Accept": "image/svg+xml"})
    assert response.json()["errors"][0]["code"] == "too_much_to_draw"
    response = await api.call("POST", PATH, token, json={"x": "x" * 1_048_576})
    assert response.status_code == 413
