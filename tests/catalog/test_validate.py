"""Judging a developer's frame or payload: verdict, code, pointer, section and the CALLERROR, exactly."""

import asyncio
import threading
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY

from app.catalog.catalog import Catalog
from app.catalog.judgement import judge
from app.catalog.routes import validation
from app.catalog.routes.validation import ValidationLimit, validate_route
from app.catalog.schemas import Judgement
from app.web.problems import install_error_handlers
from tests.support.catalog import ROOT

PATH = f"{ROOT}/validate"
MISSING_MODEL = '[2,"19223201","BootNotification",{"chargePointVendor":"VendorX"}]'
LOCAL_TIME = (
    '[2,"7","MeterValues",{"connectorId":1,"meterValue":'
    '[{"timestamp":"2026-01-01T00:00:00","sampledValue":[{"value":5}]}]}]'
)
NO_SAMPLES = (
    '[2,"7","MeterValues",{"connectorId":1,"meterValue":'
    '[{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[]}]}]'
)


HEARTBEAT = '[2,"1","Heartbeat",{}]'


def hits(limit: str) -> float:
    return REGISTRY.get_sample_value("stationmaster_limits_hit_total", {"limit": limit}) or 0.0


async def judged(client: httpx.AsyncClient, **question: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json=question)
    assert answer.status_code == 200, answer.text
    judgement: dict[str, Any] = answer.json()
    return judgement


VALID = {
    "text": {"frame": '[2,"1","Heartbeat",{}]'},
    "array": {"frame": [2, "1", "Heartbeat", {}]},
    "strict": {"frame": [2, "1", "Heartbeat", {}], "strict": True},
    "from the central system": {
        "frame": [2, "1", "ChangeConfiguration", {"key": "HeartbeatInterval", "value": "300"}],
        "sender": "central_system",
    },
    "payload of a request": {"action": "Heartbeat", "payload": {}},
    "payload of a response": {
        "action": "Heartbeat",
        "direction": "response",
        "payload": {"currentTime": "2026-01-01T00:00:00Z"},
    },
}


@pytest.mark.parametrize("question", VALID.values(), ids=VALID)
async def test_valid(client: httpx.AsyncClient, question: dict[str, Any]) -> None:
    judgement = await judged(client, **question)
    assert (judgement["verdict"], judgement["violations"], judgement["deviations"]) == ("valid", [], [])
    assert judgement["answer"] is None


ROWS: dict[str, tuple[dict[str, Any], str, str, str | None, list[Any] | None]] = {
    "a field is missing": (
        {"frame": MISSING_MODEL},
        "ProtocolError",
        "/chargePointModel",
        "6.3",
        [4, "19223201", "ProtocolError"],
    ),
    "an unknown action": (
        {"frame": [2, "1", "Foo", {}]},
        "NotImplemented",
        "",
        None,
        [4, "1", "NotImplemented"],
    ),
    "an action of the other side": (
        {"frame": [2, "1", "RemoteStartTransaction", {"idTag": "a"}]},
        "NotSupported",
        "",
        "6.33",
        [4, "1", "NotSupported"],
    ),
    "too few elements": (
        {"frame": NO_SAMPLES, "strict": True},
        "OccurenceConstraintViolation",
        "/meterValue/0/sampledValue",
        "7.33",
        None,
    ),
    "not an enumerated value": (
        {
            "frame": [
                2,
                "1",
                "StatusNotification",
                {"connectorId": 1, "errorCode": "Bad", "status": "Available"},
            ],
            "strict": True,
        },
        "PropertyConstraintViolation",
        "/errorCode",
        "7.6",
        [4, "1", "PropertyConstraintViolation"],
    ),
    "too long": (
        {"action": "ChangeConfiguration", "payload": {"key": "k" * 51, "value": "1"}, "strict": True},
        "PropertyConstraintViolation",
        "/key",
        None,
        [4, "payload", "PropertyConstraintViolation"],
    ),
    "a payload that is not an object": (
        {"action": "Heartbeat", "payload": "x"},
        "FormationViolation",
        "",
        "6.29",
        [4, "payload", "FormationViolation"],
    ),
    "a null payload is an empty one": (
        {"action": "Reset", "payload": None},
        "ProtocolError",
        "/type",
        "6.39",
        [4, "payload", "ProtocolError"],
    ),
    "a response draws no answer": (
        {"action": "Heartbeat", "direction": "response", "payload": {}},
        "ProtocolError",
        "/currentTime",
        "6.30",
        None,
    ),
}


@pytest.mark.parametrize(("question", "code", "pointer", "section", "answer"), ROWS.values(), ids=ROWS)
async def test_invalid(
    client: httpx.AsyncClient,
    question: dict[str, Any],
    code: str,
    pointer: str,
    section: str | None,
    answer: list[Any] | None,
) -> None:
    judgement = await judged(client, **question)
    assert judgement["verdict"] == "invalid"
    found = judgement["violations"][0]
    assert (found["code"], found["pointer"]) == (code, pointer)
    if section is not None:
        assert found["section"] == section
    assert (judgement["answer"] or [])[:3] == (answer or [])
    assert judgement["payload"] is None


