"""Imports and exports of charge points: rows as JSON and CSV, `PUT`, and keys that are brought along."""

import json
from typing import Any

import httpx
import pytest

from app.charge_points.credentials import Credentials, imported_key
from app.charge_points.store import ChargePointStore
from app.errors import InvalidInput
from app.live.envelopes import EvictEnvelope
from app.settings import Settings
from app.tenants.records import TenantRecord
from app.types import ChargePointId
from app.web.row_body import RowLimits
from tests.support.api import Api
from tests.support.limits import times_hit

PATH, ROWS, LIST = "/v1/charge-points", "/v1/charge-point-rows", "/v1/charge-point-list"
HEX_KEY = "00112233445566778899aabbccddeeff"
CSV = {"Content-Type": "text/csv"}
HOSTILE = ["=1+1", "'quoted", "+x", "-1", "@a", 'say "hi", you', "semi;colon", "Zürich 北"]


async def put_rows(api: Api, token: str, rows: Any, **query: str) -> dict[str, Any]:
    response = await api.call("POST", ROWS, token, json=rows, params=query)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def put_csv(api: Api, token: str, text: str | bytes) -> httpx.Response:
    content = text.encode() if isinstance(text, str) else text
    return await api.call("POST", ROWS, token, content=content, headers=CSV)


def ends(outcomes: dict[str, Any]) -> list[tuple[str | None, str]]:
    return [(item["key"], item["result"]) for item in outcomes["items"]]


def fault(outcomes: dict[str, Any], place: int) -> tuple[str, str]:
    error = outcomes["items"][place]["errors"][0]
    return error["pointer"], error["code"]


async def test_a_bad_row_does_not_cost_its_neighbours(api: Api, token: str) -> None:
    rows: list[Any] = [
        {"identity": "A-1", "name": "Gate", "labels": {"site": "north"}},
        {"identity": "bad/identity"},
        "no object",
        {"identity": "A-2", "heartbeat_interval_s": 0},
        {"identity": "A-1"},
        {"name": "nameless"},
        {"identity": "A-3", "unknown": 1},
        {"identity": "A-4"},
    ]
    outcomes = await put_rows(api, token, rows)
    assert [result for _, result in ends(outcomes)] == ["created"] + ["error"] * 6 + ["created"]
    assert [fault(outcomes, place) for place in range(1, 7)] == [
        ("/identity", "string_pattern_mismatch"),
        ("", "model_type"),
        ("/heartbeat_interval_s", "greater_than_equal"),
        ("/identity", "duplicate"),
        ("/identity", "missing"),
        ("/unknown", "extra_forbidden"),
    ]
    assert (outcomes["created"], outcomes["failed"]) == (2, 6)


async def test_the_same_rows_again_change_nothing(api: Api, operator: TenantRecord, token: str) -> None:
    rows = [
        {"identity": "A-1", "labels": {"site": "north"}, "authorization_key": HEX_KEY},
        {"identity": "A-2", "registration_status": "Pending"},
    ]
    assert ends(await put_rows(api, token, rows)) == [("A-1", "created"), ("A-2", "created")]
    async with api.services.storage.database.tenant(operator.id) as work:
        before = await ChargePointStore(work).page(10)
    assert ends(await put_rows(api, token, rows)) == [("A-1", "unchanged"), ("A-2", "unchanged")]
    async with api.services.storage.database.tenant(operator.id) as work:
        assert await ChargePointStore(work).page(10) == before
    changed = [{"identity": "A-1", "labels": {"site": None, "floor": "1"}}, {"identity": "A-2"}]
    assert ends(await put_rows(api, token, changed)) == [("A-1", "updated"), ("A-2", "unchanged")]
    assert (await api.call("GET", f"{PATH}/A-1", token)).json()["labels"] == {"floor": "1"}


async def test_a_mode_takes_new_or_known_rows_only(api: Api, operator: TenantRecord, token: str) -> None:
    await api.charge_point(operator, "A-1")
    rows = [{"identity": "A-1", "name": "x"}, {"identity": "A-2", "name": "x"}]
    assert ends(await put_rows(api, token, rows, mode="update")) == [("A-1", "updated"), ("A-2", "error")]
    assert ends(await put_rows(api, token, rows, mode="create")) == [("A-1", "error"), ("A-2", "created")]


async def test_csv_is_taken_with_a_mark_semicolons_and_any_line_end(api: Api, token: str) -> None:
    text = '\ufeffIdentity;Name;label:site;NO_CREDENTIAL\r\nA-1;"Gate; 1";north;TRUE\r\n\r\nA-2;\'=x;;false\n'
    outcomes = (await put_csv(api, token, text)).json()
    assert ends(outcomes) == [("A-1", "created"), ("A-2", "created")]
    shown = [(await api.call("GET", f"{PATH}/{name}", token)).json() for name in ("A-1", "A-2")]
    assert [(item["name"], item["labels"], item["no_credential"]) for item in shown] == [
        ("Gate; 1", {"site": "north"}, True),
        ("=x", {}, False),
    ]


