"""The effects of answers on the credential; and no secret stays behind."""

import json
from typing import Any, cast
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from app.charge_points.credentials import Credentials
from app.charge_points.handlers.authorization_key import PENDING_CREDENTIAL_LIFE
from app.charge_points.store import ChargePointStore
from app.commands.records import CommandRecord
from app.commands.rules import REDACTED, UNREADABLE_ANSWER, Outcome, has_effects
from app.composition import command_effects
from app.database.unit_of_work import TenantWork
from app.errors import Conflict
from app.live.keys import ChargePointKeys
from app.ocpp import messages_of
from app.settings import Settings
from tests.support.cluster import Cluster
from tests.support.protocol import OCPP16
from tests.support.workers import Charger, silence

NEW_KEY = "00112233445566778899aabbccddeeff00112233"
SET_KEY = f'{{"key":"AuthorizationKey","value":"{NEW_KEY}"}}'
OTHER_KEY = NEW_KEY.replace("0011", "ffff")
OTHER_SET_KEY = SET_KEY.replace(NEW_KEY, OTHER_KEY)


@pytest.mark.parametrize(
    ("answer", "current", "pending"),
    [
        ({"status": "Accepted"}, True, False),
        ({"status": "RebootRequired"}, False, True),
        ({"status": "Rejected"}, False, False),
        ({"status": "NotSupported"}, False, False),
    ],
)
async def test_an_answer_decides_which_credential_counts(
    cluster: Cluster, settings: Settings, answer: dict[str, Any], current: bool, pending: bool
) -> None:
    credentials = Credentials(settings.credential_pepper)
    charger = await cluster.charger(cluster.b, lambda *_: answer)
    command = await cluster.end(
        cluster.a, await cluster.issue(cluster.a, charger, "ChangeConfiguration", SET_KEY)
    )
    assert command.payload == {"key": "AuthorizationKey", "value": REDACTED}
    assert charger.received[0][2]["value"] == NEW_KEY
    point = await cluster.point(charger)
    assert credentials.matches(bytes.fromhex(NEW_KEY), point.credential_hash) is current
    assert credentials.matches(NEW_KEY.encode(), point.pending_credential_hash) is pending


@pytest.mark.parametrize("answer", ['[3,"{}",{{"status":"OK"}}]', '[3,"{}",{{"status"', '[4,"{}"]'])
async def test_an_answer_that_cannot_be_read_leaves_both_credentials(
    cluster: Cluster, settings: Settings, answer: str
) -> None:
    credentials = Credentials(settings.credential_pepper)
    charger = await cluster.charger(cluster.a, silence)
    command = await cluster.issue(cluster.a, charger, "ChangeConfiguration", SET_KEY)
    await charger.reported()
    charger.say(answer.format(command.id))
    ended = await cluster.end(cluster.a, command)
    assert ended.error is not None
    assert (ended.state, ended.error["code"]) == ("call_error", UNREADABLE_ANSWER)
    point = await cluster.point(charger)
    assert credentials.matches(bytes.fromhex(NEW_KEY), point.pending_credential_hash)
    # The refusal of a second command with the same key does not prove that the first was refused.
    again = await cluster.issue(cluster.a, charger, "ChangeConfiguration", SET_KEY)
    await charger.reported()
    charger.reply(1, {"status": "Rejected"})
    await cluster.end(cluster.a, again)
    point = await cluster.point(charger)
    assert credentials.matches(bytes.fromhex(NEW_KEY), point.pending_credential_hash)


