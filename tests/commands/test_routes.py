"""Commands over HTTP: how each outcome is answered, and what reaches the domain."""

import uuid
from dataclasses import replace
from typing import Any, get_args

import asyncpg
import pytest

from app.commands.expected_effects import EXPECTED
from app.commands.records import CommandRecord, CommandState, SentFacts
from app.commands.schemas import STATE_TEXTS
from app.commands.store.commands import CommandSteps, CommandStore, End
from app.errors import Conflict, FieldViolation, InvalidInput, NotFound, TooManyRequests, Unavailable
from app.tenants.records import TenantRecord
from tests.support.api import NOW, Api
from tests.support.operations import resolved
from tests.support.scripted_commands import ScriptedCommands

PATH = "/v1/charge-points/RDAM-1/commands/Reset"


@pytest.fixture
async def queued(api: Api, operator: TenantRecord) -> CommandRecord:
    key = await api.charge_point(operator)
    return await api.command(operator, key)


def done(record: CommandRecord, **changes: Any) -> CommandRecord:
    return replace(record, state="accepted", finished_at=NOW, result={"status": "Accepted"}, **changes)


async def test_an_issued_command_is_accepted_for_processing(
    api: Api, operator: TenantRecord, token: str, scripted: ScriptedCommands, queued: CommandRecord
) -> None:
    scripted.outcome = queued
    headers = {"Idempotency-Key": "abc-1", "Content-Type": "application/json"}
    body = b'{ "type": "Soft" }'
    response = await api.call("POST", f"{PATH}?timeout_s=60", token, headers=headers, content=body)
    assert response.status_code == 202
    assert response.headers["location"] == f"/v1/commands/{queued.id}"
    assert response.json()["state"] == "queued"
    (issued,) = scripted.issued
    assert (issued.tenant_id, issued.identity, issued.action) == (operator.id, "RDAM-1", "Reset")
    assert issued.payload_text == '{ "type": "Soft" }'
    prefix = token.split("_")[1]
    expected = {"timeout_s": 60, "idempotency_key": "abc-1", "issued_by": f"key:{prefix}"}
    assert issued.options == expected
    assert scripted.waited == []


async def test_an_absent_body_is_an_empty_request(
    api: Api, token: str, scripted: ScriptedCommands, queued: CommandRecord
) -> None:
    scripted.outcome = queued
    response = await api.call("POST", "/v1/charge-points/RDAM-1/commands/ClearCache", token)
    assert response.status_code == 202
    assert scripted.issued[0].payload_text == "{}"


async def test_waiting_gives_the_final_state(
    api: Api, token: str, scripted: ScriptedCommands, queued: CommandRecord
) -> None:
    scripted.outcome, scripted.final = queued, done(queued)
    response = await api.call("POST", f"{PATH}?wait=10", token, json={"type": "Soft"})
    assert (response.status_code, response.json()["state"]) == (200, "accepted")
    assert response.headers["location"] == f"/v1/commands/{queued.id}"
    assert scripted.waited == [10]


async def test_waiting_in_vain_gives_the_state_so_far(
    api: Api, token: str, scripted: ScriptedCommands, queued: CommandRecord
) -> None:
    scripted.outcome, scripted.final = queued, replace(queued, state="sent", sent_at=NOW)
    response = await api.call("POST", f"{PATH}?wait=1", token, json={"type": "Soft"})
    assert (response.status_code, response.json()["state"]) == (202, "sent")


@pytest.mark.parametrize("state", ["offline", "rejected", "call_error", "timed_out"])
async def test_what_the_charge_point_makes_of_it_is_no_http_error(
    api: Api, token: str, scripted: ScriptedCommands, queued: CommandRecord, state: Any
) -> None:
    error = {"code": "InternalError", "description": "no", "text": None}
    scripted.outcome = replace(queued, state=state, finished_at=NOW, error=error)
    response = await api.call("POST", f"{PATH}?wait=10", token, json={"type": "Soft"})
    assert (response.status_code, response.json()["state"]) == (200, state)
    assert response.json()["error"] == error
    assert scripted.waited == []


