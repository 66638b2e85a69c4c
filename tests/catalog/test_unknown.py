"""The answers of the catalog to a name that it does not know."""

import httpx
import pytest

from tests.support.catalog import ROOT

NEAR_OCPP = ["ocpp-16j", "ocpp-21", "ocpp-201"]
ROWS = {
    "protocol": ("/v1/protocols/ocpp16", NEAR_OCPP, "slug"),
    "below an unknown protocol": ("/v1/protocols/ocpp-1.6j/messages", NEAR_OCPP, "slug"),
    "resource": (f"{ROOT}/message", ["messages"], None),
    "message in another case": (f"{ROOT}/messages/heartbeat", ["Heartbeat"], "action"),
    "schema of a misspelt message": (f"{ROOT}/messages/Autorize/schema", ["Authorize"], "action"),
    "message like no other": (f"{ROOT}/messages/Xyzzy", [], "action"),
}


@pytest.mark.parametrize(("path", "near", "field"), ROWS.values(), ids=ROWS)
async def test_a_problem_with_near_names(
    client: httpx.AsyncClient, path: str, near: list[str], field: str | None
) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    problem = answer.json()
    assert (problem["code"], problem.get("field"), problem["did_you_mean"]) == ("not_found", field, near)
    assert all(name in problem["detail"] for name in near)


async def test_the_classic_misspelling_comes_first(client: httpx.AsyncClient) -> None:
    problem = (await client.get(f"{ROOT}/messages/BootNotificaton")).json()
    assert problem["did_you_mean"][0] == "BootNotification"


async def test_get_of_validate_says_post(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{ROOT}/validate")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/v1/protocols", ROOT, f"{ROOT}/messages"])
async def test_a_slash_too_many_leads_back(client: httpx.AsyncClient, path: str) -> None:
    for query in ("", "?q=a%26b"):
        answer = await client.get(f"{path}/{query}")
        assert (answer.status_code, answer.headers["location"]) == (307, f"{path}{query}")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/protocols",
        "/v1/protocol-map",
        "/v1/protocol-matrix",
        "/v1/protocols/oicp-23",
        ROOT,
        f"{ROOT}/messages",
        f"{ROOT}/messages/Heartbeat",
        f"{ROOT}/messages/Heartbeat/schema",
        f"{ROOT}/configuration-keys",
        f"{ROOT}/error-codes",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_an_unknown_parameter_is_named(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, f"{path}?qq=x")
    assert answer.status_code == 422
    if method == "GET":
        error = {"parameter": "qq", "code": "extra_forbidden", "detail": "is not a known parameter"}
        assert (answer.json()["field"], answer.json()["errors"]) == ("qq", [error])


async def test_a_very_long_name_is_cut(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{ROOT}/messages/{'x' * 5000}")
    assert answer.status_code == 404
    assert len(answer.content) < 500
