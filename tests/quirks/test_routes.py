"""`/v1/quirk-profiles` and the habits of a charge point, over HTTP."""

from typing import Any

import pytest

from app.charge_points.records import BootFacts
from app.quirks.records import Device, StatedHabits
from app.quirks.rules import readable_habits
from app.quirks.service import PROFILES_LIMIT
from app.tenants.records import TenantRecord
from app.types import ChargePointId, TenantId
from tests.support.api import NOW, Api

PATH = "/v1/quirk-profiles"
OWN = {
    "name": "acme-duo",
    "vendor": "Acme",
    "model": "Duo*",
    "note": "Seen on site 7",
    "habits": {"session_meter": {"value": True, "source": "https://example.org/1"}},
}


async def booted(api: Api, operator: TenantRecord, charge_point: ChargePointId, *texts: str) -> None:
    facts = BootFacts(NOW, texts[0], texts[1], firmware_version=texts[2])
    await api.services.storage.login_batcher.record_boot(operator.id, charge_point, facts)


async def test_a_profile_lives_and_dies(api: Api, token: str) -> None:
    made = await api.call("POST", PATH, token, json=OWN)
    assert made.status_code == 201, made.text
    assert made.headers["location"] == f"{PATH}/acme-duo"
    shown = made.json()
    assert (shown["origin"], shown["firmware"], shown["created_at"]) == (
        "tenant",
        "*",
        "2026-05-04T08:15:30.000Z",
    )
    assert shown["habits"]["session_meter"] == {"value": True, "source": "https://example.org/1"}
    read = await api.call("GET", f"{PATH}/acme-duo", token)
    assert read.json() == shown
    tag = read.headers["etag"]
    assert (
        await api.call("GET", f"{PATH}/acme-duo", token, headers={"If-None-Match": tag})
    ).status_code == 304
    again = await api.call("POST", PATH, token, json=OWN)
    assert (again.status_code, again.json()["field"]) == (409, "name")
    changed = await api.call("PATCH", f"{PATH}/acme-duo", token, json={"firmware": "4.*", "note": None})
    assert (changed.json()["firmware"], changed.json()["note"]) == ("4.*", None)
    assert changed.json()["habits"] == shown["habits"]
    stale = await api.call("PATCH", f"{PATH}/acme-duo", token, json={"model": "*"}, headers={"If-Match": tag})
    assert stale.status_code == 412
    assert (await api.call("DELETE", f"{PATH}/acme-duo", token)).status_code == 204
    assert (await api.call("GET", f"{PATH}/acme-duo", token)).status_code == 404


async def test_shipped_profiles_are_shown_and_cannot_be_changed(api: Api, token: str) -> None:
    page = (await api.call("GET", PATH, token, params={"limit": 2})).json()
    assert [item["name"] for item in page["items"]] == ["abb-terra-ac", "duosida-mode3"]
    assert {item["origin"] for item in page["items"]} == {"shipped"}
    assert page["items"][0]["habits"]["session_meter"]["source"].startswith("https://github.com/")
    rest = (await api.call("GET", PATH, token, params={"cursor": page["next_cursor"]})).json()
    assert rest["items"][0]["name"] == "en-plustech"
    assert rest["next_cursor"] is None
    for method, options in (("PATCH", {"json": {"note": "x"}}), ("DELETE", {})):
        refused = await api.call(method, f"{PATH}/go-e", token, **options)
        assert refused.status_code == 409
        assert refused.json()["field"] == "profile_name"
        assert "Create one with its name" in refused.json()["detail"]


async def test_a_profile_replaces_the_shipped_one_of_its_name(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId
) -> None:
    await booted(api, operator, charge_point, "go-e", "go-eCharger_V4", "055.5")
    quirks = "/v1/charge-points/RDAM-1/quirks"
    shown = (await api.call("GET", quirks, token)).json()
    assert (shown["vendor"], shown["model"], shown["firmware_version"]) == ("go-e", "go-eCharger_V4", "055.5")
    assert shown["items"] == [
        {
            "habit": "least_stack_level",
            "value": 1,
            "source": "https://github.com/goecharger/go-eCharger-API-v2/issues/187",
            "profile": "go-e",
            "origin": "shipped",
        }
    ]
    own = {**OWN, "name": "go-e", "vendor": "GO-E", "model": "*"}
    assert (await api.call("POST", PATH, token, json=own)).status_code == 201
    names = [item["name"] for item in (await api.call("GET", PATH, token)).json()["items"]]
    assert names.count("go-e") == 1
    (habit,) = (await api.call("GET", quirks, token)).json()["items"]
    assert (habit["habit"], habit["origin"]) == ("session_meter", "tenant")
    await api.call("DELETE", f"{PATH}/go-e", token)
    (habit,) = (await api.call("GET", quirks, token)).json()["items"]
    assert (habit["habit"], habit["origin"]) == ("least_stack_level", "shipped")