@pytest.mark.parametrize(
    ("outcome", "status", "code"),
    [
        (NotFound("There is no such charge point.", "identity"), 404, "not_found"),
        (Conflict("The key was used for another request.", "Idempotency-Key"), 409, "conflict"),
        (TooManyRequests("Too many commands wait."), 429, "too_many_requests"),
        (Unavailable("Redis is down.", "bus_unavailable"), 503, "bus_unavailable"),
        (
            InvalidInput([FieldViolation("/type", "not_in_enumeration", "not a ResetType")]),
            422,
            "invalid_input",
        ),
    ],
)
async def test_refusals_are_answered_by_their_own_status(
    api: Api, token: str, scripted: ScriptedCommands, outcome: Exception, status: int, code: str
) -> None:
    scripted.outcome = outcome
    response = await api.call("POST", PATH, token, json={"type": "Soft"})
    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("content", "media_type", "status", "pointer"),
    [
        (b'{"type"', "application/json", 400, None),
        (b"\xff", "application/json", 400, None),
        (b"{}", "text/plain", 415, None),
        (b'{"type": "a\\u0000"}', "application/json", 422, "/type"),
        (b'{"a": [{"b": "\\ud800"}]}', "application/json", 422, "/a/0/b"),
        (b'{"\\udfff": 1}', "application/json", 422, "/\ufffd"),
        (b"[" * 100_000, "application/json", 400, None),
        (b'"' + b"x" * 300_000 + b'"', "application/json", 413, None),
    ],
)
async def test_a_bad_payload_never_reaches_the_domain(
    api: Api,
    token: str,
    scripted: ScriptedCommands,
    content: bytes,
    media_type: str,
    status: int,
    pointer: str | None,
) -> None:
    headers = {"Content-Type": media_type}
    response = await api.call("POST", PATH, token, content=content, headers=headers)
    assert response.status_code == status
    assert [error.get("pointer") for error in response.json().get("errors", [])] == (
        [] if pointer is None else [pointer]
    )
    assert scripted.issued == []


@pytest.mark.parametrize(
    ("query", "headers", "parameter"),
    [
        ("wait=61", {}, "wait"),
        ("wait=-1", {}, "wait"),
        ("wait=1.5", {}, "wait"),
        ("timeout_s=0", {}, "timeout_s"),
        ("timeout_s=99999999999999999999", {}, "timeout_s"),
        ("hurry=1", {}, "hurry"),
        ("", {"Idempotency-Key": "x" * 256}, "idempotency-key"),
        ("", {"Idempotency-Key": ""}, "idempotency-key"),
    ],
)
async def test_bad_parameters_are_named(
    api: Api, token: str, query: str, headers: dict[str, str], parameter: str
) -> None:
    response = await api.call("POST", f"{PATH}?{query}", token, json={}, headers=headers)
    assert response.status_code == 422
    assert [error["parameter"] for error in response.json()["errors"]] == [parameter]


async def test_a_charge_point_that_is_deleted_meanwhile_is_a_conflict(
    api: Api, token: str, scripted: ScriptedCommands
) -> None:
    scripted.outcome = asyncpg.ForeignKeyViolationError("the tenant is gone")
    response = await api.call("POST", PATH, token, json={"type": "Soft"})
    assert (response.status_code, response.json()["code"]) == (409, "conflict")


async def test_a_command_is_read_with_its_end(api: Api, operator: TenantRecord, token: str) -> None:
    key = await api.charge_point(operator)
    record = await api.command(operator, key)
    async with api.services.storage.database.tenant(operator.id) as work:
        end = End("timed_out", error={"code": "x", "description": "y"}, sent=SentFacts("worker-1", 1, NOW))
        await CommandSteps(work.rows, work.tenant_id).finish(record.id, end, NOW)
        await CommandStore(work).late(record.id, {"status": "Accepted"})
    body = (await api.call("GET", f"/v1/commands/{record.id}", token)).json()
    assert (body["state"], body["charge_point"], body["action"]) == ("timed_out", "RDAM-1", "Reset")
    assert body["error"] == {"code": "x", "description": "y", "text": None}
    assert body["late_result"] == {"status": "Accepted"}
    missing = await api.call("GET", f"/v1/commands/{uuid.uuid4()}", token)
    assert missing.status_code == 404


