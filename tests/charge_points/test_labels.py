"""Labels of charge points, and what the list of charge points is narrowed by."""

from typing import Any

import pytest

from app.charge_points import service
from app.charge_points.records import BootFacts, ChargePointFilter, LabelTerm
from app.charge_points.rules import merged_labels
from app.charge_points.service import ChargePointService
from app.errors import InvalidInput
from app.tenants.records import TenantRecord
from app.types import TenantId
from app.web.pagination import encode_cursor
from tests.support.api import NOW, Api
from tests.support.limits import times_hit

PATH = "/v1/charge-points"


def test_null_removes_a_label_and_others_stay() -> None:
    assert merged_labels({"a": "1", "b": "2"}, {"a": None, "c": "3"}) == {"b": "2", "c": "3"}


def test_a_charge_point_has_a_limited_number_of_labels() -> None:
    known = {f"k{number}": "v" for number in range(64)}
    assert len(merged_labels(known, {"k0": None, "new": "v"})) == 64
    with pytest.raises(InvalidInput):
        merged_labels(known, {"new": "v"})


def test_two_values_of_one_label_select_nothing() -> None:
    terms = [LabelTerm.of(text) for text in ("site:north", "site:south", "site")]
    assert ChargePointFilter(labels=tuple(terms)).is_impossible
    assert not ChargePointFilter(labels=tuple(terms[::2])).is_impossible


@pytest.fixture
async def fleet(api: Api, operator: TenantRecord, token: str) -> None:
    """Create four charge points."""
    for identity, name, labels in (
        ("A-1", "Gate 100%", {"site": "north", "floor": "2"}),
        ("A-2", "Door", {"site": "north"}),
        ("B-1", "gate 7", {"site": "south: old", "floor": "1"}),
        ("B-2", None, {}),
    ):
        body = {"identity": identity, "name": name, "labels": labels, "no_credential": True}
        created = await api.call("POST", PATH, token, json=body)
        assert created.json()["charge_point"]["labels"] == labels


async def listed(api: Api, token: str, **query: Any) -> list[str]:
    response = await api.call("GET", PATH, token, params=query)
    assert response.status_code == 200, response.text
    return [item["identity"] for item in response.json()["items"]]


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("query", "identities"),
    [
        ({"label": "site:north"}, ["A-1", "A-2"]),
        ({"label": "site"}, ["A-1", "A-2", "B-1"]),
        ({"label": ["site", "floor"]}, ["A-1", "B-1"]),
        ({"label": ["site:north", "floor:2"]}, ["A-1"]),
        ({"label": ["site:north", "site:south: old"]}, []),
        ({"label": "site:south: old"}, ["B-1"]),
        ({"label": "site:nor"}, []),
        ({"search": "GATE"}, ["A-1", "B-1"]),
        ({"search": "b-"}, ["B-1", "B-2"]),
        ({"search": "gate 100%"}, ["A-1"]),
        ({"search": "%"}, []),
        ({"search": "gate", "label": "floor:1"}, ["B-1"]),
    ],
)
async def test_the_list_is_narrowed(
    api: Api, token: str, query: dict[str, Any], identities: list[str]
) -> None:
    assert await listed(api, token, **query) == identities


@pytest.mark.usefixtures("fleet")
async def test_the_list_is_narrowed_by_what_booted(api: Api, operator: TenantRecord, token: str) -> None:
    key = await api.charge_point(operator, "C-1")
    facts = BootFacts(NOW, "Acme", "Duo 22", firmware_version="4.1")
    await api.services.storage.login_batcher.record_boot(TenantId(operator.id), key, facts)
    for query in ({"vendor": "Acme"}, {"model": "Duo 22"}, {"firmware_version": "4.1", "vendor": "Acme"}):
        assert await listed(api, token, **query) == ["C-1"]
    assert await listed(api, token, vendor="acme") == []