async def test_one_that_never_booted_has_no_habits(api: Api, token: str, charge_point: ChargePointId) -> None:
    shown = await api.call("GET", "/v1/charge-points/RDAM-1/quirks", token)
    assert shown.json() == {"vendor": None, "model": None, "firmware_version": None, "items": []}
    assert (await api.call("GET", "/v1/charge-points/NO-1/quirks", token)).status_code == 404


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": "Upper"}, "/name"),
        ({"name": "x" * 49}, "/name"),
        ({"vendor": ""}, "/vendor"),
        ({"vendor": "a\u0000b"}, "/vendor"),
        ({"model": "x" * 101}, "/model"),
        ({"firmware": 4}, "/firmware"),
        ({"note": "x" * 501}, "/note"),
        ({"note": "two\nlines"}, "/note"),
        ({"habits": {"time_zone": {"value": "Nowhere/Town"}}}, "/habits/time_zone/value"),
        ({"habits": {"least_stack_level": {"value": -1}}}, "/habits/least_stack_level/value"),
        ({"habits": {"silent_keys": {"value": ["a b"]}}}, "/habits/silent_keys/value/0"),
        ({"habits": {"silent_keys": {"value": ["K"] * 51}}}, "/habits/silent_keys/value"),
        ({"habits": {"session_meter": {"value": True, "source": "x" * 501}}}, "/habits/session_meter/source"),
        ({"habits": {"session_meter": {"value": "yes"}}}, "/habits/session_meter/value"),
        ({"habits": {"session_meter": {}}}, "/habits/session_meter/value"),
        ({"habits": {"odd": {"value": 1}}}, "/habits/odd"),
        ({"origin": "shipped"}, "/origin"),
        ({"habits": None}, "/habits"),
    ],
)
async def test_a_refusal_names_the_field(api: Api, token: str, change: dict[str, Any], pointer: str) -> None:
    refused = await api.call("POST", PATH, token, json={**OWN, **change})
    assert refused.status_code == 422, refused.text
    assert pointer in [error["pointer"] for error in refused.json()["errors"]]
    assert "/usr" not in refused.text


async def test_the_number_of_profiles_is_bounded(api: Api, token: str) -> None:
    for number in range(PROFILES_LIMIT):
        made = await api.call("POST", PATH, token, json={**OWN, "name": f"p{number}"})
        assert made.status_code == 201
    refused = await api.call("POST", PATH, token, json=OWN)
    assert (refused.status_code, str(PROFILES_LIMIT) in refused.json()["detail"]) == (409, True)
    assert (await api.call("DELETE", f"{PATH}/p7", token)).status_code == 204
    assert (await api.call("POST", PATH, token, json=OWN)).status_code == 201


async def test_a_body_that_is_too_large_is_refused(api: Api, token: str) -> None:
    assert (await api.call("POST", PATH, token, json={**OWN, "note": "x" * 70_000})).status_code == 413


async def test_each_change_is_audited(api: Api, token: str) -> None:
    await api.call("POST", PATH, token, json=OWN)
    await api.call("PATCH", f"{PATH}/acme-duo", token, json={"vendor": "Bolt"})
    await api.call("PATCH", f"{PATH}/acme-duo", token, json={})
    await api.call("DELETE", f"{PATH}/acme-duo", token)
    entries = (await api.call("GET", "/v1/audit", token)).json()["items"]
    assert [entry["act"] for entry in entries] == [
        "delete_quirk_profile",
        "change_quirk_profile",
        "create_quirk_profile",
    ]
    assert {entry["subject"] for entry in entries} == {f"{PATH}/acme-duo"}
    assert [entry["details"]["vendor"] for entry in entries] == ["Bolt", "Bolt", "Acme"]
    assert entries[0]["actor"].startswith("key:")
    assert entries[0]["reason"] == "Seen on site 7"


