"""`/v1/data-transfer-subscriptions`: what an operator sets and sees."""

import pytest

from app.data_transfer import service
from tests.support.api import Api

PATH = "/v1/data-transfer-subscriptions"
PUBLIC = "https://fleet.example.com/hook?token=hidden"


async def test_a_subscription_lives_and_dies(api: Api, token: str) -> None:
    made = await api.call("POST", PATH, token, json={"vendor_id": "com.voltwerk", "url": PUBLIC})
    assert made.status_code == 201, made.text
    assert made.headers["cache-control"] == "no-store"
    secret = made.json()["secret"]
    place = made.headers["location"]
    shown = (await api.call("GET", place, token)).json()
    assert shown == {name: value for name, value in made.json().items() if name != "secret"}
    body = {"vendor_id": "com.voltwerk", "message_id": "Doors", "status": "Rejected"}
    changed = await api.call("PUT", place, token, json=body)
    assert (changed.json()["message_id"], changed.json()["url"]) == ("Doors", None)
    again = await api.call("POST", f"{place}/secret", token)
    assert again.status_code == 201
    assert again.json()["secret"] != secret
    assert again.json()["previous_secret_until"] is not None
    assert [one["id"] for one in (await api.call("GET", PATH, token)).json()["items"]] == [shown["id"]]
    assert (await api.call("DELETE", place, token)).status_code == 204
    assert (await api.call("DELETE", place, token)).status_code == 404
    audit = (await api.call("GET", "/v1/audit", token)).json()["items"]
    assert [entry["act"] for entry in audit] == [
        "delete_data_transfer_subscription",
        "replace_data_transfer_secret",
        "change_data_transfer_subscription",
        "create_data_transfer_subscription",
    ]
    assert "hidden" not in str(audit)


async def test_a_vendor_and_message_have_one_subscription(api: Api, token: str) -> None:
    first = await api.call("POST", PATH, token, json={"vendor_id": "com.a", "message_id": "M"})
    again = await api.call("POST", PATH, token, json={"vendor_id": "COM.A", "message_id": "m"})
    assert (again.status_code, again.json()["field"]) == (409, "vendor_id")
    other = await api.call("POST", PATH, token, json={"vendor_id": "com.a"})
    moved = await api.call("PUT", other.headers["location"], token, json=first.json() | {"id": None})
    assert moved.status_code == 422
    moved = await api.call(
        "PUT", other.headers["location"], token, json={"vendor_id": "com.a", "message_id": "m"}
    )
    assert moved.status_code == 409


async def test_the_number_of_subscriptions_is_bounded(
    api: Api, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "SUBSCRIPTIONS_OF_TENANT", 3)
    for number in range(3):
        made = await api.call("POST", PATH, token, json={"vendor_id": f"com.v{number}"})
        assert made.status_code == 201
    assert (await api.call("POST", PATH, token, json={"vendor_id": "com.more"})).status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "/vendor_id"),
        ({"vendor_id": ""}, "/vendor_id"),
        ({"vendor_id": "x" * 256}, "/vendor_id"),
        ({"vendor_id": "a\nb"}, "/vendor_id"),
        ({"vendor_id": "v", "message_id": "x" * 51}, "/message_id"),
        ({"vendor_id": "v", "status": "Maybe"}, "/status"),
        ({"vendor_id": "v", "deadline_ms": 30_000}, "/deadline_ms"),
        ({"vendor_id": "v", "url": "http://fleet.example.com/"}, "/url"),
        ({"vendor_id": "v", "url": "https://169.254.169.254/"}, "/url"),
        ({"vendor_id": "v", "url": "https://u:p@fleet.example.com/"}, "/url"),
        ({"vendor_id": "v", "data": "x" * 32_769}, "/data"),
    ],
)
async def test_bad_input_names_the_member(api: Api, token: str, body: dict[str, object], field: str) -> None:
    refused = await api.call("POST", PATH, token, json=body)
    assert (refused.status_code, refused.json()["field"]) == (422, field)
    assert (await api.call("GET", PATH, token)).json()["items"] == []


async def test_another_tenant_finds_nothing(api: Api, token: str) -> None:
    place = (await api.call("POST", PATH, token, json={"vendor_id": "com.a"})).headers["location"]
    intruder = await api.key(await api.tenant())
    requests = [("GET", place), ("PUT", place), ("DELETE", place), ("POST", f"{place}/secret")]
    for method, path in requests:
        body = {"json": {"vendor_id": "com.b"}} if method == "PUT" else {}
        assert (await api.call(method, path, intruder, **body)).status_code == 404
    assert (await api.call("GET", PATH, intruder)).json()["items"] == []
    assert (await api.call("GET", place, token)).json()["vendor_id"] == "com.a"
