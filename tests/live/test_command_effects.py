"""What an answer changes: the configuration view and the credential; and that no secret stays behind."""

from typing import Any

import pytest
from redis.asyncio import Redis

from app.csms.command_request import REDACTED
from app.csms.credentials import Credentials
from app.errors import Conflict
from app.live.keys import ChargePointKeys
from app.settings import Settings
from tests.live.site import Site
from tests.live.workers import silence

NEW_KEY = "00112233445566778899aabbccddeeff00112233"
SET_KEY = f'{{"key":"AuthorizationKey","value":"{NEW_KEY}"}}'


async def test_the_configuration_view_follows_what_was_accepted(site: Site) -> None:
    answers = iter([{"status": "Accepted"}, {"status": "RebootRequired"}, {"status": "Rejected"}])
    charger = await site.charger(site.b, lambda *_: next(answers))
    for key, value in (("A", "1"), ("B", "2"), ("C", "3")):
        text = f'{{"key":"{key}","value":"{value}"}}'
        await site.end(site.a, await site.issue(site.a, charger, "ChangeConfiguration", text))
    async with site.database.tenant(site.tenant_id) as work:
        view = await work.configuration.for_charge_point(charger.connection.charge_point_id)
    assert {entry.key: entry.value for entry in view} == {"A": "1", "B": "2"}


async def test_get_configuration_fills_the_view_without_the_key(site: Site) -> None:
    entries = [
        {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
        {"key": "AuthorizationKey", "readonly": False, "value": NEW_KEY},
        {"key": "NumberOfConnectors", "readonly": True},
    ]
    charger = await site.charger(site.b, lambda *_: {"configurationKey": entries})
    command = await site.end(site.a, await site.issue(site.a, charger, "GetConfiguration", "{}"))
    assert NEW_KEY not in repr(command)
    async with site.database.tenant(site.tenant_id) as work:
        view = await work.configuration.for_charge_point(charger.connection.charge_point_id)
    assert {entry.key: (entry.value, entry.readonly) for entry in view} == {
        "HeartbeatInterval": ("300", False),
        "AuthorizationKey": (REDACTED, False),
        "NumberOfConnectors": (None, True),
    }


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
    site: Site, settings: Settings, answer: dict[str, Any], current: bool, pending: bool
) -> None:
    credentials = Credentials(settings.credential_pepper)
    charger = await site.charger(site.b, lambda *_: answer)
    command = await site.end(site.a, await site.issue(site.a, charger, "ChangeConfiguration", SET_KEY))
    assert command.payload == {"key": "AuthorizationKey", "value": REDACTED}
    assert charger.received[0][2]["value"] == NEW_KEY
    point = await site.point(charger)
    assert credentials.matches(bytes.fromhex(NEW_KEY), point.credential_hash) is current
    assert credentials.matches(NEW_KEY.encode(), point.pending_credential_hash) is pending


async def test_no_answer_leaves_both_credentials_until_a_late_one(site: Site, settings: Settings) -> None:
    credentials = Credentials(settings.credential_pepper)
    charger = await site.charger(site.a, silence)
    await site.issue(site.a, charger, "ChangeConfiguration", SET_KEY)
    await charger.reported()
    with pytest.raises(Conflict):
        await site.issue(site.a, charger, "ChangeConfiguration", SET_KEY.replace("0011", "ffff"))
    site.clock.advance(31)
    charger.expire()
    await charger.reported()
    point = await site.point(charger)
    assert credentials.matches(bytes.fromhex(NEW_KEY), point.pending_credential_hash)
    assert point.pending_until is not None
    charger.reply(0, {"status": "Accepted"})
    await charger.reported()
    point = await site.point(charger)
    assert credentials.matches(bytes.fromhex(NEW_KEY), point.credential_hash)
    assert point.pending_credential_hash is None


async def test_a_late_answer_does_not_decide_on_a_newer_credential(site: Site, settings: Settings) -> None:
    credentials = Credentials(settings.credential_pepper)
    charger = await site.charger(site.a, silence)
    newer = SET_KEY.replace("0011", "ffff")
    await site.issue(site.a, charger, "ChangeConfiguration", SET_KEY)
    await charger.reported()
    site.clock.advance(31)
    charger.expire()
    await charger.reported()
    await site.issue(site.a, charger, "ChangeConfiguration", newer)
    await charger.reported()
    charger.reply(0, {"status": "Accepted"})
    await charger.reported()
    point = await site.point(charger)
    assert point.credential_hash is None
    assert credentials.matches(bytes.fromhex(NEW_KEY.replace("0011", "ffff")), point.pending_credential_hash)


async def test_no_secret_is_left_anywhere(site: Site, redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    charger = await site.charger(site.b, silence)
    # So that Redis keeps what comes.
    await site.b.bus.close()
    command = await site.issue(site.a, charger, "ChangeConfiguration", SET_KEY)
    stored = [await redis.xrange(key) for key in await redis.keys("sm:inbox:*")]
    assert NEW_KEY not in repr((stored, await site.command(command.id), caplog.text))
    assert len(stored) == 1
    assert await redis.exists(ChargePointKeys(site.tenant_id, charger.connection.identity).owner)