async def test_tenants_do_not_see_or_feel_each_others_profiles(
    api: Api, operator: TenantRecord, token: str
) -> None:
    other = await api.tenant()
    stranger = await api.key(other)
    for tenant in (operator, other):
        await booted(api, tenant, await api.charge_point(tenant, "BOTH-1"), "Acme", "Duo 22", "1")
    assert (await api.call("POST", PATH, token, json=OWN)).status_code == 201
    quirks = "/v1/charge-points/BOTH-1/quirks"
    assert len((await api.call("GET", quirks, token)).json()["items"]) == 1
    assert (await api.call("GET", quirks, stranger)).json()["items"] == []
    assert (await api.call("GET", f"{PATH}/acme-duo", stranger)).status_code == 404
    assert (await api.call("PATCH", f"{PATH}/acme-duo", stranger, json={"note": "x"})).status_code == 404
    assert (await api.call("DELETE", f"{PATH}/acme-duo", stranger)).status_code == 404
    listed = (await api.call("GET", PATH, stranger)).json()["items"]
    assert {item["origin"] for item in listed} == {"shipped"}
    assert (await api.call("POST", PATH, stranger, json=OWN)).status_code == 201


async def test_scopes(api: Api, operator: TenantRecord) -> None:
    reader = await api.key(operator, "read")
    writer = await api.key(operator, "write")
    assert (await api.call("POST", PATH, reader, json=OWN)).status_code == 403
    assert (await api.call("GET", PATH, writer)).status_code == 403
    assert (await api.call("POST", PATH, writer, json=OWN)).status_code == 201


@pytest.mark.parametrize(
    ("called_wh", "shown", "flags"), [("Wh", 18.2, ["register_in_kwh"]), ("kWh", 18200, [])]
)
async def test_a_series_is_read_by_the_habits_at_once(
    api: Api,
    operator: TenantRecord,
    token: str,
    charge_point: ChargePointId,
    called_wh: str,
    shown: float,
    flags: list[str],
) -> None:
    await booted(api, operator, charge_point, "Acme", "Duo 22", "1")
    number = await api.transaction(operator, charge_point, started_at=NOW, meter_start_wh=18_000)
    sample = [{"value": "18.2", "unit": "Wh"}]
    await api.meter_value(
        operator, charge_point, transaction_id=number, sampled_at=NOW, sampled_values=sample
    )
    habits = {"energy_called_wh": {"value": called_wh}}
    await api.call("POST", PATH, token, json={**OWN, "habits": habits})
    (series,) = (await api.call("GET", f"/v1/transactions/{number}/meter-series", token)).json()["series"]
    assert (series["points"][0]["value"], series["flags"]) == (shown, flags)
    raw = (await api.call("GET", f"/v1/transactions/{number}/meter-values", token)).json()["items"]
    assert raw[0]["sampled_values"] == sample, "the record stays as it was sent"


async def test_a_stored_profile_is_read_once_while_it_stays_as_it_is(
    api: Api, token: str, operator: TenantRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A charge point that boots again and again must not take the event loop."""
    read: list[Any] = []

    def counting(stored: Any) -> StatedHabits:
        read.append(stored)
        return readable_habits(stored)

    monkeypatch.setattr("app.quirks.store.readable_habits", counting)
    quirks = api.services.storage.quirks
    acme = Device("Acme", "Duo 22", "1")
    source = {"source": "read once"}
    stated = {"session_meter": {"value": True, **source}}
    assert (await api.call("POST", PATH, token, json={**OWN, "habits": stated})).status_code == 201
    read.clear()
    assert [(await quirks.habits(TenantId(operator.id), acme)).session_meter for _ in range(5)] == [True] * 5
    assert len(read) == 1
    changed = {"habits": {"session_meter": {"value": False, **source}}}
    assert (await api.call("PATCH", f"{PATH}/acme-duo", token, json=changed)).status_code == 200
    assert not (await quirks.habits(TenantId(operator.id), acme)).session_meter