async def test_no_answer_leaves_both_credentials_until_a_late_one(
    cluster: Cluster, settings: Settings
) -> None:
    credentials = Credentials(settings.credential_pepper)
    charger = await cluster.charger(cluster.a, silence)
    await cluster.issue(cluster.a, charger, "ChangeConfiguration", SET_KEY)
    await charger.reported()
    with pytest.raises(Conflict):
        await cluster.issue(cluster.a, charger, "ChangeConfiguration", OTHER_SET_KEY)
    cluster.clock.advance(31)
    charger.expire()
    await charger.reported()
    point = await cluster.point(charger)
    assert credentials.matches(bytes.fromhex(NEW_KEY), point.pending_credential_hash)
    assert point.pending_until is not None
    charger.reply(0, {"status": "Accepted"})
    await charger.reported()
    point = await cluster.point(charger)
    assert credentials.matches(bytes.fromhex(NEW_KEY), point.credential_hash)
    assert point.pending_credential_hash is None


async def _issue_unanswered(cluster: Cluster, charger: Charger, text: str) -> None:
    await cluster.issue(cluster.a, charger, "ChangeConfiguration", text)
    await charger.reported()
    cluster.clock.advance(31)
    charger.expire()
    await charger.reported()


async def test_a_late_answer_does_not_decide_on_a_newer_credential(
    cluster: Cluster, settings: Settings
) -> None:
    credentials = Credentials(settings.credential_pepper)
    charger = await cluster.charger(cluster.a, silence)
    await _issue_unanswered(cluster, charger, SET_KEY)
    async with cluster.database.tenant(cluster.tenant_id) as work:
        await ChargePointStore(work).set_credential(charger.connection.charge_point_id, b"fresh")
    await cluster.issue(cluster.a, charger, "ChangeConfiguration", OTHER_SET_KEY)
    await charger.reported()
    charger.reply(0, {"status": "Accepted"})
    await charger.reported()
    point = await cluster.point(charger)
    assert point.credential_hash == b"fresh"
    assert credentials.matches(OTHER_KEY.encode(), point.pending_credential_hash)


async def test_a_key_that_may_have_been_taken_keeps_its_place(cluster: Cluster, settings: Settings) -> None:
    credentials = Credentials(settings.credential_pepper)
    charger = await cluster.charger(cluster.a, silence)
    await _issue_unanswered(cluster, charger, SET_KEY)
    with pytest.raises(Conflict):
        await cluster.issue(cluster.a, charger, "ChangeConfiguration", OTHER_SET_KEY)
    charger.reply(0, {"status": "Accepted"})
    await charger.reported()
    await cluster.issue(cluster.a, charger, "ChangeConfiguration", OTHER_SET_KEY)
    await charger.reported()
    charger.reply(1, {"status": "Rejected"})
    await charger.reported()
    point = await cluster.point(charger)
    assert credentials.matches(NEW_KEY.encode(), point.credential_hash)
    assert point.pending_credential_hash is None


async def test_a_key_of_unknown_fate_ends_after_its_life(cluster: Cluster, settings: Settings) -> None:
    credentials = Credentials(settings.credential_pepper)
    charger = await cluster.charger(cluster.a, silence)
    await _issue_unanswered(cluster, charger, SET_KEY)
    cluster.clock.advance(PENDING_CREDENTIAL_LIFE.total_seconds())
    await cluster.issue(cluster.a, charger, "ChangeConfiguration", OTHER_SET_KEY)
    point = await cluster.point(charger)
    assert credentials.matches(OTHER_KEY.encode(), point.pending_credential_hash)


@pytest.mark.parametrize(
    ("answers", "current", "pending"),
    [
        ([(1, "Accepted")], True, False),
        ([(1, "Accepted"), (0, "Rejected")], True, False),
        ([(0, "Accepted"), (1, "Rejected")], True, False),
        ([(0, "Rejected")], False, True),
        ([(1, "Rejected")], False, True),
        ([(1, "RebootRequired"), (0, "Rejected")], False, True),
        ([(0, "Rejected"), (1, "Rejected")], False, False),
        ([(1, "Rejected"), (0, "Rejected")], False, False),
        ([(1, "Rejected"), (0, "Accepted")], True, False),
    ],
)
async def test_the_same_key_again_is_the_same_pending_key(
    cluster: Cluster, settings: Settings, answers: list[tuple[int, str]], current: bool, pending: bool
) -> None:
    credentials = Credentials(settings.credential_pepper)
    charger = await cluster.charger(cluster.a, silence)
    await _issue_unanswered(cluster, charger, SET_KEY)
    await _issue_unanswered(cluster, charger, SET_KEY)
    for number, status in answers:
        charger.reply(number, {"status": status})
        await charger.reported()
    point = await cluster.point(charger)
    assert credentials.matches(NEW_KEY.encode(), point.credential_hash) is current
    assert credentials.matches(NEW_KEY.encode(), point.pending_credential_hash) is pending


