"""Configuration templates, the desired keys of one charge point, and what is shown of both."""

from typing import Any

import pytest

from app.charge_points.records import ChargePointFilter, LabelTerm
from app.charge_points.rules import fits
from app.charge_points.store import ChargePointStore
from app.configuration.records import ConfigurationTemplate
from app.configuration.rules import resolve
from app.configuration.store import ConfigurationStore, DesiredStore
from app.tenants.records import TenantRecord
from tests.support.api import NOW, Api
from tests.support.store import ChargePointRecords

PATH = "/v1/configuration-templates"
OWN = "/v1/charge-points/RDAM-1/desired-configuration"
SHOWN = "/v1/charge-points/RDAM-1/configuration"


async def shown(api: Api, token: str) -> dict[str, Any]:
    items = (await api.call("GET", SHOWN, token)).json()["items"]
    return {item["key"]: item for item in items}


async def test_own_keys_come_first_then_priority_then_the_name(records: ChargePointRecords) -> None:
    async with records.database.tenant(records.tenant.id) as work:
        point = await ChargePointStore(work).update(records.record.identity, labels={"site": "north"})
    assert point is not None
    north, other = (ChargePointFilter(labels=(LabelTerm.of(f"site:{name}"),)) for name in ("north", "south"))
    templates = [
        ConfigurationTemplate("b", 1, {"A": "b1", "C": "b1"}, north),
        ConfigurationTemplate("a", 1, {"a": "a1", "D": "a1"}, ChargePointFilter()),
        ConfigurationTemplate("aa", 1, {"D": "aa1"}, ChargePointFilter()),
        ConfigurationTemplate("z", 2, {"C": "z2", "E": "z2"}, ChargePointFilter()),
        ConfigurationTemplate("y", 9, {"C": "y9"}, other),
    ]
    desired = resolve(templates, {"e": "own"}, point)
    assert {key: (item.value, item.template) for key, item in desired.items()} == {
        "a": ("a1", "a"),
        "c": ("z2", "z"),
        "d": ("a1", "a"),
        "e": ("own", None),
    }


async def test_a_filter_fits_as_the_list_selects(records: ChargePointRecords) -> None:
    point = records.record
    assert fits(ChargePointFilter(), point)
    assert fits(ChargePointFilter(identities=(point.identity,), identity_prefix=point.identity[:2]), point)
    assert fits(ChargePointFilter(search=point.identity.upper()), point)
    for filters in (
        ChargePointFilter(vendor="Acme"),
        ChargePointFilter(labels=(LabelTerm("site"),)),
        ChargePointFilter(identities=()),
        ChargePointFilter(search="nothing"),
        ChargePointFilter(registration_status="Rejected"),
    ):
        assert not fits(filters, point)


async def test_a_template_is_put_listed_and_deleted(api: Api, token: str) -> None:
    body = {"priority": 5, "selector": {"identities": ["RDAM-1"]}, "keys": {"HeartbeatInterval": "600"}}
    created = await api.call("PUT", f"{PATH}/north", token, json=body)
    assert (created.status_code, created.headers["location"]) == (201, f"{PATH}/north")
    again = await api.call("PUT", f"{PATH}/north", token, json=body)
    assert (again.status_code, again.json()["selector"]["identities"]) == (200, ["RDAM-1"])
    await api.call("PUT", f"{PATH}/all", token, json={"keys": {}})
    listed = (await api.call("GET", PATH, token)).json()["items"]
    assert [(item["name"], item["priority"]) for item in listed] == [("all", 0), ("north", 5)]
    assert (await api.call("DELETE", f"{PATH}/north", token)).status_code == 204
    assert (await api.call("GET", f"{PATH}/north", token)).status_code == 404
    assert (await api.call("DELETE", f"{PATH}/north", token)).status_code == 404


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({"AuthorizationKey": "0123456789abcdef"}, "credential"),
        ({"authorizationkey": "0123456789abcdef"}, "credential"),
        ({"SecurityProfile": "1"}, "security_profile"),
        ({"securityprofile": "3"}, "security_profile"),
        ({"NumberOfConnectors": "2"}, "read_only"),
        ({"numberofconnectors": "2"}, "read_only"),
        ({"HeartbeatInterval": "often"}, "not_an_integer"),
        ({"LocalPreAuthorize": "yes"}, "not_a_boolean"),
        ({"AcmeKey": "1", "acmekey": "2"}, "duplicate_key"),
        ({"WifiPassword": "***"}, "hidden_secret"),
        ({"two words": "1"}, "string_pattern_mismatch"),
        ({"AcmeKey": "x" * 501}, "string_too_long"),
    ],
)
@pytest.mark.parametrize("path", [OWN, f"{PATH}/north"])
async def test_what_cannot_be_desired_is_named(
    api: Api, operator: TenantRecord, token: str, path: str, keys: dict[str, str], code: str
) -> None:
    await api.charge_point(operator)
    response = await api.call("PUT", path, token, json={"keys": keys})
    assert response.status_code == 422
    error = response.json()["errors"][0]
    assert (error["code"], error["pointer"].startswith("/keys/")) == (code, True)
    assert "0123456789abcdef" not in response.text


async def test_drift_is_shown(api: Api, operator: TenantRecord, token: str) -> None:
    point = await api.charge_point(operator)
    async with api.services.storage.database.tenant(operator.id) as work:
        put = ConfigurationStore(work).put
        await put(point, "HEARTBEATINTERVAL", "300", False, NOW, "GetConfiguration", "key:test")
    await api.call("PUT", f"{PATH}/all", token, json={"keys": {"HeartbeatInterval": "600"}})
    await api.call("PUT", OWN, token, json={"keys": {"AcmeKey": "1"}})
    keys = await shown(api, token)
    known = keys["HEARTBEATINTERVAL"]
    assert (known["value"], known["desired"], known["template"], known["state"]) == (
        "300",
        "600",
        "all",
        "pending",
    )
    assert (known["source"], known["issued_by"]) == ("GetConfiguration", "key:test")
    unknown = keys["AcmeKey"]
    assert (unknown["value"], unknown["reported_at"], unknown["desired"]) == (None, None, "1")
    assert (await api.call("GET", OWN, token)).json() == {"keys": {"AcmeKey": "1"}}


async def test_a_desired_secret_is_sealed_and_never_shown(
    api: Api, operator: TenantRecord, token: str
) -> None:
    point = await api.charge_point(operator)
    body = {"keys": {"WifiPassword": "hunter2"}}
    for path in (OWN, f"{PATH}/north"):
        response = await api.call("PUT", path, token, json=body)
        assert response.json()["keys"] == {"WifiPassword": "***"}
    for path in (OWN, PATH, f"{PATH}/north", SHOWN):
        assert "hunter2" not in (await api.call("GET", path, token)).text
    async with api.services.storage.database.tenant(operator.id) as work:
        before = await DesiredStore(work).own_keys(point)
    await api.call("PUT", OWN, token, json=body)
    async with api.services.storage.database.tenant(operator.id) as work:
        after = await DesiredStore(work).own_keys(point)
    assert "hunter2" not in str(before)
    assert before == after


async def test_another_tenant_has_templates_of_its_own(api: Api, token: str) -> None:
    await api.call("PUT", f"{PATH}/north", token, json={"keys": {"HeartbeatInterval": "600"}})
    other = await api.key(await api.tenant())
    assert (await api.call("GET", PATH, other)).json()["items"] == []
    assert (await api.call("GET", f"{PATH}/north", other)).status_code == 404