async def test_commands_are_narrowed_and_paged(api: Api, operator: TenantRecord, token: str) -> None:
    key = await api.charge_point(operator)
    ids = [str((await api.command(operator, key)).id) for _ in range(3)]
    cleared = await api.command(operator, key, action="ClearCache", payload={})
    first = (await api.call("GET", "/v1/commands?limit=2&action=Reset", token)).json()
    second = (
        await api.call("GET", f"/v1/commands?limit=2&action=Reset&cursor={first['next_cursor']}", token)
    ).json()
    assert [item["id"] for page in (first, second) for item in page["items"]] == ids[::-1]
    narrowed = (await api.call("GET", "/v1/commands?action=ClearCache&state=queued", token)).json()
    assert [item["id"] for item in narrowed["items"]] == [str(cleared.id)]


async def test_a_command_is_taken_back_or_not(
    api: Api, token: str, scripted: ScriptedCommands, queued: CommandRecord
) -> None:
    path = f"/v1/commands/{queued.id}/cancel"
    scripted.final = replace(queued, state="cancelled", finished_at=NOW)
    response = await api.call("POST", path, token)
    assert (response.status_code, response.json()["state"]) == (200, "cancelled")
    scripted.final = Conflict("The command was sent.")
    assert (await api.call("POST", path, token)).status_code == 409


async def test_a_command_for_later_reaches_the_domain_as_it_was_asked(
    api: Api, token: str, scripted: ScriptedCommands, queued: CommandRecord
) -> None:
    waiting = replace(queued, state="waiting", when_offline="queue", result={"status": "UnlockFailed"})
    scripted.outcome = waiting
    later = "2026-06-01T00:00:00Z"
    path = f"{PATH}?when_offline=queue&expires_in=600&not_before={later}"
    response = await api.call("POST", path, token, json={"type": "Soft"})
    assert (response.status_code, response.json()["state"]) == (202, "waiting")
    assert (response.json()["when_offline"], response.json()["status"]) == ("queue", "UnlockFailed")
    asked = scripted.requests[0]
    assert (asked.when_offline, asked.expires_in_s, asked.expires_at) == ("queue", 600, None)
    assert asked.not_before is not None
    assert asked.not_before.isoformat() == "2026-06-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("when_offline=later", "when_offline"),
        ("expires_in=0", "expires_in"),
        ("expires_at=tomorrow", "expires_at"),
        ("not_before=1", "not_before"),
        ("surplus=1", "surplus"),
    ],
)
async def test_a_query_that_cannot_be_read_names_its_parameter(
    api: Api, token: str, scripted: ScriptedCommands, query: str, field: str
) -> None:
    response = await api.call("POST", f"{PATH}?{query}", token, json={"type": "Soft"})
    assert (response.status_code, response.json()["field"]) == (422, field)
    assert scripted.issued == []


async def test_openapi_says_what_each_command_leads_to(api: Api) -> None:
    document = (await api.client.get("/openapi.json")).json()
    path = document["paths"]["/v1/charge-points/{identity}/commands/Reset"]["post"]
    assert EXPECTED["Reset"].text in path["description"]
    assert "`no_effect` is noted 900 s after its end." in path["description"]
    names = {resolved(document, parameter)["name"] for parameter in path["parameters"]}
    assert {"when_offline", "not_before"} <= names
    assert "charging_profile_id" not in names
    start = document["paths"]["/v1/charge-points/{identity}/commands/RemoteStartTransaction"]["post"]
    names = {resolved(document, parameter)["name"] for parameter in start["parameters"]}
    assert "charging_profile_id" in names
    state = document["components"]["schemas"]["Command"]["properties"]["state"]
    assert [name for name in STATE_TEXTS if f"`{name}`: " not in state["description"]] == []
    assert set(get_args(CommandState)) == STATE_TEXTS.keys()
