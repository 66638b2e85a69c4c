"""DataTransfer of charge points on a real socket: what they are answered, and what is listed."""

import json
from typing import Any

import pytest
from sqlalchemy import text

from app.data_transfer.recorder import TransferRecorder
from app.tenants.store import TenantStore
from tests.data_transfer.conftest import listed
from tests.support.certification import Station, operating
from tests.support.gateway import GatewayServer
from tests.support.outgoing import TenantServer

PATH = "/data-transfer-subscriptions"
FAN = {"vendorId": "com.voltwerk", "messageId": "FanSpeed", "data": '{"rpm": 1450}'}


async def subscribe(station: Station, **members: Any) -> dict[str, Any]:
    body = {"vendor_id": "com.voltwerk", **members}
    made: dict[str, Any] = await station.operator.post(PATH, body)
    return made


async def test_an_unknown_vendor_and_an_unknown_message_are_told(station: Station) -> None:
    assert await station.call("DataTransfer", FAN) == {"status": "UnknownVendorId"}
    await subscribe(station, message_id="Other", status="Accepted", data="ok")
    assert await station.call("DataTransfer", FAN) == {"status": "UnknownMessageId"}
    assert await station.call("DataTransfer", {"vendorId": "com.voltwerk"}) == {"status": "UnknownMessageId"}
    found = [(one["status"], one["answered_by"]) for one in await listed(station)]
    assert found == [("UnknownMessageId", "none")] * 2 + [("UnknownVendorId", "none")]


async def test_the_most_specific_subscription_answers_in_any_case_of_letters(station: Station) -> None:
    await subscribe(station, data="any")
    await subscribe(station, message_id="fanspeed", data="fan")
    answers = [
        await station.call("DataTransfer", {**FAN, "vendorId": vendor, "messageId": message})
        for vendor, message in [("COM.Voltwerk", "FANSPEED"), ("com.voltwerk", "Doors")]
    ]
    assert answers == [{"status": "Accepted", "data": "fan"}, {"status": "Accepted", "data": "any"}]
    assert await station.call("DataTransfer", {"vendorId": "com.voltwerk"}) == answers[1]


async def test_a_subscription_may_answer_that_the_vendor_is_unknown_without_data(station: Station) -> None:
    await subscribe(station, status="UnknownVendorId", data="not sent")
    assert await station.call("DataTransfer", FAN) == {"status": "UnknownVendorId"}


async def test_a_webhook_answers_and_its_data_may_be_json(station: Station, endpoint: TenantServer) -> None:
    endpoint.answer = {"status": "Accepted", "data": {"rpm": 900}}
    await subscribe(station, message_id="FanSpeed", url=endpoint.url)
    conf = await station.call("DataTransfer", FAN)
    assert (conf["status"], json.loads(conf["data"])) == ("Accepted", {"rpm": 900})
    [received] = endpoint.received
    question = received.question
    assert question.pop("time").endswith("Z")
    assert question == {
        "type": "data_transfer",
        "tenant": station.server.tenant.slug,
        "charge_point": "CP1",
        "vendor_id": "com.voltwerk",
        "message_id": "FanSpeed",
        "data": '{"rpm": 1450}',
    }
    assert received.headers["webhook-signature"].startswith("v1,")
    [shown] = await listed(station)
    assert (shown["answered_by"], shown["data_json"], shown["reason"]) == ("webhook", True, None)


@pytest.mark.parametrize(
    ("mode", "answer", "reason"),
    [
        ("500", None, "http_status"),
        ("redirect", None, "redirect"),
        ("huge", None, "body_too_large"),
        ("not json", None, "not_json"),
        ("empty", None, "not_json"),
        ("closes midway", None, "connection_broken"),
        ("hang", None, "deadline"),
        ("right", {"status": "Perhaps"}, "invalid_answer"),
        ("right", {"status": "Accepted", "more": 1}, "invalid_answer"),
        ("right", ["Accepted"], "invalid_answer"),
        ("right", {"status": {}}, "invalid_answer"),
    ],
)
async def test_if_the_webhook_fails_the_stored_answer_holds(
    station: Station, endpoint: TenantServer, mode: str, answer: Any, reason: str
) -> None:
    endpoint.mode, endpoint.answer = mode, answer
    await subscribe(station, url=endpoint.url, deadline_ms=200, status="Rejected", data="later")
    assert await station.call("DataTransfer", FAN) == {"status": "Rejected", "data": "later"}
    [shown] = await listed(station)
    assert (shown["answered_by"], shown["reason"]) == ("fallback", reason)


async def test_an_endpoint_that_fails_again_and_again_is_left_alone(
    station: Station, endpoint: TenantServer
) -> None:
    endpoint.mode = "500"
    await subscribe(station, url=endpoint.url, status="Rejected")
    answers = [await station.call("DataTransfer", FAN) for _ in range(5)]
    assert answers == [{"status": "Rejected"}] * 5
    assert len(endpoint.received) == 3
    reasons = [one["reason"] for one in await listed(station)]
    assert reasons == ["circuit_open"] * 2 + ["http_status"] * 3


