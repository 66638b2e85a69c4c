"""The public routes and pages of the migration, as a client sees them."""

import json
from typing import Any

import httpx
import pytest

from app.catalog.catalog import Catalog
from app.catalog.routes.validation import ValidationLimit
from tests.migration.conftest import application_with

ROOT = "/v1/protocols/ocpp-16j/migration/ocpp-201"
TRANSLATE = f"{ROOT}/translate"
JSON = {"Content-Type": "application/json"}
FAULT = [2, "7", "StatusNotification", {"connectorId": 1, "errorCode": "GroundFailure", "status": "Faulted"}]


async def test_the_mapping_is_served_with_the_drivers_first(client: httpx.AsyncClient) -> None:
    mapping = (await client.get(ROOT)).json()
    assert list(mapping)[:3] == ["protocol", "other", "overview"]
    assert next(iter(mapping["overview"])) == "drivers_text"
    assert mapping["messages"]["Authorize"]["request"]["idTag"]["to"] == ["idToken.idToken"]
    assert "GetTransactionStatus" in mapping["only_new"]
    assert "TransactionEvent" not in mapping["only_new"]


async def test_a_call_becomes_frames_with_a_report(client: httpx.AsyncClient) -> None:
    answer = (await client.post(TRANSLATE, json={"frame": FAULT})).json()
    frames = [message["frame"] for message in answer["messages"]]
    assert [(frame[0], frame[1], frame[2]) for frame in frames] == [
        (2, "7", "StatusNotification"),
        (2, "7-2", "NotifyEvent"),
    ]
    assert all(message["valid"] for message in answer["messages"])
    event = frames[1][3]["eventData"][0]
    assert (event["component"]["name"], event["variable"]["name"]) == ("RCD", "Tripped")
    assert {"topology"} <= {need["what"] for need in answer["needs"]}
    made_up = {(found["message"], found["pointer"]): found["value"] for found in answer["invented"]}
    assert made_up[0, "/connectorId"] == 1
    assert made_up[1, "/eventData/0/eventId"] == 1


async def test_every_made_up_value_is_where_the_report_says(client: httpx.AsyncClient) -> None:
    stop = {"transactionId": 7, "meterStop": 9, "timestamp": START["timestamp"], "reason": "Remote"}
    payloads = {"StartTransaction": START, "StopTransaction": stop, "Reset": {"type": "Soft"}}
    questions = [{"action": action, "payload": payload} for action, payload in payloads.items()]
    for question in ({"frame": FAULT}, *questions):
        answer = (await client.post(TRANSLATE, json=question)).json()
        for found in answer["invented"]:
            value: Any = answer["messages"][found["message"]]["payload"]
            for token in found["pointer"].split("/")[1:]:
                value = value[int(token)] if isinstance(value, list) else value[token]
            assert value == found["value"]


START = {"connectorId": 2, "idTag": "04A2", "meterStart": 15210, "timestamp": "2026-03-01T08:00:00Z"}


async def test_a_call_result_needs_the_action_that_it_answers(client: httpx.AsyncClient) -> None:
    frame = '[3,"9",{"idTagInfo":{"status":"Accepted"},"transactionId":4711}]'
    refused = await client.post(TRANSLATE, json={"frame": frame})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/action")
    answer = (await client.post(TRANSLATE, json={"frame": frame, "action": "StartTransaction"})).json()
    assert [message["frame"] for message in answer["messages"]] == [
        [3, "9", {"idTokenInfo": {"status": "Accepted"}}]
    ]
    assert [loss["pointer"] for loss in answer["lost"]] == ["/transactionId"]


async def test_a_call_error_is_spelled_as_in_2_0_1(client: httpx.AsyncClient) -> None:
    frame = [4, "9", "FormationViolation", "", {}]
    answer = (await client.post(TRANSLATE, json={"frame": frame})).json()
    assert (answer["direction"], answer["error"]) == ("error", [4, "9", "FormatViolation", "", {}])


async def test_repaired_input_is_translated_and_the_repair_is_listed(client: httpx.AsyncClient) -> None:
    question = {"action": "Reset", "payload": {"type": "hard"}}
    answer = (await client.post(TRANSLATE, json=question)).json()
    assert [found["kind"] for found in answer["deviations"]] == ["enumeration_spelling"]
    assert answer["messages"][0]["payload"] == {"type": "Immediate"}


async def test_a_value_that_2_0_1_refuses_is_named(client: httpx.AsyncClient) -> None:
    location = "https://files.example.com/" + "a" * 600
    answer = (
        await client.post(TRANSLATE, json={"action": "GetDiagnostics", "payload": {"location": location}})
    ).json()
    assert [message["valid"] for message in answer["messages"]] == [False]
    assert answer["impossible"] == ["GetLog/log/remoteLocation: expected at most 512 characters"]


@pytest.mark.parametrize(
    ("question", "pointer", "code"),
    [
        ({}, "/frame", "missing"),
        ({"frame": "[2,"}, "/frame", "not_json"),
        ({"frame": 7}, "/frame", "type"),
        ({"frame": [2, "1", "Teleport", {}]}, "/frame", "unknown_action"),
        ({"frame": [2, "1", "Heartbeat", {}], "action": "Heartbeat"}, "/action", "not_beside_frame"),
        ({"frame": [2, "1", "Heartbeat", {}], "payload": {}}, "/payload", "not_beside_frame"),
        ({"frame": '[2,"1","Heartbeat",{"a":"\ud800"}]'}, "/frame", "not_unicode"),
        ({"payload": {}}, "/action", "missing"),
        ({"action": "Beat", "payload": {}}, "/action", "unknown_action"),
        ({"action": "Reset"}, "/payload", "missing"),
        ({"action": "Reset", "payload": {}}, "/payload", "missing"),
        ({"action": "Reset", "payload": {"type": "Soft"}, "way": "request"}, "/way", "extra_forbidden"),
    ],
)
async def test_what_cannot_be_translated_is_refused_by_name(
    client: httpx.AsyncClient, question: dict[str, Any], pointer: str, code: str
) -> None:
    refused = await client.post(TRANSLATE, content=json.dumps(question), headers=JSON)
    assert refused.status_code == 422
    assert (refused.json()["errors"][0]["pointer"], refused.json()["errors"][0]["code"]) == (pointer, code)