async def test_a_long_line_is_refused_alone(api: Api, token: str) -> None:
    outcomes = (await put_csv(api, token, "identity,name\nA-1,x,y\nA-2,x\n")).json()
    assert ends(outcomes) == [(None, "error"), ("A-2", "created")]
    assert fault(outcomes, 0) == ("", "too_many_cells")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("name\nx\n", "bad_columns"),
        ("", "bad_columns"),
        ("identity,identity\nA,B\n", "bad_columns"),
        ("identity,label:a,label:a\nA,1,2\n", "bad_columns"),
        ("identity,colour\nA,red\n", "bad_columns"),
        ('identity\n"A-1\n', "not_csv"),
        ("identity,name\nA-1,Zürich\n".encode("latin-1"), "not_utf_8"),
        ("identity\nA-1\n".encode("utf-16"), "not_utf_8"),
    ],
)
async def test_what_is_no_table_is_refused_as_a_whole(
    api: Api, token: str, content: str | bytes, code: str
) -> None:
    response = await put_csv(api, token, content)
    assert (response.status_code, response.json()["errors"][0]["code"]) == (422, code)


@pytest.mark.parametrize("media_type", ["text/csv", "application/json"])
async def test_an_export_is_imported_again_unchanged(api: Api, token: str, media_type: str) -> None:
    rows = [
        {"identity": f"={place}", "name": text, "labels": {"site": text, f"k{place}": "v"}}
        for place, text in enumerate(HOSTILE)
    ]
    assert (await put_rows(api, token, rows))["created"] == len(rows)
    exported = await api.call("GET", LIST, token, headers={"Accept": media_type})
    if media_type == "text/csv":
        cells = [cell for line in exported.text.splitlines()[1:] for cell in line.split(",")]
        assert not [cell for cell in cells if cell.strip('"').startswith(("=", "+", "-", "@"))]
    headers = {"Content-Type": media_type}
    again = await api.call("POST", ROWS, token, content=exported.content, headers=headers)
    assert (again.json()["unchanged"], again.json()["failed"]) == (len(rows), 0)


async def test_a_body_is_bounded(api: Api, token: str) -> None:
    limits = api.app.state.services.get(RowLimits)
    assert limits == RowLimits.of(Settings(database_url=None, redis_url=None))
    before = [times_hit(name) for name in ("import_rows", "import_bytes")]
    rows = json.dumps([{}] * (limits.rows + 1))
    response = await api.call("POST", ROWS, token, content=rows, headers={"Content-Type": "application/json"})
    assert response.json()["errors"][0]["code"] == "too_many_rows"
    large = await put_csv(api, token, b"x" * (limits.size_bytes + 1))
    assert large.status_code == 413
    after = [times_hit(name) for name in ("import_rows", "import_bytes")]
    assert after == [count + 1 for count in before]


@pytest.mark.parametrize(("content", "status"), [("{}", 422), ("[", 400), ("[NaN]", 400), ("[" * 9999, 400)])
async def test_what_is_no_array_is_refused(api: Api, token: str, content: str, status: int) -> None:
    response = await api.call(
        "POST", ROWS, token, content=content, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == status


async def test_a_doubled_member_and_a_lone_surrogate_are_refused_by_row(api: Api, token: str) -> None:
    content = '[{"identity":"A-1","identity":"A-2"},{"identity":"A-3","name":"\\ud800"},{"identity":"A-4"}]'
    response = await api.call(
        "POST", ROWS, token, content=content, headers={"Content-Type": "application/json"}
    )
    assert [result for _, result in ends(response.json())] == ["error", "error", "created"]


# Keys that are brought along


@pytest.mark.parametrize(
    ("text", "form", "key"),
    [
        (HEX_KEY, "auto", bytes.fromhex(HEX_KEY)),
        (HEX_KEY, "text", HEX_KEY.encode()),
        ("0123456789abcdef", "auto", b"0123456789abcdef"),
        ("0123456789abcdef", "hex", bytes.fromhex("0123456789abcdef")),
        (HEX_KEY[:31], "text", HEX_KEY[:31].encode()),
        ("a plain password", "auto", b"a plain password"),
        ("pässword", "auto", "pässword".encode()),
    ],
)
def test_a_key_is_read_in_its_form(text: str, form: Any, key: bytes) -> None:
    assert imported_key(text, form) == key
    credentials = Credentials("a pepper of tests")
    stored = credentials.hash(key)
    assert credentials.matches(key, stored)
    assert credentials.matches(key.hex().upper().encode(), stored) == (len(key) <= 20)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("", "auto"),
        ("abc", "hex"),
        ("xy", "hex"),
        ("x" * 65, "text"),
        # A digit was lost or doubled when it was copied: the charge point would be locked out.
        (HEX_KEY[:31], "auto"),
        (HEX_KEY + "0", "auto"),
        (HEX_KEY + "00" * 5, "auto"),
        (HEX_KEY[:24], "auto"),
    ],
)
def test_what_is_no_key_is_refused(text: str, form: Any) -> None:
    with pytest.raises(InvalidInput):
        imported_key(text, form)


