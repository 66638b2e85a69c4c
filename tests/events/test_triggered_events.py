"""Jobs, reservations, security, refused logins, deviations tell each change once, and repetitions nothing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.bulk_commands.records import BulkRecord
from app.bulk_commands.store import BulkStore
from app.charge_points.records import BootFacts
from app.deviations.records import ChargePointCounts, CountedDeviation, SeenDeviation
from app.deviations.store import add_counts
from app.diagnostics.records import DiagnosticsJob
from app.diagnostics.store import DiagnosticsStore
from app.firmware.records import CampaignState, FirmwareCampaign, FirmwareJobState
from app.firmware.store.campaigns import CampaignStore
from app.firmware.store.jobs import FirmwareJobStore
from app.local_lists.store import ListStateStore
from app.login_attempts.records import RefusalReason, RefusedLogin
from app.login_attempts.store import add_login_attempts
from app.reservations.store import ReservationStore
from app.security.records import NewSecurityEvent
from app.security.store import add_events
from tests.events.conftest import Told, payloads
from tests.firmware.jobs import job
from tests.support.store import NOW, ChargePointRecords, new_reservation

LATER = NOW + timedelta(minutes=1)


class Steps:
    """Units of work, one for each step of a test."""

    def __init__(self, records: ChargePointRecords) -> None:
        self.records = records

    async def run(self, step: Any, *, tells: bool = True) -> Any:
        """Run a step in a unit of work. tells: whether its commit must wake the sequencer."""
        async with self.records.database.tenant(self.records.tenant.id) as work:
            result = await step(work)
        assert work.outbox.has_events or not tells
        return result


@pytest.fixture
def steps(records: ChargePointRecords) -> Steps:
    return Steps(records)


async def test_a_firmware_update_tells_states_and_statuses(
    records: ChargePointRecords, steps: Steps, told: Told
) -> None:
    first = job(1, charge_point_id=records.record.id, detail="secret words", statuses=[])
    changes = (
        first,
        replace(first, status="Downloading", status_at=NOW),
        # The same status again.
        replace(first, status="Downloading", status_at=LATER),
        replace(first, status="Installed", status_at=LATER, state=FirmwareJobState.INSTALLED, ended_at=LATER),
    )
    await steps.run(lambda work: FirmwareJobStore(work).add([first]))
    for one in changes:
        await steps.run(lambda work, one=one: FirmwareJobStore(work).save(one))
    states = await payloads(told, "firmware_update.changed")
    assert [(one["state"], one["status"]) for one in states] == [
        ("requested", None),
        ("requested", "Downloading"),
        ("installed", "Installed"),
    ]
    assert states[-1]["ended_at"] == "2026-03-01T12:01:00.000Z"
    assert [event.charge_point for event in await told.all()] == ["CP-1"] * 3
    assert all("secret" not in event.data for event in await told.all())


async def test_a_campaign_tells_states_and_waves(steps: Steps, told: Told) -> None:
    draft = FirmwareCampaign(
        id=uuid4(),
        name="All",
        state=CampaignState.DRAFT,
        reason=None,
        source={"location": "https://user:secret@example.com/firmware"},
        plan={},
        sealed_location=None,
        wave_began={},
        created_at=NOW,
        created_by="key:test",
        started_at=None,
        ended_at=None,
        ends_at=LATER,
        next_step_at=None,
    )
    await steps.run(lambda work: CampaignStore(work).add(draft, {steps.records.record.id: 1}))
    running = replace(draft, state=CampaignState.RUNNING, started_at=NOW)
    for one in (running, running, replace(running, wave_began={"1": "2026-03-01T12:00:00Z"})):
        await steps.run(lambda work, one=one: CampaignStore(work).save(one))
    changes = await payloads(told, "firmware_campaign.changed")
    assert [(one["state"], one["waves_begun"]) for one in changes] == [
        ("draft", 0),
        ("running", 0),
        ("running", 1),
    ]
    assert all("secret" not in event.data for event in await told.all())


async def test_a_diagnostics_job_tells_states_and_its_file(
    records: ChargePointRecords, steps: Steps, told: Told
) -> None:
    nothing = dict.fromkeys(DiagnosticsJob.__slots__)
    values: dict[str, Any] = {
        "id": uuid4(),
        "identity": "CP-1",
        "kind": "diagnostics",
        "state": "requested",
        "requested_by": "key:test",
        "events": [],
        "created_at": NOW,
        "deadline_at": LATER,
    }
    first = DiagnosticsJob(**{**nothing, **records.place, **values})
    await steps.run(lambda work: DiagnosticsStore(work).create(first))
    uploaded = replace(first, state="uploaded", file_id=uuid4(), ended_at=LATER)
    # What has happened to a job is listed in its resource; not all of it is a change.
    for one in (replace(first, events=[{"status": "Idle"}]), uploaded, uploaded):
        await steps.run(lambda work, one=one: DiagnosticsStore(work).save(one))
    changes = await payloads(told, "diagnostics_job.changed")
    assert [(one["state"], one["file_id"]) for one in changes] == [
        ("requested", None),
        ("uploaded", str(uploaded.file_id)),
    ]


async def test_a_local_list_tells_each_answer(records: ChargePointRecords, steps: Steps, told: Told) -> None:
    state = await steps.run(lambda work: ListStateStore(work).locked(records.record.id), tells=False)
    believed = replace(state.believed, version=5, status="Accepted", verify=False)
    answered = replace(state, believed=believed, status_at=NOW)
    for one in (answered, replace(answered, check_at=LATER), replace(answered, status_at=LATER)):
        await steps.run(lambda work, one=one: ListStateStore(work).put(one))
    changes = await payloads(told, "local_list.changed")
    assert [(one["known_version"], one["status"], one["status_at"]) for one in changes] == [
        (5, "Accepted", "2026-03-01T12:00:00.000Z"),
        (5, "Accepted", "2026-03-01T12:01:00.000Z"),
    ]


async def test_a_bulk_tells_its_issue_and_its_end(
    records: ChargePointRecords, steps: Steps, told: Told
) -> None:
    values: dict[str, Any] = {
        "tenant_id": records.tenant.id,
        "id": uuid4(),
        "action": "Reset",
        "payload": {"type": "secret"},
        "total": 3,
        "created_at": NOW,
        "deadline_at": LATER,
        "when_offline": "fail",
        "timeout_s": 30.0,
        "issued_by": "key:test",
        "check_at": NOW,
        "request_digest": b"1",
    }
    bulk = BulkRecord(**{**dict.fromkeys(BulkRecord.__slots__), **values})
    await steps.run(lambda work: BulkStore(work).add(bulk))
    await steps.run(lambda work: BulkStore(work).check_later(bulk.id, LATER), tells=False)
    for _ in range(2):
        await steps.run(lambda work: BulkStore(work).cancel(bulk.id, NOW))
        await steps.run(lambda work: BulkStore(work).end(bulk.id, LATER))
    changes = await payloads(told, "bulk_command.changed")
    assert [(one["state"], one["cancelled_at"] is None, one["ended_at"] is None) for one in changes] == [
        ("running", True, True),
        ("cancelled", False, True),
        ("cancelled", False, False),
    ]
    assert all("secret" not in event.data for event in await told.all())


async def test_a_reservation_tells_nothing_before_its_command(
    records: ChargePointRecords, steps: Steps, told: Told
) -> None:
    new = new_reservation(records.record.id, "TAG-1", NOW)
    made = await steps.run(lambda work: ReservationStore(work).create(new))
    assert await payloads(told, "reservation.changed") == []
    command_id = UUID(int=5)
    for _ in range(2):
        await steps.run(lambda work: ReservationStore(work).set_command(made.id, command_id))
    reserved = replace(made, command_id=command_id, state="reserved", status="Accepted", reserved_at=NOW)
    for one in (reserved, replace(reserved, check_at=LATER), replace(reserved, conflicts=(7, 8))):
        await steps.run(lambda work, one=one: ReservationStore(work).put(one))
    changes = await payloads(told, "reservation.changed")
    assert [(one["state"], one["status"], one["conflicts"]) for one in changes] == [
        ("requested", None, []),
        ("reserved", "Accepted", []),
        ("reserved", "Accepted", [7, 8]),
    ]


async def test_a_security_event_tells_once_whatever_its_copies(
    records: ChargePointRecords, told: Told
) -> None:
    reported = NewSecurityEvent(
        records.tenant.id,
        "charge_point",
        records.record.id,
        "CP-1",
        "TamperDetectionActivated",
        True,
        "2026-03-01T12:00:00Z",
        NOW,
        True,
        "front cover",
        LATER,
        b"1",
    )
    noticed = replace(reported, tenant=records.tenant.slug, source="central_system", charge_point_id=None)
    unknown = replace(noticed, identity="", digest=b"3")
    for one in (reported, reported, replace(noticed, digest=b"2"), unknown):
        await add_events(records.storage.message_steps.rows, [one])
    changes = await payloads(told, "security_event.recorded")
    assert [(one["source"], one["identity"], one["event_type"]) for one in changes] == [
        ("charge_point", "CP-1", "TamperDetectionActivated"),
        ("central_system", "CP-1", "TamperDetectionActivated"),
        ("central_system", None, "TamperDetectionActivated"),
    ]
    # A filter by the charge point finds what the server has noticed about it, too.
    assert [event.charge_point for event in await told.all()] == ["CP-1", "CP-1", None]


async def test_refused_logins_tell_when_their_number_has_doubled(
    records: ChargePointRecords, told: Told
) -> None:
    login = RefusedLogin(NOW, RefusalReason.IDENTITY_CASE, "192.0.2.1", records.tenant.slug, "cp-1", "words")
    other = replace(login, identity="CP-1", reason=RefusalReason.STORE_UNAVAILABLE)
    once = [(login, 1)]
    for batch in (once, [(login, 1), (other, 5)], once, once, once, [(login, 20)]):
        async with records.database.platform() as work:
            await add_login_attempts(work, batch)
        assert work.outbox.has_events
    refused = [(one["identity"], one["count"]) for one in await payloads(told, "login.refused")]
    assert sorted(refused) == [("CP-1", 5), ("cp-1", 1), ("cp-1", 2), ("cp-1", 4), ("cp-1", 25)]
    events = {event.charge_point for event in await told.all()}
    assert events == {None, "CP-1"}


async def test_a_deviation_tells_once_for_a_charge_point(records: ChargePointRecords, told: Told) -> None:
    def counted(code: str) -> ChargePointCounts:
        seen = SeenDeviation(code, "17", "StartTransaction", "/timestamp", "secret raw")
        at_us = int(NOW.timestamp()) * 1_000_000
        deviation = CountedDeviation(1, at_us, at_us, seen, "c1")
        return ChargePointCounts(records.tenant.id, records.record.id, at_us, 1, {code: deviation})

    async def write(code: str) -> None:
        async with records.database.platform() as work:
            await add_counts(work, [counted(code)])
        assert work.outbox.has_events

    await write("a")
    await write("a")
    place = (records.tenant.id, records.record.id)
    await records.storage.login_batcher.record_boot(*place, BootFacts(NOW, "Vendor", "Model"))
    await write("a")
    await write("b")
    seen = await payloads(told, "deviation.first_seen")
    assert [(one["code"], one["vendor"], one["pointer"]) for one in seen] == [
        ("a", None, "/timestamp"),
        ("b", "Vendor", "/timestamp"),
    ]
    assert all("secret" not in event.data for event in await told.all())


async def test_a_change_that_is_rolled_back_tells_nothing(records: ChargePointRecords, told: Told) -> None:
    async def fail() -> None:
        async with records.database.tenant(records.tenant.id) as work:
            await FirmwareJobStore(work).add([job(1, charge_point_id=records.record.id, statuses=[])])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await told.all() == []
