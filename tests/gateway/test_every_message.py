"""Every message in every damaged form, derived from the definition: what is answered, and what goes out."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from app.commands.records import CommandRequest
from app.commands.rules import OPEN_COMMAND_STATES, judge_request, outcome_of
from app.errors import InvalidInput
from app.ocpp import messages_of
from app.settings import Settings
from app.storage import Storage
from app.tenants.records import TenantRecord
from app.types import CommandId
from tests.support.api import Api, open_api
from tests.support.mutations import Mutation, full_payload, mutations
from tests.support.protocol import MESSAGES, OCPP16, Direction, fields_of
from tests.support.session_harness import LIMITS, SessionHarness

FROM_CHARGE_POINTS = [
    message["action"] for message in messages_of(OCPP16, "charge_point") if not message["billing"]
]
OUTGOING = [message["action"] for message in messages_of(OCPP16, "central_system")]
LARGE = replace(LIMITS, frame_bytes=1_000_000)
SETTINGS = Settings(credential_pepper="pepper-of-the-tests")


def damaged(action: str, direction: Direction) -> Iterator[Mutation]:
    fields = fields_of(action, direction)
    yield from mutations(full_payload(fields), fields)


def refusals(action: str) -> list[Mutation]:
    """Return the damaged requests that may not be sent."""
    return [
        mutation
        for mutation in damaged(action, "request")
        if OCPP16.check_call("central_system", action, json.dumps(mutation.payload)).violations
    ]


def test_the_two_directions_are_the_whole_protocol() -> None:
    billing = {action for action, message in MESSAGES.items() if message["billing"]}
    assert {*FROM_CHARGE_POINTS, *OUTGOING} | billing == MESSAGES.keys()


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("action", FROM_CHARGE_POINTS)
async def test_a_damaged_message_gets_the_answer_that_the_definition_names(action: str, strict: bool) -> None:
    example = MESSAGES[action]["examples"]["response"]
    harness = SessionHarness({action: lambda connection, request: example}, strict=strict, limits=LARGE)
    for number, mutation in enumerate(damaged(action, "request")):
        frame = json.dumps([2, str(number), action, mutation.payload])
        verdict = OCPP16.check_frame(frame, "charge_point", strict)
        # Beyond the rate of a charge point a session is slow.
        harness.clock.seconds += 1.0
        (answer,) = await harness.receive(frame)
        kind, unique_id, *rest = json.loads(answer)
        assert unique_id == str(number), mutation
        if verdict.violations:
            assert (kind, rest[0]) == (4, verdict.violations[0].code), mutation
        else:
            assert kind == 3, mutation


@pytest.mark.parametrize("action", OUTGOING)
def test_a_damaged_request_of_ours_is_refused_by_the_place_of_the_damage(action: str) -> None:
    for mutation in refusals(action):
        request = CommandRequest("CP1", action, json.dumps(mutation.payload), "key:test")
        with pytest.raises(InvalidInput) as refused:
            judge_request(request, OCPP16, SETTINGS)
        assert refused.value.violations, mutation


@pytest.fixture
async def real_api(storage: Storage, redis_url: str, settings: Settings) -> AsyncIterator[Api]:
    async with open_api(storage, redis_url, settings) as opened:
        yield opened


async def test_a_broken_body_gets_422_and_nothing_goes_out(real_api: Api) -> None:
    operator: TenantRecord = await real_api.tenant()
    token = await real_api.key(operator)
    await real_api.charge_point(operator)
    for action in OUTGOING:
        bodies: list[Any] = [mutation.payload for mutation in refusals(action)[::7]] or [{"surplus": 1}]
        for body in bodies:
            path = f"/v1/charge-points/RDAM-1/commands/{action}"
            answer = await real_api.call("POST", path, token, json=body)
            assert answer.status_code == 422, (action, body, answer.text)
            assert answer.json()["errors"], (action, body)
    assert (await real_api.call("GET", "/v1/commands", token)).json()["items"] == []


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("action", OUTGOING)
async def test_a_damaged_confirmation_ends_its_command(action: str, strict: bool) -> None:
    harness = SessionHarness(strict=strict, limits=LARGE)
    request = json.dumps(MESSAGES[action]["examples"]["request"])
    for mutation in damaged(action, "response"):
        command_id = CommandId(str(uuid4()))
        harness.session.issue(command_id, action, request, 30.0)
        harness.clock.seconds += 1.0
        await harness.receive(json.dumps([3, command_id, mutation.payload]))
        resolve = harness.commands.resolves[-1]
        assert resolve.unique_id == command_id, mutation
        outcome = outcome_of(resolve)
        assert outcome.state not in OPEN_COMMAND_STATES, mutation
        assert outcome.answered, mutation
