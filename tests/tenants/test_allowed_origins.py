"""`/v1/allowed-origins`: the list, its rules, and who may change it. test_exchange.py has its effect."""

import pytest

from app.tenants.records import TenantRecord
from tests.support.api import Api

PATH = "/v1/allowed-origins"


async def test_the_list_is_empty_and_then_what_was_put(api: Api, token: str) -> None:
    first = await api.call("GET", PATH, token)
    assert (first.status_code, first.json()) == (200, {"allowed_origins": []})
    origins = ["http://localhost:5173", "https://a.example", "https://[2001:db8::1]:8443", "*"]
    put = await api.call("PUT", PATH, token, json={"allowed_origins": origins})
    assert (put.status_code, put.json()) == (200, {"allowed_origins": origins})
    assert (await api.call("GET", PATH, token)).json() == {"allowed_origins": origins}
    stale = await api.call(
        "PUT", PATH, token, json={"allowed_origins": []}, headers={"If-Match": first.headers["etag"]}
    )
    assert stale.status_code == 412


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "a.example",
        "https://a.example/",
        "https://A.example",
        "ftp://a.example",
        "https://*.a.example",
    ],
)
async def test_what_is_no_origin_is_refused_by_its_place(api: Api, token: str, origin: str) -> None:
    answer = await api.call("PUT", PATH, token, json={"allowed_origins": ["https://ok.example", origin]})
    assert (answer.status_code, answer.json()["field"]) == (422, "/allowed_origins/1")


async def test_the_list_has_an_end(api: Api, token: str) -> None:
    origins = [f"https://{number}.example" for number in range(51)]
    assert (await api.call("PUT", PATH, token, json={"allowed_origins": origins})).status_code == 422
    assert (await api.call("PUT", PATH, token, json={"allowed_origins": origins[1:]})).status_code == 200


async def test_only_an_administrator_changes_it(api: Api, operator: TenantRecord) -> None:
    token = await api.key(operator, "read", "write", "command")
    assert (await api.call("GET", PATH, token)).status_code == 200
    assert (await api.call("PUT", PATH, token, json={"allowed_origins": ["*"]})).status_code == 403