@pytest.mark.parametrize(
    "data",
    [
        "not json",
        "\x00\x01\x02 \ufffd",
        "[" * 20_000,
        '{"a":' * 5_000,
        "x" * 1_000_000,
        "",
        "=cmd|'/c calc'!A1",
    ],
    ids=["text", "binary", "nested arrays", "nested objects", "1 MB", "empty", "formula"],
)
async def test_hostile_data_is_answered_and_listed(station: Station, data: str) -> None:
    await subscribe(station, data="ok")
    assert await station.call("DataTransfer", {**FAN, "data": data}) == {"status": "Accepted", "data": "ok"}
    [shown] = await listed(station)
    assert shown["data_length"] == len(data)
    assert len(str(shown["data"] or "")) <= 16_384
    assert shown["data_json"] is False


async def test_data_beyond_the_limit_is_not_sent_to_a_webhook(
    station: Station, endpoint: TenantServer
) -> None:
    await subscribe(station, url=endpoint.url, status="Rejected")
    assert await station.call("DataTransfer", {**FAN, "data": "x" * 300_000}) == {"status": "Rejected"}
    assert endpoint.received == []
    [shown] = await listed(station)
    assert (shown["reason"], shown["data"]) == ("data_too_long", None)


async def test_secrets_are_not_listed_in_either_direction(station: Station) -> None:
    await subscribe(station, data='{"password": "hunter2"}')
    for data in ('{"user": "a", "password": "hunter2"}', "AuthorizationKey=hunter2", '{"password": "hun'):
        await station.call("DataTransfer", {**FAN, "data": data})
    sent = {"vendorId": "v", "data": '{"password": "hunter2"}'}
    await station.commanded("DataTransfer", sent, {"status": "Accepted", "data": '{"pin": "hunter2"}'})
    items = await listed(station)
    assert len(items) == 4
    assert "hunter2" not in json.dumps(items)
    assert "hun" not in str(items[1]["data"])


async def test_messages_to_the_charge_point_are_listed_with_their_command(station: Station) -> None:
    payload = {"vendorId": "com.voltwerk", "messageId": "Blink", "data": "3"}
    _, command = await station.commanded("DataTransfer", payload, {"status": "Rejected", "data": "no"})
    await station.call("DataTransfer", FAN)
    [shown] = await listed(station, direction="to_charge_point")
    assert (shown["status"], shown["answer_data"], shown["answered_by"]) == ("Rejected", "no", "charge_point")
    assert (shown["command_id"], shown["message_id"]) == (command["id"], "Blink")
    assert [one["direction"] for one in await listed(station)] == ["from_charge_point", "to_charge_point"]


async def test_the_list_is_narrowed_and_paged(station: Station) -> None:
    for number in range(3):
        await station.call("DataTransfer", {**FAN, "messageId": f"M{number}"})
    await station.call("DataTransfer", {"vendorId": "org.other"})
    assert [one["message_id"] for one in await listed(station, vendor_id="COM.VOLTWERK")] == [
        "M2",
        "M1",
        "M0",
    ]
    assert [one["message_id"] for one in await listed(station, message_id="m1")] == ["M1"]
    assert len(await listed(station, charge_point="CP1")) == 4
    assert await listed(station, charge_point="CP2") == []
    assert await listed(station, to="2020-01-01T00:00:00Z") == []
    assert len(await listed(station, **{"from": "2020-01-01T00:00:00Z"})) == 4
    page = await station.operator.get("/data-transfers", limit=3)
    rest = await station.operator.get("/data-transfers", limit=3, cursor=page["next_cursor"])
    assert (len(page["items"]), len(rest["items"]), rest["next_cursor"]) == (3, 1, None)


async def test_another_tenant_neither_answers_nor_sees(
    station: Station, allowing_server: GatewayServer
) -> None:
    async with allowing_server.database.platform() as work:
        other = await TenantStore(work).create("transfer-stranger", "Another")
    stranger = GatewayServer(
        allowing_server.port, allowing_server.app, allowing_server.database, other, allowing_server.settings
    )
    async with operating(stranger) as operator:
        made = await operator.post(PATH, {"vendor_id": "com.voltwerk", "data": "stolen"})
        assert await station.call("DataTransfer", FAN) == {"status": "UnknownVendorId"}
        await listed(station)
        assert (await operator.get("/data-transfers"))["items"] == []
        assert (await station.operator.get(PATH))["items"] == []
        assert (await station.operator.post(PATH, {"vendor_id": "com.voltwerk"}))["id"] != made["id"]


async def test_old_messages_are_dropped_by_age_and_by_number(station: Station) -> None:
    recorder = station.server.app.state.services.get(TransferRecorder)
    await station.call("DataTransfer", FAN)
    assert len(await listed(station)) == 1
    recorder._kept = 2
    try:
        for _ in range(4):
            await station.call("DataTransfer", FAN)
        assert len(await listed(station)) == 5
        await recorder.sweep()
        assert len(await listed(station)) == 2
    finally:
        recorder._kept = 10_000
    async with station.server.database.tenant(station.server.tenant.id) as work:
        old = text("update data_transfers set at = now() - interval '31 days' where tenant_id = :tenant")
        await work.connection.execute(old, {"tenant": station.server.tenant.id})
    assert await recorder.sweep() >= 2
    assert await listed(station) == []