async def test_questions_are_limited_as_those_of_the_validator(catalog: Catalog) -> None:
    application = application_with(catalog, ValidationLimit(per_minute=2))
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://catalog") as client:
        question = {"action": "Heartbeat", "payload": {}}
        statuses = [(await client.post(TRANSLATE, json=question)).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]


async def test_a_large_body_is_refused(client: httpx.AsyncClient) -> None:
    refused = await client.post(TRANSLATE, content=b" " * (256 * 1024 + 1), headers=JSON)
    assert refused.status_code == 413


async def test_two_versions_are_compared(client: httpx.AsyncClient) -> None:
    found = (await client.get("/v1/protocols/ocpp-201/diff/ocpp-21")).json()
    assert found["counts"] == {"added": 27, "removed": 0, "changed": 58, "same": 6}
    assert "SetDERControl" in found["added"]
    unknown = await client.get("/v1/protocols/ocpp-201/diff/ocpp-22")
    assert (unknown.status_code, unknown.json()["did_you_mean"][0][:5]) == (404, "ocpp-")
    card = await client.get("/v1/protocols/ocpp-201/diff/oscp-20")
    assert (card.status_code, "ocpp-16j" in card.json()["detail"]) == (404, True)
    surplus = await client.get("/v1/protocols/ocpp-201/diff/ocpp-21?limit=1")
    assert (surplus.status_code, surplus.json()["errors"][0]["parameter"]) == (422, "limit")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/protocols/ocpp-16j/migration/ocpp-201", "ISO 15118 PnC bridge, Security Profile 3 mandate"),
        ("/protocols/ocpp-201/diff/ocpp-21", "27 messages added"),
        ("/protocols/ocpp-21/messages/NotifyPeriodicEventStream", "the receiver does not answer"),
        ("/protocols/ocpp-201/messages/TransactionEvent", "triggerReason"),
    ],
)
async def test_there_is_a_page(client: httpx.AsyncClient, path: str, words: str) -> None:
    page = await client.get(path)
    assert page.status_code == 200
    assert words in page.text


async def test_pages_and_llms_txt_lead_to_the_migration(client: httpx.AsyncClient) -> None:
    page = "/protocols/ocpp-16j/migration/ocpp-201"
    for path in ("/protocols", "/protocols/ocpp-16j"):
        text = (await client.get(path)).text
        assert f'href="{page}">Migration to OCPP 2.0.1, field by field' in text
    assert f"({page}.md)" in (await client.get("/llms.txt")).text


async def test_the_validator_judges_by_2_0_1(client: httpx.AsyncClient) -> None:
    question = {"action": "TransactionEvent", "payload": {"eventType": "Begun"}, "strict": True}
    judged = (await client.post("/v1/protocols/ocpp-201/validate", json=question)).json()
    assert judged["verdict"] == "invalid"
    broken = {(violation["pointer"], violation["reason"]) for violation in judged["violations"]}
    assert ("/eventType", "not_in_enumeration") in broken
    schema = await client.get("/v1/protocols/ocpp-21/messages/SetDERControl/schema?direction=request")
    assert schema.json()["$id"] == "urn:ocpp:2.1:SetDERControl:request"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        pytest.param([2, "1", "StopTransaction", {}], "missing", id="a bill without its fields"),
        pytest.param([2, "1", "MeterValues", {"connectorId": 1}], "missing", id="no meter values"),
        pytest.param(
            [2, "1", "StartTransaction", {**START, "meterStart": "1e400"}], None, id="a register that is none"
        ),
        pytest.param([2, "1", "MeterValues", {"connectorId": [[]], "meterValue": []}], None, id="no number"),
        pytest.param('[4, "1", "X", "d", {"n": ' + "9" * 5000 + "}]", "unreadable", id="too many digits"),
        pytest.param('[4, "1", "X", "\\ud800", {}]', "not_unicode", id="half a pair in a CALLERROR"),
        pytest.param([4, "1", "X", "\ud800", {}], "not_unicode", id="half a pair in a list"),
    ],
)
async def test_a_frame_that_only_the_running_system_can_keep_is_refused(
    client: httpx.AsyncClient, frame: Any, code: str | None
) -> None:
    answer = await client.post(TRANSLATE, content=json.dumps({"frame": frame}), headers=JSON)
    assert answer.status_code == 422, answer.text
    for error in answer.json()["errors"]:
        assert error["pointer"] == "/frame"
        assert code in (None, error["code"])


async def test_a_byte_order_mark_is_no_part_of_a_frame(client: httpx.AsyncClient) -> None:
    answer = await client.post(TRANSLATE, json={"frame": '\ufeff[4, "1", "NotSupported", "", {}]'})
    assert answer.json()["error"][:2] == [4, "1"]


async def test_a_schedule_without_a_period_that_can_be_read_is_said_to_be_impossible(
    client: httpx.AsyncClient,
) -> None:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": []}]}
    payload = {"status": "Accepted", "chargingSchedule": schedule}
    question = {"action": "GetCompositeSchedule", "direction": "response", "payload": payload}
    answer = await client.post(TRANSLATE, json=question)
    assert answer.status_code in (200, 422), answer.text
