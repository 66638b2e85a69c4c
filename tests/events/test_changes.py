"""Connections, states, registrations and commands tell each change once, in the shape of their schemas."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.charge_points.records import BootFacts, ClosedConnection, LastSeen, StatusReport
from app.charge_points.status_batcher import StatusBatcher
from app.charge_points.store import ChargePointStore
from app.commands.store.commands import CommandSteps, End
from app.commands.store.effects import CommandEffectStore
from app.types import ChargePointKey, TenantId
from tests.events.conftest import Told, payloads
from tests.support.recorded import put_command
from tests.support.store import NOW, ChargePointRecords, make_command


def report(status: str, epoch: int = 1, **changes: Any) -> StatusReport:
    return StatusReport(1, status, "NoError", NOW, NOW, epoch, **changes)


async def test_a_state_tells_an_event_if_it_differs_or_is_the_first_of_a_connection(
    records: ChargePointRecords, told: Told
) -> None:
    batcher = StatusBatcher(records.storage.message_steps, connector_limit=64)
    place = ChargePointKey(records.tenant.id, records.record.id)
    for one in (
        report("Available", 1),
        report("Available", 1),
        report("Charging", 1),
        report("Charging", 1, info="\ud800 half"),
        report("Charging", 2, info="\ud800 half"),
        report("Faulted", 1),
    ):
        await batcher.record(place, one)
    told_statuses = [
        (data["status"], data["info"]) for data in await payloads(told, "connector.status_changed")
    ]
    assert told_statuses == [
        ("Available", None),
        ("Charging", None),
        ("Charging", "\ufffd half"),
        ("Charging", "\ufffd half"),
    ]


async def test_a_login_a_boot_and_the_end_of_a_connection(records: ChargePointRecords, told: Told) -> None:
    batcher, place = records.storage.login_batcher, (records.tenant.id, records.record.id)
    assert await batcher.next_epoch(*place, NOW, 1) == 1
    await batcher.record_boot(*place, BootFacts(NOW, "Vendor\ud800", "Model"))
    await batcher.record_last_seen([LastSeen(*place, NOW)])
    closed = ClosedConnection(1, NOW, 1006)
    await batcher.record_last_seen([LastSeen(*place, NOW + timedelta(seconds=9), closed=closed)])
    kinds = [event.type for event in await told.all()]
    assert kinds == ["connection.opened", "charge_point.booted", "connection.closed"]
    opened, booted, ended = await payloads(told, *kinds)
    assert opened == {"epoch": 1, "security_profile": 1, "connected_at": "2026-03-01T12:00:00.000Z"}
    assert (booted["vendor"], booted["model"], booted["iccid"]) == ("Vendor\ufffd", "Model", None)
    assert ended == {
        "epoch": 1,
        "connected_at": "2026-03-01T12:00:00.000Z",
        "last_seen_at": "2026-03-01T12:00:09.000Z",
        "code": 1006,
    }


async def test_a_boot_and_the_end_of_a_connection_are_told_once_if_they_are_stored_again(
    records: ChargePointRecords, told: Told
) -> None:
    batcher, place = records.storage.login_batcher, (records.tenant.id, records.record.id)
    ends = [LastSeen(*place, NOW, closed=ClosedConnection(epoch, NOW, 1006)) for epoch in (2, 1, 2, 3, 1)]
    # The database may have stored what it could not confirm any longer.
    for end in (*ends, ends[0]):
        await batcher.record_boot(*place, BootFacts(NOW, "Vendor", "Model"))
        await batcher.record_last_seen([end])
    await batcher.record_last_seen(ends)
    assert [one["epoch"] for one in await payloads(told, "connection.closed")] == [2, 1, 3]
    assert len(await payloads(told, "charge_point.booted")) == 1


async def test_a_registration_tells_its_change_only(records: ChargePointRecords, told: Told) -> None:
    for status in ("Accepted", "Rejected", "Rejected"):
        async with records.database.tenant(records.tenant.id) as work:
            await ChargePointStore(work).update("CP-1", registration_status=status)
    changes = await payloads(told, "charge_point.registration_changed")
    assert changes[-1] == {"registration_status": "Rejected", "before": "Accepted"}
    assert len([one for one in changes if one["registration_status"] == "Rejected"]) == 1


@pytest.mark.parametrize("secret", ["0123456789abcdef0123"])
async def test_a_command_tells_each_state_and_its_effect(
    records: ChargePointRecords, told: Told, secret: str
) -> None:
    command = make_command(records, payload={"type": "Soft", "note": secret})
    async with records.database.tenant(records.tenant.id) as work:
        await put_command(work, command)
    steps = CommandSteps(records.storage.command_steps.rows, TenantId(records.tenant.id))
    for _ in range(2):
        await steps.finish(command.id, End("call_error", error={"code": "InternalError"}), NOW)
    effect = {"observed": "booted"}
    for _ in range(2):
        async with records.database.tenant(records.tenant.id) as work:
            await CommandEffectStore(work).record_first(command.id, effect)
    states = await payloads(told, "command.state_changed")
    assert [one["state"] for one in states] == ["queued", "call_error"]
    assert (UUID(states[1]["id"]), states[1]["error"]) == (command.id, {"code": "InternalError"})
    [observed] = await payloads(told, "command.effect_observed")
    assert (observed["effect"], observed["finished_at"]) == (effect, "2026-03-01T12:00:00.000Z")
    assert all(secret not in event.data for event in await told.all())
