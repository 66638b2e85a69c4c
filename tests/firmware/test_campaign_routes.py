"""`/v1/firmware-campaigns`, with scripted commands and a clock that a test moves."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from app.charge_points.store import ChargePointStore
from app.clock import utc_text
from app.errors import Conflict
from app.files.service import FileService
from app.firmware.keeper import FirmwareKeeper
from app.firmware.links import FileLinks
from app.firmware.parts import firmware_updates
from app.firmware.service import campaigns as campaign_service
from app.types import ChargePointId
from tests.firmware.certificates import ec_signer
from tests.firmware.story import LOCATION, Story, limit_hits
from tests.support.api import NOW, Api

CAMPAIGNS = "/firmware-campaigns"
BODY: dict[str, Any] = {
    "name": "vw22 to 3.2.0",
    "location": LOCATION,
    "target_version": "3.2.0",
    "targets": {"vendor": "VendorOne", "model": "VW22"},
}


async def points(story: Story, number: int, **facts: Any) -> dict[str, ChargePointId]:
    """Create charge points CP-1, CP-2 ..., and let their commands be sent."""
    keys = {f"CP-{place}": await story.point(f"CP-{place}", **facts) for place in range(1, number + 1)}
    await story.answers(keys["CP-1"])
    return keys


async def step(story: Story, seconds: float = 11) -> None:
    """Let time pass, and the keeper do all that can be done."""
    story.api.clock.advance(seconds)
    await story.sweep()


async def started(story: Story, **changes: Any) -> str:
    """Make and start a campaign, and return its path."""
    made = await story.post(CAMPAIGNS, {**BODY, **changes})
    path = f"{CAMPAIGNS}/{made['id']}"
    assert (await story.post(f"{path}/start", status=200))["state"] == "running"
    await story.sweep()
    return path


async def states(story: Story, path: str) -> dict[str, str]:
    page = await story.get(f"{path}/charge-points")
    return {item["charge_point"]: item["state"] for item in page["items"]}


def sent(story: Story) -> list[str]:
    return [identity for identity, _, _ in story.payloads()]


async def install(story: Story, key: ChargePointId, identity: str) -> None:
    await story.report(identity, key, "Downloading", "Downloaded", "Installing", "Installed")


async def test_a_campaign_goes_in_waves(story: Story) -> None:
    keys = await points(story, 5)
    await story.point("OLD-1", model="VW11")
    await story.point("CP-6", version="3.2.0")
    path = await started(
        story,
        waves={"canary": 1, "first": ["CP-4"], "percents": [40, 60]},
    )
    # The one that was named is the canary.
    await step(story)
    assert sent(story) == ["CP-4"]
    await install(story, keys["CP-4"], "CP-4")
    await step(story)
    assert sorted(sent(story)[1:]) == ["CP-1", "CP-2"]
    await install(story, keys["CP-1"], "CP-1")
    await step(story)
    assert len(sent(story)) == 3
    await install(story, keys["CP-2"], "CP-2")
    await step(story)
    assert sorted(sent(story)[3:]) == ["CP-3", "CP-5"]
    shown = await story.get(path)
    assert [(wave["size"], wave["updated"], wave["updating"]) for wave in shown["waves"]] == [
        (1, 1, 0),
        (2, 2, 0),
        (3, 0, 2),
    ]
    for identity in ("CP-3", "CP-5"):
        await install(story, keys[identity], identity)
    await step(story)
    await step(story)
    shown = await story.get(path)
    assert (shown["state"], shown["reason"]) == ("finished", "complete")
    found = await states(story, path)
    assert found == {**{f"CP-{number}": "updated" for number in range(1, 6)}, "CP-6": "skipped"}
    listed = await story.get("/firmware-updates", campaign=shown["id"], state="installed")
    assert {item["charge_point"] for item in listed["items"]} == set(keys)
    acts = [entry["act"] for entry in (await story.get("/audit"))["items"]]
    assert acts == ["start_firmware_campaign", "create_firmware_campaign"]


async def test_failures_stop_a_campaign(story: Story) -> None:
    keys = await points(story, 4)
    limits = {"waves": {"canary": 2}, "stop_on_failures": {"count": 1}, "concurrency": 1}
    path = await started(story, **limits)
    [first] = sent(story)
    await story.report(first, keys[first], "Downloading", "DownloadFailed")
    await step(story)
    shown = await story.get(path)
    assert (shown["state"], shown["reason"]) == ("stopped", "failure_limit")
    found = await states(story, path)
    assert found.pop(first) == "failed"
    assert set(found.values()) == {"left_out"}
    assert sent(story) == [first]


async def test_a_charge_point_that_falls_back_to_its_old_firmware_stops_a_campaign(story: Story) -> None:
    keys = await points(story, 3)
    path = await started(story, waves={"canary": 1}, stop_on_failures={"count": 1}, concurrency=1)
    [first] = sent(story)
    await install(story, keys[first], first)
    await step(story)
    assert (await states(story, path))[first] == "updated"
    story.api.clock.advance(1)
    await story.booted(keys[first], "3.1.4")
    await step(story, 400)
    await step(story)
    shown = await story.get(path)
    assert (shown["state"], shown["reason"]) == ("stopped", "failure_limit")
    page = await story.get(f"{path}/charge-points", state="failed")
    assert [(item["charge_point"], item["reason"]) for item in page["items"]] == [(first, "old_version")]


async def test_an_update_that_is_corrected_after_the_end_corrects_its_campaign(story: Story) -> None:
    keys = await points(story, 1)
    path = await started(story)
    await install(story, keys["CP-1"], "CP-1")
    await step(story)
    assert (await story.get(path))["state"] == "finished"
    story.api.clock.advance(1)
    await story.booted(keys["CP-1"], "3.1.4")
    await step(story, 400)
    await step(story)
    assert (await states(story, path))["CP-1"] == "failed"
    await story.booted(keys["CP-1"], "3.2.0")
    await step(story, 61)
    await step(story)
    assert (await states(story, path))["CP-1"] == "updated"
    # It is left alone in the end.
    await step(story, 4000)
    await step(story, 4000)
    assert await story.services.get(FirmwareKeeper).sweep() == 0


async def test_a_pause_begins_nothing_and_a_resume_continues(story: Story) -> None:
    keys = await points(story, 2)
    path = await started(story, concurrency=1)
    [first] = sent(story)
    assert (await story.post(f"{path}/pause", status=200))["state"] == "paused"
    await install(story, keys[first], first)
    await step(story)
    # What was sent is followed.
    assert (await states(story, path))[first] == "updated"
    assert sent(story) == [first]
    await story.post(f"{path}/start", status=409)
    await story.post(f"{path}/resume", status=200)
    await step(story)
    assert len(sent(story)) == 2


async def test_a_stop_leaves_out_what_waits_and_follows_what_was_sent(story: Story) -> None:
    keys = await points(story, 2)
    path = await started(story, concurrency=1)
    [first] = sent(story)
    stopped = await story.post(f"{path}/stop", status=200)
    assert (stopped["state"], stopped["reason"]) == ("stopped", "operator")
    await install(story, keys[first], first)
    await step(story)
    assert sorted((await states(story, path)).values()) == ["left_out", "updated"]
    for move in ("start", "pause", "resume", "stop"):
        await story.post(f"{path}/{move}", status=409)


async def test_charge_points_that_are_not_connected_wait(story: Story) -> None:
    keys = await points(story, 2, connected=False)
    path = await started(story)
    assert set((await states(story, path)).values()) == {"waiting"}
    await story.api.connect(story.operator, keys["CP-2"], "CP-2")
    await step(story)
    assert sent(story) == ["CP-2"]
    assert await states(story, path) == {"CP-1": "waiting", "CP-2": "updating"}


async def test_the_end_of_its_time_leaves_out_what_waits(story: Story) -> None:
    await points(story, 1, connected=False)
    path = await started(story, ends_at=utc_text(NOW + timedelta(hours=1)))
    await step(story, 3600)
    shown = await story.get(path)
    assert (shown["state"], shown["reason"]) == ("finished", "end_reached")
    assert await states(story, path) == {"CP-1": "left_out"}


async def test_nothing_is_sent_outside_of_the_window(story: Story) -> None:
    await points(story, 1)
    # NOW is Monday, 08:15:30 UTC.
    window = {"time_zone": "UTC", "days": ["Mon"], "from": "09:00", "to": "10:00"}
    path = await started(story, window=window)
    assert (await story.get(path))["plan"]["window"] == window
    assert (await story.get(CAMPAIGNS))["items"][0]["plan"]["window"] == window
    assert sent(story) == []
    await step(story, 43 * 60)
    assert sent(story) == []
    await step(story, 3 * 60)
    assert sent(story) == ["CP-1"]


async def test_a_job_that_was_not_sent_in_the_window_waits_for_the_next_one(story: Story) -> None:
    keys = await points(story, 1)
    window = {"time_zone": "UTC", "days": ["Mon", "Tue"], "from": "08:00", "to": "08:20"}
    owner = await story.api.services.presence.find(story.operator.id, "CP-1")  # type: ignore[arg-type]
    assert owner is not None
    story.scripted.outcome = Conflict("The registration is Rejected.")
    path = await started(story, window=window)
    assert len(story.payloads()) == 1
    await story.api.services.presence.release(owner)
    await step(story, 300)
    await step(story)
    assert await states(story, path) == {"CP-1": "waiting"}
    await story.api.connect(story.operator, keys["CP-1"], "CP-1")
    await story.answers(keys["CP-1"])
    await step(story, 3600)
    assert len(story.payloads()) == 1
    await step(story, 22 * 3600 + 55 * 60)
    assert len(story.payloads()) == 2


async def test_an_update_that_times_out_counts_as_a_failure(story: Story) -> None:
    await points(story, 1)
    path = await started(story, job_timeout_s=60, stop_on_failures={"count": 5})
    await step(story, 61)
    await step(story)
    await step(story)
    shown = await story.get(path)
    assert (shown["state"], shown["waves"][0]["failed"]) == ("finished", 1)
    [target] = (await story.get(f"{path}/charge-points", state="failed"))["items"]
    assert (target["reason"], target["firmware_update_state"]) == ("no_answer", "timed_out")


async def test_two_workers_begin_each_charge_point_once(story: Story) -> None:
    await points(story, 6)
    made = await story.post(CAMPAIGNS, BODY)
    await story.post(f"{CAMPAIGNS}/{made['id']}/start", status=200)
    one = story.services.get(FirmwareKeeper)
    parts = story.api.services
    collaborators = (
        parts.storage.database,
        parts.commands,
        parts.presence,
        FileLinks(story.services.get(FileService)),
    )
    [other] = firmware_updates(*collaborators, story.api.clock, parts.settings).tasks
    assert isinstance(other, FirmwareKeeper)
    for _ in range(4):
        await asyncio.gather(one.sweep(), other.sweep(), one.sweep())
        story.api.clock.advance(11)
    assert sorted(sent(story)) == [f"CP-{number}" for number in range(1, 7)]


async def test_a_deleted_charge_point_does_not_hold_up_its_campaign(story: Story) -> None:
    await points(story, 2)
    path = await started(story, waves={"canary": 1})
    [first] = sent(story)
    assert (await story.api.call("DELETE", f"/v1/charge-points/{first}", story.token)).status_code == 204
    await step(story)
    assert len(sent(story)) == 2
    assert len((await story.get(path))["waves"]) == 1


async def test_signed_firmware_goes_out_with_request_ids(story: Story) -> None:
    await points(story, 2)
    signed = {"signing_certificate": ec_signer().pem, "signature": ec_signer().sign()}
    await started(story, signed=signed)
    assert [(action, payload["requestId"]) for _, action, payload in story.payloads()] == [
        ("SignedUpdateFirmware", 1),
        ("SignedUpdateFirmware", 1),
    ]


async def test_a_password_of_a_campaign_is_sent_but_never_shown(story: Story) -> None:
    await points(story, 1)
    location = "sftp://user:hunter2@files.example.com/a"
    path = await started(story, location=location)
    assert story.payloads()[0][2]["location"] == location
    for shown in (await story.get(path), await story.get(CAMPAIGNS), await story.get("/firmware-updates")):
        assert "hunter2" not in str(shown)


UTC_NIGHT = {"time_zone": "UTC", "days": ["Mon"], "from": "01:00", "to": "05:00"}
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("no targets", {"targets": {}}, "/targets"),
    ("no match", {"targets": {"vendor": "Unknown"}}, "/targets"),
    ("unknown", {"targets": {"identities": ["CP-1", "CP-9"]}}, "/targets/identities/1"),
    ("first of others", {"waves": {"first": ["CP-9"]}}, "/waves/first/0"),
    ("two values of a label", {"targets": {"labels": ["site:a", "site:b"]}}, "/targets"),
    ("hostile identity", {"targets": {"identities": ["../x"]}}, "/targets/identities/0"),
    ("percents below", {"waves": {"percents": [10, 80]}}, "/waves/percents"),
    ("percents above", {"waves": {"percents": [60, 60]}}, "/waves/percents"),
    ("percent of nothing", {"waves": {"percents": [0, 100]}}, "/waves/percents/0"),
    ("no waves", {"waves": {"percents": []}}, "/waves/percents"),
    ("negative canary", {"waves": {"canary": -1}}, "/waves/canary"),
    ("window of no length", {"window": {**UTC_NIGHT, "to": "01:00"}}, "/window/to"),
    ("unknown zone", {"window": {**UTC_NIGHT, "time_zone": "Europe/Atlantis"}}, "/window/time_zone"),
    ("zone of a path", {"window": {**UTC_NIGHT, "time_zone": "../UTC"}}, "/window/time_zone"),
    ("no day", {"window": {**UTC_NIGHT, "days": []}}, "/window/days"),
    ("unknown day", {"window": {**UTC_NIGHT, "days": ["Montag"]}}, "/window/days/0"),
    ("no time of day", {"window": {**UTC_NIGHT, "from": "25:00"}}, "/window/from"),
    ("hostile name", {"name": "a\x1b[31mb"}, "/name"),
    ("no name", {"name": ""}, "/name"),
    ("long name", {"name": "a" * 101}, "/name"),
    ("past end", {"ends_at": utc_text(NOW - timedelta(seconds=1))}, "/ends_at"),
    ("far end", {"ends_at": utc_text(NOW + timedelta(days=400))}, "/ends_at"),
    ("no concurrency", {"concurrency": 0}, "/concurrency"),
    ("no limit", {"stop_on_failures": {"count": 0}}, "/stop_on_failures/count"),
    ("over all", {"stop_on_failures": {"percent": 101}}, "/stop_on_failures/percent"),
    ("no location", {"location": None}, "/location"),
    ("control character", {"location": f"{LOCATION}\t"}, "/location"),
    ("unknown member", {"force": True}, "/force"),
]


@pytest.mark.parametrize(("changes", "field"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_bad_input_is_refused_by_name(story: Story, changes: dict[str, Any], field: str) -> None:
    await story.point("CP-1")
    refused = await story.post(CAMPAIGNS, {**BODY, **changes}, status=422)
    assert refused["field"] == field
    assert (await story.get(CAMPAIGNS))["items"] == []


async def test_labels_and_facts_select_together(story: Story) -> None:
    keys = await points(story, 3)
    async with story.api.services.storage.database.tenant(story.operator.id) as work:
        for identity in ("CP-2", "CP-3"):
            await ChargePointStore(work).update(identity, labels={"site": "north"})
    targets = {**BODY["targets"], "labels": ["site:north"], "prefix": "CP-"}
    made = await story.post(CAMPAIGNS, {**BODY, "targets": targets})
    assert set(await states(story, f"{CAMPAIGNS}/{made['id']}")) == {"CP-2", "CP-3"} < keys.keys()


async def test_limits_are_refused_and_counted(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    await points(story, 2)
    monkeypatch.setattr(campaign_service, "TARGETS_LIMIT", 1)
    names = ("firmware_campaign_targets", "firmware_campaigns")
    before = [limit_hits(name) for name in names]
    assert (await story.post(CAMPAIGNS, BODY, status=422))["field"] == "/targets"
    monkeypatch.setattr(campaign_service, "OPEN_CAMPAIGNS_LIMIT", 1)
    one = {**BODY, "targets": {"identities": ["CP-1"]}}
    await story.post(CAMPAIGNS, one)
    await story.post(CAMPAIGNS, one, status=429)
    assert [limit_hits(name) for name in names] == [hits + 1 for hits in before]


async def test_a_campaign_belongs_to_its_tenant(story: Story, api: Api) -> None:
    await points(story, 1)
    made = await story.post(CAMPAIGNS, BODY)
    stranger = await api.key(await api.tenant())
    for method, path in (("GET", ""), ("GET", "/charge-points"), ("POST", "/start"), ("POST", "/stop")):
        found = await api.call(method, f"/v1{CAMPAIGNS}/{made['id']}{path}", stranger)
        assert found.status_code == 404
    others = await api.call("POST", f"/v1{CAMPAIGNS}", stranger, json=BODY)
    assert (others.status_code, others.json()["field"]) == (422, "/targets")
    reading = await api.key(story.operator, "read", "write")
    refused = await api.call("POST", f"/v1{CAMPAIGNS}/{made['id']}/start", reading)
    assert refused.status_code == 403


async def test_campaigns_and_their_charge_points_have_pages(story: Story) -> None:
    await points(story, 3)
    made = [await story.post(CAMPAIGNS, {**BODY, "name": str(number)}) for number in range(3)]
    first = await story.get(CAMPAIGNS, limit=2)
    rest = await story.get(CAMPAIGNS, limit=2, cursor=first["next_cursor"])
    listed = [item["id"] for item in [*first["items"], *rest["items"]]]
    assert sorted(listed) == sorted(one["id"] for one in made)
    assert (await story.get(CAMPAIGNS, state="running"))["items"] == []
    path = f"{CAMPAIGNS}/{made[0]['id']}/charge-points"
    page = await story.get(path, limit=2)
    rest = await story.get(path, limit=2, cursor=page["next_cursor"])
    assert [item["charge_point"] for item in [*page["items"], *rest["items"]]] == ["CP-1", "CP-2", "CP-3"]