async def test_what_is_mended_is_listed(client: httpx.AsyncClient) -> None:
    judgement = await judged(client, frame=LOCAL_TIME)
    assert judgement["verdict"] == "tolerated"
    pointers = [found["pointer"] for found in judgement["deviations"]]
    assert pointers == ["/meterValue/0/timestamp", "/meterValue/0/sampledValue/0/value"]
    assert judgement["payload"]["meterValue"][0]["sampledValue"][0]["value"] == "5"


async def test_strict_refuses_what_would_be_mended(client: httpx.AsyncClient) -> None:
    judgement = await judged(client, frame=LOCAL_TIME, strict=True)
    assert judgement["verdict"] == "invalid"
    assert judgement["violations"][0]["pointer"] == "/meterValue/0/timestamp"


SCHEDULE_FROM_FIVE = {
    "connectorId": 0,
    "csChargingProfiles": {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": [{"startPeriod": 5, "limit": 11000}],
        },
    },
}


@pytest.mark.parametrize(
    "question",
    [
        {"action": "SetChargingProfile", "payload": SCHEDULE_FROM_FIVE},
        {"frame": [2, "1", "SetChargingProfile", SCHEDULE_FROM_FIVE], "sender": "central_system"},
    ],
    ids=["payload", "frame"],
)
async def test_strict_applies_the_rules_across_fields(
    client: httpx.AsyncClient, question: dict[str, Any]
) -> None:
    judgement = await judged(client, **question, strict=True)
    assert judgement["verdict"] == "invalid"
    assert judgement["violations"][0]["pointer"].endswith("/chargingSchedulePeriod/0/startPeriod")


@pytest.mark.parametrize("frame", ["", "hello", "{}", [], "[2]", '[9,"1"]'])
async def test_unreadable_frames_draw_no_answer(client: httpx.AsyncClient, frame: Any) -> None:
    judgement = await judged(client, frame=frame)
    assert (judgement["verdict"], judgement["answer"]) == ("unreadable", None)


REFUSED: dict[str, tuple[bytes, int, str | None]] = {
    "nothing given": (b"{}", 422, "/frame"),
    "both given": (b'{"frame":"x","payload":{}}', 422, "/payload"),
    "payload without action": (b'{"payload":{}}', 422, "/action"),
    "unknown action": (b'{"action":"Heartbet","payload":{}}', 422, "/action"),
    "action without payload": (b'{"action":"Heartbeat"}', 422, "/payload"),
    "unknown sender": (b'{"frame":"x","sender":"me"}', 422, "/sender"),
    "unknown member": (b'{"frame":"x","colour":1}', 422, "/colour"),
    "half a surrogate pair": (b'{"frame":"\\ud800"}', 422, "/frame"),
    "no JSON": (b"{", 400, None),
    "a bare text": (b'"[2]"', 422, "body"),
    "a number for a frame": (b'{"frame":5}', 422, "/frame"),
    "an object for a frame": (b'{"frame":{"a":1}}', 422, "/frame"),
    "nested a hundred thousand deep": (b'{"action":"Heartbeat","payload":' + b"[" * 100_000, 400, None),
    "a number of 5000 digits": (b'{"frame":' + b"9" * 5000 + b"}", 400, None),
    "a body over the limit": (b'{"frame":"' + b"x" * 262_144 + b'"}', 413, None),
    "text that is not UTF-8": (b'{"frame":"\xff"}', 400, None),
    "no body": (b"", 400, None),
}


@pytest.mark.parametrize(("body", "status", "field"), REFUSED.values(), ids=REFUSED)
async def test_refused_questions_are_problems(
    client: httpx.AsyncClient, body: bytes, status: int, field: str | None
) -> None:
    answer = await client.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    if field is not None:
        assert answer.json()["field"] == field


