"""Every refusal is `application/problem+json` with a code, and names the field at fault."""

import base64
from typing import Any

import asyncpg
import httpx
import pytest

from app.errors import StoreUnavailable
from app.id_tags.store import IdTagStore
from app.tenants.records import TenantRecord
from tests.support.api import Api

TAGS = "/v1/id-tags"
POINTS = "/v1/charge-points"


def named(response: httpx.Response) -> list[str]:
    """List what the answer names: parameters as they are, members of the body as pointers."""
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    assert body["type"].endswith(body["code"])
    return [error.get("pointer", error.get("parameter")) for error in body.get("errors", [])]


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        (f"{TAGS}?limit=0", "limit"),
        (f"{TAGS}?limit=201", "limit"),
        (f"{TAGS}?limit=ten", "limit"),
        (f"{TAGS}?limit=1_0", "limit"),
        (f"{TAGS}?limit=%201", "limit"),
        (f"{TAGS}?limit={'9' * 5000}", "limit"),
        (f"{TAGS}?limt=10", "limt"),
        (f"{TAGS}?cursor=!", "cursor"),
        (f"{TAGS}?cursor=AAAA", "cursor"),
        (f"{TAGS}?cursor={'A' * 257}", "cursor"),
        (f"{TAGS}?cursor=IlwwMDAi", "cursor"),
        (f"{TAGS}?cursor=IlxkdTAwMDAi", "cursor"),
        (f"{TAGS}?cursor=MTIz", "cursor"),
        (f"{TAGS}?status=Lost", "status"),
        (f"{TAGS}?prefix=%00", "prefix"),
        ("/v1/transactions?cursor=LTE", "cursor"),
        ("/v1/transactions?cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "cursor"),
        ("/v1/transactions?open=yes", "open"),
        ("/v1/transactions?from=yesterday", "from"),
        ("/v1/transactions?from=2026-05-04T08:15:30", "from"),
        ("/v1/transactions?from=0001-01-01T00:00:00%2B14:00", "from"),
        ("/v1/transactions?to=9999-12-31T23:59:59-14:00", "to"),
        ("/v1/transactions?connector_id=2147483648", "connector_id"),
        ("/v1/transactions/2147483648", "transaction_id"),
        ("/v1/transactions/0", "transaction_id"),
        ("/v1/transactions/1e3", "transaction_id"),
        ("/v1/commands/not-a-uuid", "command_id"),
        ("/v1/commands?state=gone", "state"),
        (f"{POINTS}/{'x' * 49}", "identity"),
        (f"{POINTS}/a%0Ab", "identity"),
        (f"{POINTS}/%C3%A9", "identity"),
        (f"{POINTS}/%FF", "identity"),
        (f"{POINTS}/a:b", "identity"),
        (f"{POINTS}/a%252Fb", "identity"),
        (f"{POINTS}/a%2Fconnectors", "path"),
        (f"{POINTS}/a%2fframes", "path"),
        (f"{POINTS}/a%00", "path"),
        (f"{POINTS}/a%5Cb", "identity"),
        (f"{TAGS}/{'x' * 37}", "id_tag"),
        (f"{TAGS}/%E2%82%AC", "id_tag"),
    ],
)
async def test_a_bad_parameter_is_named(api: Api, token: str, path: str, parameter: str) -> None:
    response = await api.call("GET", path, token)
    assert response.status_code == 422
    assert named(response) == [parameter]


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        (f"{POINTS}/", POINTS),
        (f"{POINTS}/?limit=1&label=a%26b", f"{POINTS}?limit=1&label=a%26b"),
        (f"{POINTS}/a%20b//", f"{POINTS}/a%20b"),
        ("/docs/", "/docs"),
        ("/metrics/", "/metrics"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_surplus_slash_leads_back_to_the_same_host(
    api: Api, token: str, asked: str, place: str, method: str
) -> None:
    response = await api.call(method, asked, token, headers={"Host": "evil.example"})
    assert (response.status_code, response.headers["location"]) == (307, place)


@pytest.mark.parametrize("path", ["//evil.example/", "//v1/charge-points/", "/nothing/", "/v1/"])
async def test_a_surplus_slash_leads_to_nothing_that_is_not_served(api: Api, token: str, path: str) -> None:
    response = await api.call("GET", path, token)
    assert response.status_code == 404
    assert "location" not in response.headers


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
async def test_a_cursor_may_name_any_time_that_a_charge_point_can_report(
    api: Api, operator: TenantRecord, token: str, at: str
) -> None:
    key = await api.charge_point(operator)
    transaction = await api.transaction(operator, key)
    cursor = base64.urlsafe_b64encode(f'["{at}",-1]'.encode()).rstrip(b"=").decode()
    path = f"/v1/transactions/{transaction}/meter-values?cursor={cursor}"
    assert (await api.call("GET", path, token)).status_code == 200
    shifted = base64.urlsafe_b64encode(f'["{at[:-1]}+14:00",-1]'.encode()).rstrip(b"=").decode()
    path = f"/v1/transactions/{transaction}/meter-values?cursor={shifted}"
    assert (await api.call("GET", path, token)).status_code == 422


TAG_ROWS: list[tuple[str, bytes, list[str]]] = [
    ("NUL", b'{"id_tag": "A\\u0000"}', ["/id_tag"]),
    ("NUL in a note", b'{"id_tag": "A", "note": "\\u0000"}', ["/note"]),
    ("lone surrogate", b'{"id_tag": "A", "note": "\\ud83d"}', ["/note"]),
    ("lone surrogate in a name", b'{"id_tag": "A", "x\\udfff": 1}', ["/x\ufffd"]),
    ("over-long", b'{"id_tag": "' + b"A" * 37 + b'"}', ["/id_tag"]),
    ("empty", b'{"id_tag": ""}', ["/id_tag"]),
    ("slash", b'{"id_tag": "A/B"}', ["/id_tag"]),
    ("dot", b'{"id_tag": ".."}', ["/id_tag"]),
    ("not ASCII", '{"id_tag": "\u00e9"}'.encode(), ["/id_tag"]),
    ("number for text", b'{"id_tag": 12}', ["/id_tag"]),
    ("text for number", b'{"id_tag": "A", "max_active_transactions": "1"}', ["/max_active_transactions"]),
    ("fraction", b'{"id_tag": "A", "max_active_transactions": 1.5}', ["/max_active_transactions"]),
    ("truth for number", b'{"id_tag": "A", "max_active_transactions": true}', ["/max_active_transactions"]),
    ("negative", b'{"id_tag": "A", "max_active_transactions": -1}', ["/max_active_transactions"]),
    (
        "beyond the column",
        b'{"id_tag": "A", "max_active_transactions": 2147483648}',
        ["/max_active_transactions"],
    ),
    ("beyond everything", b'{"id_tag": "A", "max_active_transactions": 1e999}', ["/max_active_transactions"]),
    (
        "many digits",
        b'{"id_tag": "A", "max_active_transactions": ' + b"9" * 4000 + b"}",
        ["/max_active_transactions"],
    ),
    ("NaN", b'{"id_tag": "A", "max_active_transactions": NaN}', ["/max_active_transactions"]),
    ("unknown member", b'{"id_tag": "A", "tenant_id": 1}', ["/tenant_id"]),
    ("pointer escapes", b'{"id_tag": "A", "a/b~c": 1}', ["/a~1b~0c"]),
    ("missing and bad", b'{"status": "Lost"}', ["/id_tag", "/status"]),
    ("a list", b"[]", [""]),
    ("null", b"null", [""]),
    ("far future", b'{"id_tag": "A", "expires_at": "9999-12-31T23:59:59-23:59"}', ["/expires_at"]),
    ("no zone", b'{"id_tag": "A", "expires_at": "2026-01-01T00:00:00"}', ["/expires_at"]),
]


@pytest.mark.parametrize(
    ("content", "pointers"), [row[1:] for row in TAG_ROWS], ids=[row[0] for row in TAG_ROWS]
)
async def test_a_bad_member_is_named(api: Api, token: str, content: bytes, pointers: list[str]) -> None:
    response = await api.call(
        "POST", TAGS, token, content=content, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422
    assert named(response) == pointers


@pytest.mark.parametrize("identity", ["", "a" * 49, "a:b", "a/b", "a\nb", "\u00e9", ".", "..", "a\u0000"])
async def test_an_identity_that_no_url_can_name_is_refused(api: Api, token: str, identity: str) -> None:
    response = await api.call("POST", POINTS, token, json={"identity": identity})
    assert response.status_code == 422
    assert named(response) == ["/identity"]


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b'{"id_tag"', {"Content-Type": "application/json"}, 400, "malformed_json"),
        (b"", {"Content-Type": "application/json"}, 400, "malformed_json"),
        (b"\xff\xfe", {"Content-Type": "application/json"}, 400, "malformed_json"),
        (b"[" * 60_000, {"Content-Type": "application/json"}, 400, "malformed_json"),
        (b'{"id_tag": "A"}', {}, 415, "unsupported_media_type"),
        (b'{"id_tag": "A"}', {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (b'{"id_tag": "A"}', {"Content-Type": "application/jsonx"}, 415, "unsupported_media_type"),
        (b"x" * 65_537, {"Content-Type": "application/json"}, 413, "content_too_large"),
        (b"{}", {"Content-Type": "application/json", "Content-Length": "9" * 30}, 413, "content_too_large"),
    ],
)
async def test_a_bad_body_is_refused(
    api: Api, token: str, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    response = await api.call("POST", TAGS, token, content=content, headers=headers)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert named(response) == []


async def test_a_body_that_does_not_say_its_length_is_counted(api: Api, token: str) -> None:
    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 1024

    headers = {"Content-Type": "application/json"}
    response = await api.call("POST", TAGS, token, content=endless(), headers=headers)
    assert (response.status_code, response.json()["code"]) == (413, "content_too_large")


async def test_an_unknown_path_is_a_problem(api: Api) -> None:
    response = await api.call("GET", "/v1/nothing")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert named(response) == []


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", TAGS, {"GET", "POST"}),
        ("POST", f"{TAGS}/A", {"GET", "PATCH", "PUT", "DELETE"}),
        ("DELETE", f"{POINTS}/A/connectors", {"GET"}),
        ("GET", f"{POINTS}/A/commands/Reset", {"POST"}),
        ("TRACE", f"{POINTS}/A", {"GET", "PATCH", "PUT", "DELETE"}),
    ],
)
async def test_a_wrong_method_learns_the_right_ones(
    api: Api, token: str, method: str, path: str, allowed: set[str]
) -> None:
    response = await api.call(method, path, token)
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert set(response.headers["allow"].split(", ")) == allowed