async def test_no_secret_is_left_anywhere(
    cluster: Cluster, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    charger = await cluster.charger(cluster.b, silence)
    # So that Redis keeps what comes.
    await cluster.b.bus.close()
    command = await cluster.issue(cluster.a, charger, "ChangeConfiguration", SET_KEY)
    stored = [await redis.xrange(key) for key in await redis.keys("sm:inbox:*")]
    assert NEW_KEY not in repr((stored, await cluster.command(command.id), caplog.text))
    assert len(stored) == 1
    assert await redis.exists(ChargePointKeys(cluster.tenant_id, charger.connection.identity).owner)


class _Untouched:
    """A unit of work in which nothing may be done."""

    def __getattr__(self, name: str) -> Any:
        raise _TouchedError(name)


class _TouchedError(Exception):
    """Something was done in a unit of work."""


@pytest.mark.parametrize("with_profile", [False, True])
@pytest.mark.parametrize(
    "message", messages_of(OCPP16, "central_system"), ids=lambda message: str(message["action"])
)
async def test_an_end_with_effects_is_known_before_it_is_recorded(
    cluster: Cluster, settings: Settings, message: dict[str, Any], with_profile: bool
) -> None:
    payload, result = dict(message["examples"]["request"]), message["examples"]["response"]
    payload.pop("chargingProfile", None)
    if with_profile:
        payload["chargingProfile"] = {}
    point = await cluster.charge_point()
    command = CommandRecord(
        id=uuid4(),
        tenant_id=point.tenant_id,
        charge_point_id=point.id,
        identity=point.identity,
        action=message["action"],
        payload=payload,
        state="accepted",
        created_at=point.created_at,
        deadline_at=point.created_at,
        timeout_s=30.0,
        issued_by="test",
    )
    outcome = Outcome("accepted", result, status=result.get("status"), answered=True)
    effects, untouched = command_effects(settings), cast(TenantWork, _Untouched())
    try:
        await effects.apply(untouched, command, outcome, point.created_at)
        is_changed = False
    except _TouchedError:
        is_changed = True
    assert has_effects(effects.triggers, command.action, payload) is is_changed


@pytest.mark.parametrize(
    "message", messages_of(OCPP16, "central_system"), ids=lambda message: str(message["action"])
)
async def test_whether_a_command_has_effects_is_stored_with_it(
    cluster: Cluster, settings: Settings, message: dict[str, Any]
) -> None:
    payload = message["examples"]["request"]
    charger = await cluster.charger(cluster.a, silence)
    command = await cluster.issue(cluster.a, charger, message["action"], json.dumps(payload))
    known = has_effects(command_effects(settings).triggers, command.action, command.payload)
    assert (await cluster.command(command.id)).has_effects is known


async def test_ended_connections_are_not_kept_for_a_day(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.b)
    payload = '{"connectorId":1,"type":"Operative"}'
    await cluster.end(cluster.a, await cluster.issue(cluster.a, charger, "ChangeAvailability", payload))
    owner = cluster.b.waiting._owner
    assert len(owner._awaited) == 1
    await charger.disconnect()
    for _ in range(2):
        await owner._tick()
        cluster.clock.advance(61)
    assert len(owner._awaited) == 0
