"""`/v1/webhooks`: what is set, refused, tried and shown."""

import base64
import hashlib
import hmac
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.receiver import Message, Receiver
from tests.webhooks.conftest import Desk

pytestmark = pytest.mark.slow


def client(desk: Desk) -> httpx.AsyncClient:
    """Return the client of the operator, whose refusals a test looks at."""
    return desk.operator._client


def signed_by(message: Message, secret: str) -> bool:
    """Tell whether one of the signatures of a message is that of a secret."""
    content = f"{message.id}.{message.headers['webhook-timestamp']}.".encode() + message.body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return f"v1,{expected}" in message.headers["webhook-signature"].split(" ")


async def test_a_webhook_is_created_read_changed_and_deleted(desk: Desk, receiver: Receiver) -> None:
    made = await desk.webhook(receiver.url, description="Billing", event_types=["transaction.ended"])
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made["state"] == "active"
    path = f"/webhooks/{made['id']}"
    assert await desk.operator.get(path) == made
    assert (await desk.operator.get("/webhooks"))["items"] == [made]
    changed = await desk.operator.patch(path, {"description": None, "labels": {"site": "north"}})
    assert (changed["description"], changed["labels"]) == (None, {"site": "north"})
    assert changed["event_types"] == ["transaction.ended"]
    disabled = await desk.operator.patch(path, {"enabled": False})
    assert (disabled["state"], disabled["disabled_reason"]) == ("disabled", "operator")
    assert (await client(desk).delete(f"/v1{path}")).status_code == 204
    assert (await client(desk).get(f"/v1{path}")).status_code == 404
    audited = (await desk.operator.get("/audit"))["items"]
    acts = [entry["act"] for entry in audited if entry["act"] != "log_in"]
    assert acts == ["delete_webhook", "change_webhook", "change_webhook", "create_webhook", "create_api_key"]


async def test_the_audit_has_no_secret_of_the_url(desk: Desk, receiver: Receiver) -> None:
    await desk.webhook(receiver.url)
    [entry, _] = (await desk.operator.get("/audit"))["items"]
    assert entry["details"]["url"] == f"http://127.0.0.1:{receiver.port}"


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        pytest.param({"url": "ftp://example.com/"}, "/url", "url_not_allowed", id="scheme"),
        pytest.param({"url": "http://10.0.0.1/"}, "/url", "address_not_allowed", id="private address"),
        pytest.param({"event_types": ["transaction.start"]}, "/event_types/0", "value_error", id="type"),
        pytest.param({"charge_points": [""]}, "/charge_points/0", "string_pattern_mismatch", id="identity"),
        pytest.param({"labels": {"site": 1}}, "/labels/site", "string_type", id="label"),
        pytest.param({"secret": "x"}, "/secret", "extra_forbidden", id="unknown member"),
    ],
)
async def test_a_wrong_webhook_is_refused(
    desk: Desk, receiver: Receiver, body: dict[str, Any], pointer: str, code: str
) -> None:
    response = await client(desk).post("/v1/webhooks", json={"url": receiver.url, **body})
    assert response.status_code == 422
    [error] = response.json()["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)


async def test_a_tenant_has_a_limited_number_of_webhooks(desk: Desk, receiver: Receiver) -> None:
    for _ in range(3):
        await desk.webhook(receiver.url)
    assert await desk.operator.refusal("/webhooks", {"url": receiver.url}) == 409


async def test_a_change_based_on_an_old_state_is_refused(desk: Desk, receiver: Receiver) -> None:
    made = await desk.webhook(receiver.url)
    path = f"/v1/webhooks/{made['id']}"
    tag = (await client(desk).get(path)).headers["ETag"]
    first = await client(desk).patch(path, json={"description": "1"}, headers={"If-Match": tag})
    second = await client(desk).patch(path, json={"description": "2"}, headers={"If-Match": tag})
    assert (first.status_code, second.status_code) == (200, 412)


async def test_a_test_shows_what_came_back(desk: Desk, receiver: Receiver) -> None:
    made = await desk.webhook(receiver.url)
    result = await desk.operator.post(f"/webhooks/{made['id']}/test", None)
    assert result["is_delivered"] is True
    assert (result["status_code"], result["answer"], result["reason"]) == (200, "seen", None)
    [message] = receiver.messages
    assert message.event["type"] == "webhook.test"
    assert signed_by(message, made["secret"])
    assert await desk.deliveries(made["id"]) == []


async def test_a_failing_test_shows_why(desk: Desk, receiver: Receiver) -> None:
    async def decide(_: Any) -> int:
        return 500

    receiver.decide, receiver.answer = decide, b"x" * 2000
    made = await desk.webhook(receiver.url)
    result = await desk.operator.post(f"/webhooks/{made['id']}/test", None)
    assert (result["is_delivered"], result["status_code"]) == (False, 500)
    assert result["reason"] == "http_status"
    assert result["answer"] == "x" * 512


async def test_both_secrets_sign_while_one_is_replaced(desk: Desk, receiver: Receiver) -> None:
    made = await desk.webhook(receiver.url)
    replaced = await desk.operator.post(f"/webhooks/{made['id']}/secret", None)
    assert replaced["secret"] != made["secret"]
    assert replaced["previous_secret_until"] is not None
    await desk.operator.post(f"/webhooks/{made['id']}/test", None)
    [message] = receiver.messages
    assert signed_by(message, made["secret"])
    assert signed_by(message, replaced["secret"])


async def test_a_replay_from_what_was_not_passed_is_refused(desk: Desk, receiver: Receiver) -> None:
    made = await desk.webhook(receiver.url)
    far = base64.urlsafe_b64encode(b"9000000000").decode().rstrip("=")
    response = await client(desk).post(f"/v1/webhooks/{made['id']}/replay", json={"after": far})
    assert response.status_code == 422
    assert response.json()["errors"][0]["code"] == "not_passed"


async def test_what_does_not_exist_is_not_found(desk: Desk) -> None:
    path = f"/webhooks/{uuid4()}"
    for verb in ("test", "secret", "deliveries/MQ/resend"):
        assert await desk.operator.refusal(f"{path}/{verb}", None) == 404
    assert await desk.operator.refusal(f"{path}/replay", {"after": None}) == 404
    assert (await client(desk).get(f"/v1{path}/deliveries")).status_code == 404