async def test_a_store_that_is_away_is_503(api: Api, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(IdTagStore, "get", away)
    response = await api.call("GET", f"{TAGS}/A", token)
    assert (response.status_code, response.json()["code"]) == (503, "store_unavailable")
    assert "retry-after" in response.headers


async def test_a_fault_of_ours_shows_no_stack(api: Api, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(IdTagStore, "get", broken)
    response = await api.call("GET", f"{TAGS}/A", token)
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert response.json()["instance"].startswith("urn:uuid:")
    for leaked in ("secret detail", "Traceback", "RuntimeError", ".py"):
        assert leaked not in response.text


@pytest.mark.parametrize(
    ("table", "resource"),
    [("charge_points", "charge point"), ("tenants", "tenant"), ("charging_profiles", "charging profile")],
)
async def test_a_resource_that_was_just_deleted_is_named(
    api: Api, token: str, monkeypatch: pytest.MonkeyPatch, table: str, resource: str
) -> None:
    async def deleted(*_: Any, **__: Any) -> None:
        error = asyncpg.ForeignKeyViolationError("violates foreign key constraint")
        error.detail = f'Key (tenant_id)=(1) is not present in table "{table}".'
        raise error

    monkeypatch.setattr(IdTagStore, "get", deleted)
    response = await api.call("GET", f"{TAGS}/A", token)
    assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert response.json()["detail"] == f"The {resource} of this request was just deleted."


async def test_a_refused_secret_is_not_echoed(api: Api, token: str) -> None:
    response = await api.call("POST", "/v1/api-keys", token, json={"name": 1, "scopes": "canary-secret"})
    assert response.status_code == 422
    assert "canary-secret" not in response.text


CORPUS = ["=cmd|' /C calc'!A0", "<script>alert(1)</script>", "+1", "{{7*7}}", "%s%n", "a'b\"c`d", "*", "_%"]


@pytest.mark.parametrize("text", CORPUS)
async def test_hostile_texts_are_kept_and_given_back_as_they_are(api: Api, token: str, text: str) -> None:
    response = await api.call("POST", TAGS, token, json={"id_tag": "A", "note": text})
    assert response.status_code == 201
    assert response.headers["content-type"] == "application/json"
    assert response.json()["note"] == text


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "\x1b[31m", "a\x9bb", "a\tb"])
async def test_names_are_one_line(api: Api, token: str, text: str) -> None:
    response = await api.call("POST", POINTS, token, json={"identity": "A", "name": text})
    assert response.status_code == 422
    assert named(response) == ["/name"]