@pytest.mark.usefixtures("fleet")
async def test_the_list_is_narrowed_by_the_connection(api: Api, operator: TenantRecord, token: str) -> None:
    key = await api.charge_point(operator, "C-1")
    await api.connect(operator, key, "C-1")
    assert await listed(api, token, connected="true") == ["C-1"]
    assert await listed(api, token, connected="false", limit=3) == ["A-1", "A-2", "B-1"]
    points = api.app.state.services.get(ChargePointService)
    offline = ChargePointFilter(connected=False)
    tenant_id = TenantId(operator.id)
    assert await points.identities(tenant_id, offline, 3) == ["A-1", "A-2", "B-1"]
    assert await points.identities(tenant_id, offline, 3, "B-1") == ["B-2"]
    named = ChargePointFilter(identities=("B-2", "C-1", "X"), connected=True)
    assert await points.identities(tenant_id, named, 10) == ["C-1"]


@pytest.mark.usefixtures("fleet")
async def test_labels_are_listed_with_their_members(api: Api, token: str) -> None:
    first = (await api.call("GET", "/v1/charge-point-labels", token, params={"limit": 2})).json()
    rest = (
        await api.call("GET", "/v1/charge-point-labels", token, params={"cursor": first["next_cursor"]})
    ).json()
    assert [
        (item["key"], item["value"], item["charge_points"]) for item in first["items"] + rest["items"]
    ] == [
        ("floor", "1", 1),
        ("floor", "2", 1),
        ("site", "north", 2),
        ("site", "south: old", 1),
    ]


@pytest.mark.usefixtures("fleet")
async def test_a_patch_merges_labels(api: Api, token: str) -> None:
    body = {"labels": {"floor": None, "group": "depot"}}
    changed = await api.call("PATCH", f"{PATH}/A-1", token, json=body)
    assert changed.json()["labels"] == {"site": "north", "group": "depot"}


@pytest.mark.parametrize(
    ("labels", "pointer"),
    [
        ({"a b": "1"}, "/labels/a b"),
        ({"a": ""}, "/labels/a"),
        ({"a": "x" * 256}, "/labels/a"),
        ({"a": "line\nbreak"}, "/labels/a"),
        ({"k" * 64: "1"}, "/labels/" + "k" * 64),
        ({f"k{number}": "v" for number in range(65)}, "/labels"),
    ],
)
async def test_a_bad_label_is_named(api: Api, token: str, labels: dict[str, str], pointer: str) -> None:
    response = await api.call("POST", PATH, token, json={"identity": "A-1", "labels": labels})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"].startswith(pointer)


@pytest.mark.parametrize(
    "query", [{"label": ":x"}, {"label": "a:"}, {"connected": "maybe"}, {"labels": "a:b"}, {"vendor": ""}]
)
async def test_a_bad_filter_is_named(api: Api, token: str, query: dict[str, str]) -> None:
    response = await api.call("GET", PATH, token, params=query)
    assert (response.status_code, response.json()["field"]) == (422, next(iter(query)))


@pytest.mark.usefixtures("fleet")
async def test_a_page_ends_after_many_connections_were_looked_up(
    api: Api, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_SCANNED_AT_ONCE", 2)
    monkeypatch.setattr(service, "_SCANNED_LIMIT", 2)
    before = times_hit("connected_scan")
    seen, query = [], {"connected": "true"}
    while True:
        page = (await api.call("GET", PATH, token, params=query)).json()
        seen.append(len(page["items"]))
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == [0, 0, 0]
    assert times_hit("connected_scan") == before + 2


@pytest.mark.usefixtures("fleet")
async def test_without_redis_the_connection_is_not_guessed(
    api: Api, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.services.presence, "_reachable", False)
    response = await api.call("GET", PATH, token, params={"connected": "false"})
    assert (response.status_code, response.json()["code"]) == (503, "bus_unavailable")
    assert len(await listed(api, token)) == 4


@pytest.mark.parametrize("key", [["a"], ["a", "\0"], ["a", "x" * 256], "a"])
async def test_a_cursor_made_by_hand_is_refused(api: Api, token: str, key: Any) -> None:
    query = {"cursor": encode_cursor(key)}
    response = await api.call("GET", "/v1/charge-point-labels", token, params=query)
    assert (response.status_code, response.json()["field"]) == (422, "cursor")