HOSTILE: dict[str, bytes] = {
    "a lone surrogate in an array": b'{"frame":[2,"\\ud800","Heartbeat",{}]}',
    "not a number": b'{"frame":[2,"1","Heartbeat",{"a":NaN,"b":1e999}]}',
    "a NUL": b'{"frame":[2,"\\u0000","Heartbeat",{"a":"\\u0000"}]}',
    "nested nine hundred deep": b'{"frame":' + b"[" * 900 + b"]" * 900 + b"}",
    "a frame as large as the body may be": b'{"frame":"[2,\\"1\\",\\"DataTransfer\\",{\\"vendorId\\":\\"'
    + b"x" * 262_000
    + b'\\"}]"}',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_questions_are_judged(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    assert answer.json()["verdict"] in {"valid", "tolerated", "invalid", "unreadable"}


async def test_a_body_of_another_media_type_is_not_read(client: httpx.AsyncClient) -> None:
    answer = await client.post(PATH, content=b'{"frame":"x"}', headers={"Content-Type": "text/xml"})
    assert answer.status_code == 415
    assert "Content-Type" in answer.json()["detail"]


RAW: dict[str, tuple[str, str, str]] = {
    "an array": ("application/json", HEARTBEAT, "valid"),
    "plain text": ("text/plain", HEARTBEAT, "valid"),
    "plain text with a character set": ("text/plain; charset=utf-8", MISSING_MODEL, "invalid"),
    "text that is not JSON": ("text/plain", '[2,"1","Heartbeat",{"a":,}]', "tolerated"),
    "text that is not a frame": ("text/plain", "hello", "unreadable"),
}


@pytest.mark.parametrize(("media_type", "body", "verdict"), RAW.values(), ids=RAW)
async def test_a_frame_may_be_the_body(
    client: httpx.AsyncClient, media_type: str, body: str, verdict: str
) -> None:
    answer = await client.post(PATH, content=body, headers={"Content-Type": media_type})
    assert (answer.status_code, answer.json()["verdict"]) == (200, verdict)
    assert answer.json() == await judged(client, frame=body)


async def test_the_text_of_an_array_is_judged_and_not_its_value(client: httpx.AsyncClient) -> None:
    frame = '[2,"1","StartTransaction",{"connectorId":1,"connectorId":2,"idTag":"A","meterStart":0,'
    frame += '"timestamp":"2026-01-01T00:00:00Z"}]'
    answer = await client.post(PATH, content=frame, headers={"Content-Type": "application/json"})
    assert [found["kind"] for found in answer.json()["deviations"]] == ["duplicate_field"]


async def test_sender_and_strict_of_a_frame_alone_are_in_the_query(client: httpx.AsyncClient) -> None:
    frame = [2, "1", "Reset", {"type": "soft"}]
    for query, verdict in (("", "invalid"), ("?sender=central_system", "tolerated")):
        assert (await client.post(f"{PATH}{query}", json=frame)).json()["verdict"] == verdict
    answer = await client.post(f"{PATH}?sender=central_system&strict=true", json=frame)
    assert answer.json()["verdict"] == "invalid"


@pytest.mark.parametrize(
    ("query", "body", "field"),
    [
        ("?sender=me", HEARTBEAT, "sender"),
        ("?strict=yes", HEARTBEAT, "strict"),
        ("?colour=1", HEARTBEAT, "colour"),
        ("?strict=true", '{"frame":"x"}', "strict"),
        ("", " ", "body"),
        ("", b"\xff", "body"),
    ],
)
async def test_a_wrong_query_or_text_is_named(
    client: httpx.AsyncClient, query: str, body: str | bytes, field: str
) -> None:
    media_type = "application/json" if body == '{"frame":"x"}' else "text/plain"
    answer = await client.post(f"{PATH}{query}", content=body, headers={"Content-Type": media_type})
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def limited(catalog: Catalog, limit: ValidationLimit) -> httpx.AsyncClient:
    application = FastAPI()
    application.router.routes.append(validate_route(catalog, limit))
    install_error_handlers(application)
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://catalog")


async def ask(client: httpx.AsyncClient, address: str, size: int = 0) -> httpx.Response:
    question = {"frame": HEARTBEAT + " " * size}
    return await client.post(PATH, json=question, headers={"X-Forwarded-For": address})


async def test_an_address_may_ask_only_so_often(catalog: Catalog) -> None:
    before = hits("validations")
    async with limited(catalog, ValidationLimit(3, lambda peer, forwarded_for: forwarded_for)) as client:
        for left in (2, 1, 0):
            answer = await ask(client, "192.0.2.1")
            assert answer.status_code == 200
            assert answer.headers["ratelimit-policy"] == '"validations";q=3;w=60'
            assert answer.headers["ratelimit"].startswith(f'"validations";r={left};t=')
        refused = await ask(client, "192.0.2.1")
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        assert 1 <= int(refused.headers["retry-after"]) <= 21
        assert refused.headers["ratelimit"].startswith('"validations";r=0;t=')
        assert (await ask(client, "192.0.2.2")).status_code == 200
    assert hits("validations") == before + 1


async def test_a_large_question_counts_as_several(catalog: Catalog) -> None:
    async with limited(catalog, ValidationLimit(3)) as client:
        assert (await ask(client, "192.0.2.1", 16 * 1024 * 3)).status_code == 200
        assert (await ask(client, "192.0.2.1")).status_code == 429


async def test_questions_are_judged_next_to_the_event_loop(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop goes on while the first request is judged: it refuses requests without room."""
    before = hits("validations_waiting")
    may_end = threading.Event()

    def slow(*question: Any) -> Judgement:
        assert may_end.wait(20)
        return judge(*question)

    monkeypatch.setattr(validation, "judge", slow)
    async with limited(catalog, ValidationLimit(1000)) as client:
        asked = [asyncio.create_task(ask(client, "192.0.2.1")) for _ in range(20)]
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        may_end.set()
        statuses = [answer.status_code for answer in await asyncio.gather(*asked)]
    assert sorted(statuses) == [200] * 16 + [429] * 4
    assert hits("validations_waiting") == before + 4