async def matches(api: Api, operator: TenantRecord, identity: str, password: bytes) -> bool:
    credentials = Credentials(api.services.settings.credential_pepper)
    async with api.services.storage.database.tenant(operator.id) as work:
        record = await ChargePointStore(work).get(identity)
    assert record is not None
    return credentials.matches(password, record.credential_hash)


async def test_an_imported_key_logs_in_and_is_never_shown(
    api: Api, operator: TenantRecord, token: str
) -> None:
    key = await api.charge_point(operator, "A-1")
    await api.connect(operator, key, "A-1")
    path, body = f"{PATH}/A-1/credentials", {"authorization_key": HEX_KEY}
    response = await api.call("PUT", path, token, json=body)
    assert (response.status_code, response.content) == (204, b"")
    assert [type(envelope) for envelope in api.delivered] == [EvictEnvelope]
    assert await matches(api, operator, "A-1", HEX_KEY.encode())
    assert await matches(api, operator, "A-1", bytes.fromhex(HEX_KEY))
    # The same key again closes no connection.
    await api.call("PUT", path, token, json=body)
    assert len(api.delivered) == 1
    for shown in (f"{PATH}/A-1", PATH, LIST):
        assert HEX_KEY not in (await api.call("GET", shown, token)).text


async def test_a_weak_key_needs_the_word_of_the_operator(
    api: Api, operator: TenantRecord, token: str
) -> None:
    await api.charge_point(operator, "A-1")
    path, body = f"{PATH}/A-1/credentials", {"authorization_key": "weak"}
    refused = await api.call("PUT", path, token, json=body)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "weak_credential")
    assert 'weak"' not in refused.text.replace("weak_", "")
    await api.call("PATCH", f"{PATH}/A-1", token, json={"allow_weak_credential": True})
    assert (await api.call("PUT", path, token, json=body)).status_code == 204
    assert await matches(api, operator, "A-1", b"weak")


async def test_keys_come_along_with_rows(api: Api, operator: TenantRecord, token: str) -> None:
    text = (
        "identity,authorization_key,authorization_key_form,allow_weak_credential\n"
        f"A-1,{HEX_KEY},,\nA-2,short,,\nA-3,short,text,true\nA-4,0011,hex,true\n"
    )
    response = await put_csv(api, token, text)
    assert [result for _, result in ends(response.json())] == ["created", "error", "created", "created"]
    assert fault(response.json(), 1) == ("/authorization_key", "weak_credential")
    assert HEX_KEY not in response.text
    assert "short" not in response.text
    for identity, password in (("A-1", HEX_KEY), ("A-3", "short"), ("A-4", "0011")):
        assert await matches(api, operator, identity, password.encode())
    shown = (await api.call("GET", f"{PATH}/A-1", token)).json()
    assert (shown["has_credential"], shown["allow_weak_credential"]) == (True, False)


# PUT


async def test_put_creates_replaces_and_repeats(api: Api, operator: TenantRecord, token: str) -> None:
    body = {"name": "Gate", "labels": {"site": "north"}, "authorization_key": HEX_KEY}
    created = await api.call("PUT", f"{PATH}/A-1", token, json=body)
    assert (created.status_code, created.headers["location"]) == (201, f"{PATH}/A-1")
    again = await api.call("PUT", f"{PATH}/A-1", token, json=body)
    assert (again.status_code, again.json()) == (200, created.json())
    replaced = await api.call("PUT", f"{PATH}/A-1", token, json={"labels": {"floor": "2"}})
    shown = replaced.json()
    assert (shown["name"], shown["labels"], shown["has_credential"]) == (None, {"floor": "2"}, True)
    assert await matches(api, operator, "A-1", HEX_KEY.encode())


async def test_put_compares_the_state_that_it_is_based_on(api: Api, token: str) -> None:
    path = f"{PATH}/A-1"
    absent = await api.call("PUT", path, token, json={}, headers={"If-Match": "*"})
    assert absent.status_code == 412
    tag = (await api.call("PUT", path, token, json={})).headers["etag"]
    headers = {"If-Match": tag}
    assert (await api.call("PUT", path, token, json={"name": "x"}, headers=headers)).status_code == 200
    assert (await api.call("PUT", path, token, json={"name": "y"}, headers=headers)).status_code == 412


@pytest.mark.parametrize("way", ["patch", "put", "rows"])
async def test_a_session_without_credential_ends_when_one_is_needed(
    api: Api, operator: TenantRecord, token: str, way: str
) -> None:
    row = {"identity": "A-1", "no_credential": True}
    await put_rows(api, token, [row])
    async with api.services.storage.database.tenant(operator.id) as work:
        record = await ChargePointStore(work).get("A-1")
    assert record is not None
    await api.connect(operator, ChargePointId(record.id), "A-1")
    await put_rows(api, token, [{**row, "name": "still open"}])
    assert not api.delivered
    if way == "rows":
        await put_rows(api, token, [{**row, "no_credential": False}])
    else:
        await api.call(way.upper(), f"{PATH}/A-1", token, json={"no_credential": False})
    assert [type(envelope) for envelope in api.delivered] == [EvictEnvelope]
