"""Every answer has a Request-Id, and says which pages of other origins may read it."""

import re
from typing import Any

import httpx
import pytest
import structlog
from structlog.contextvars import merge_contextvars

from app.tenants.records import TenantRecord
from tests.support.api import Api

ORIGIN = "https://dashboard.example"
PATHS = ["/v1/id-tags", "/v1/nothing", "/nothing", "/openapi.json", "/docs", "/docs/nothing.js"]
PATH = "/v1/allowed-origins"


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_has_an_id_of_its_own(api: Api, path: str) -> None:
    answers = [await api.call("GET", path) for _ in range(2)]
    ids = {answer.headers["request-id"] for answer in answers}
    assert len(ids) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", found) for found in ids)


@pytest.mark.parametrize("given", ["a", "trace-1.2:3/4+5=6_7", "9" * 100])
async def test_a_well_formed_id_is_kept(api: Api, token: str, given: str) -> None:
    answer = await api.call("GET", "/v1/id-tags", token, headers={"Request-Id": given})
    assert (answer.status_code, answer.headers["request-id"]) == (200, given)


@pytest.mark.parametrize("given", ["", "9" * 101, "two words", "-a", 'a"b', "ä".encode()])
async def test_another_id_is_replaced(api: Api, token: str, given: Any) -> None:
    answer = await api.call("GET", "/v1/id-tags", token, headers={"Request-Id": given})
    assert answer.status_code == 200
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["request-id"])


async def test_a_failure_of_ours_has_the_id_in_answer_and_log(
    api: Api, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("app.id_tags.store.IdTagStore.page", fail)
    with structlog.testing.capture_logs([merge_contextvars]) as records:
        answer = await api.call("GET", "/v1/id-tags", token, headers={"Request-Id": "mine"})
    assert (answer.status_code, answer.headers["request-id"]) == (500, "mine")
    assert [record["request_id"] for record in records if record["event"] == "request_failed"] == ["mine"]


# What pages of other origins may do


def shared_with(answer: httpx.Response) -> str | None:
    origin: str | None = answer.headers.get("access-control-allow-origin")
    return origin


@pytest.mark.parametrize("path", ["/openapi.json", "/v1/id-tags", "/v1/nothing"])
async def test_what_needs_no_key_is_for_every_page(api: Api, path: str) -> None:
    for headers in ({}, {"Origin": ORIGIN}):
        answer = await api.call("GET", path, headers=headers)
        assert shared_with(answer) == "*"
        assert "Request-Id" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers


async def test_what_is_not_of_the_api_is_for_no_page(api: Api) -> None:
    for path in ("/docs", "/nothing", "/metrics"):
        assert shared_with(await api.call("GET", path, headers={"Origin": ORIGIN})) is None


@pytest.mark.parametrize("path", ["/v1/id-tags", "/v1/nothing", "/openapi.json", "/v1/charge-points/A"])
async def test_a_preflight_needs_no_key(api: Api, path: str) -> None:
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "PATCH"}
    answer = await api.call("OPTIONS", path, headers=headers)
    assert (answer.status_code, shared_with(answer), answer.content) == (204, "*", b"")
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert {"Authorization", "Idempotency-Key", "If-Match"} <= set(
        answer.headers["access-control-allow-headers"].split(", ")
    )
    assert answer.headers["request-id"]


async def test_options_without_the_marks_of_a_preflight_are_not_one(api: Api) -> None:
    assert (await api.call("OPTIONS", "/v1/id-tags", headers={"Origin": ORIGIN})).status_code == 405


async def test_the_pages_of_a_tenant_are_those_that_it_allows(
    api: Api, operator: TenantRecord, token: str
) -> None:
    other = await api.key(await api.tenant())
    before = await api.call("GET", "/v1/id-tags", token, headers={"Origin": ORIGIN})
    assert (before.status_code, shared_with(before), before.headers["vary"]) == (
        200,
        None,
        "Authorization, Origin",
    )
    put = await api.call("PUT", PATH, token, json={"allowed_origins": [ORIGIN, ORIGIN]})
    assert (put.status_code, put.json()) == (200, {"allowed_origins": [ORIGIN]})
    allowed = await api.call("GET", "/v1/id-tags", token, headers={"Origin": ORIGIN})
    assert (allowed.status_code, shared_with(allowed)) == (200, ORIGIN)
    assert "ETag" in allowed.headers["access-control-expose-headers"]
    for headers, key in (
        ({}, token),
        ({"Origin": "https://other.example"}, token),
        ({"Origin": ORIGIN.upper()}, token),
        ({"Origin": "null"}, token),
        ({"Origin": ORIGIN}, other),
    ):
        assert shared_with(await api.call("GET", "/v1/id-tags", key, headers=headers)) is None


async def test_errors_of_a_tenant_are_shared_like_its_other_answers(api: Api, token: str) -> None:
    await api.call("PUT", PATH, token, json={"allowed_origins": [ORIGIN]})
    for origin, shared in ((ORIGIN, ORIGIN), ("https://other.example", None)):
        missing = await api.call("GET", "/v1/id-tags/NONE", token, headers={"Origin": origin})
        assert (missing.status_code, shared_with(missing)) == (404, shared)


async def test_a_tenant_may_allow_every_page(api: Api, token: str) -> None:
    await api.call("PUT", PATH, token, json={"allowed_origins": ["*"]})
    answer = await api.call("GET", "/v1/id-tags", token, headers={"Origin": "https://any.example:8443"})
    assert shared_with(answer) == "https://any.example:8443"


async def test_no_page_may_read_answers_to_a_key_of_the_platform(api: Api, platform_token: str) -> None:
    answer = await api.call("GET", "/v1/tenants", platform_token, headers={"Origin": ORIGIN})
    assert (answer.status_code, shared_with(answer)) == (200, None)
