"""`/v1/charge-points/{identity}/firmware-updates`, with scripted commands."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.charge_points.store import ChargePointStore
from app.clock import utc_text
from app.errors import Conflict, TooManyRequests, Unavailable
from app.firmware.rules.jobs import STATUSES_LIMIT
from app.firmware.service.updates import OPEN_JOBS_LIMIT
from app.tenants.records import TenantRecord
from tests.firmware.certificates import ec_signer
from tests.firmware.story import LOCATION, Story, limit_hits
from tests.support.api import NOW, Api

UPDATES = "/charge-points/RDAM-1/firmware-updates"
SIGNED = {"signing_certificate": ec_signer().pem, "signature": ec_signer().sign()}


async def test_an_update_is_sent_to_a_connected_charge_point(story: Story) -> None:
    key = await story.point("RDAM-1")
    command = await story.answers(key)
    body = {"location": LOCATION, "retries": 3, "retry_interval_s": 60, "target_version": "3.2.0"}
    made = await story.post(UPDATES, body)
    assert story.payloads() == [
        (
            "RDAM-1",
            "UpdateFirmware",
            {"location": LOCATION, "retrieveDate": utc_text(NOW), "retries": 3, "retryInterval": 60},
        )
    ]
    assert (made["state"], made["command_id"], made["command_state"]) == (
        "requested",
        str(command.id),
        "sent",
    )
    assert (made["is_signed"], made["request_id"], made["firmware_version_before"]) == (False, None, "3.1.4")
    assert await story.get(f"{UPDATES}/{made['id']}") == made
    await story.report("RDAM-1", key, "Downloading", "Downloading", "Downloaded", "Installing", "Installed")
    story.api.clock.advance(60)
    await story.booted(key, "3.2.0")
    await story.sweep()
    shown = await story.get(f"{UPDATES}/{made['id']}")
    assert [(one["status"], one["repeats"]) for one in shown["statuses"]] == [
        ("Downloading", 1),
        ("Downloaded", 0),
        ("Installing", 0),
        ("Installed", 0),
    ]
    assert (shown["state"], shown["firmware_version_after"]) == ("installed", "3.2.0")
    assert (await story.get("/charge-points/RDAM-1/firmware-status"))["firmware_update"] == made["id"]


async def test_signed_firmware_gets_a_request_id_of_its_own(story: Story) -> None:
    await story.answers(await story.point("RDAM-1"), action="SignedUpdateFirmware")
    at = NOW + timedelta(hours=2)
    body = {"location": LOCATION, "signed": {**SIGNED, "install_date": utc_text(at)}}
    made = [await story.post(UPDATES, body) for _ in range(2)]
    assert [one["request_id"] for one in made] == [1, 2]
    assert "was not checked" in made[0]["signature_note"]
    [(_, action, payload), _] = story.payloads()
    assert action == "SignedUpdateFirmware"
    assert payload == {
        "requestId": 1,
        "firmware": {
            "location": LOCATION,
            "retrieveDateTime": utc_text(NOW),
            "signingCertificate": SIGNED["signing_certificate"],
            "signature": SIGNED["signature"],
            "installDateTime": utc_text(at),
        },
    }


async def test_a_password_is_sent_but_never_shown(story: Story) -> None:
    await story.answers(await story.point("RDAM-1"))
    made = await story.post(UPDATES, {"location": "ftp://user:hunter2@files.example.com/a"})
    assert story.payloads()[0][2]["location"] == "ftp://user:hunter2@files.example.com/a"
    assert made["location"] == "ftp://user:***@files.example.com/a"
    await story.report("RDAM-1", await _key(story), "DownloadFailed")
    again = await story.post(f"{UPDATES}/{made['id']}/retries")
    assert (again["retry_of"], again["location"]) == (made["id"], "ftp://user:***@files.example.com/a")
    assert story.payloads()[1][2]["location"] == "ftp://user:hunter2@files.example.com/a"
    for page in (await story.get(UPDATES), await story.get("/firmware-updates", charge_point="RDAM-1")):
        assert "hunter2" not in str(page)
        assert len(page["items"]) == 2


async def _key(story: Story) -> Any:
    async with story.api.services.storage.database.tenant(story.operator.id) as work:
        point = await ChargePointStore(work).get("RDAM-1")
    assert point is not None
    return point.id


async def test_a_charge_point_that_is_not_connected_gets_its_update_when_it_comes(story: Story) -> None:
    key = await story.point("RDAM-1", connected=False)
    made = await story.post(UPDATES, {"location": LOCATION})
    assert made["state"] == "pending"
    story.api.clock.advance(20)
    await story.sweep()
    assert story.payloads() == []
    await story.answers(key)
    await story.api.connect(story.operator, key, "RDAM-1")
    story.api.clock.advance(20)
    await story.sweep()
    assert len(story.payloads()) == 1
    assert (await story.get(f"{UPDATES}/{made['id']}"))["state"] == "requested"


async def test_an_update_that_was_never_sent_times_out(story: Story) -> None:
    await story.point("RDAM-1", connected=False)
    made = await story.post(UPDATES, {"location": LOCATION, "timeout_s": 60})
    story.api.clock.advance(61)
    await story.sweep()
    shown = await story.get(f"{UPDATES}/{made['id']}")
    assert (shown["state"], shown["reason"]) == ("timed_out", "not_sent")


@pytest.mark.parametrize(
    "refusal", [TooManyRequests("50 commands wait."), Conflict("The registration is Rejected.")]
)
async def test_an_update_that_cannot_be_sent_now_is_tried_again(story: Story, refusal: Exception) -> None:
    key = await story.point("RDAM-1")
    story.scripted.outcome = refusal
    made = await story.post(UPDATES, {"location": LOCATION})
    assert (made["state"], made["detail"]) == ("pending", str(refusal))
    await story.answers(key)
    story.api.clock.advance(20)
    await story.sweep()
    first, second = (one.options["idempotency_key"] for one in story.scripted.issued)
    assert first != second


async def test_a_command_whose_sending_is_not_confirmed_is_issued_under_the_same_key(story: Story) -> None:
    key = await story.point("RDAM-1")
    story.scripted.outcome = Unavailable("The bus does not answer.", "bus_unavailable")
    made = await story.post(UPDATES, {"location": LOCATION})
    assert (made["state"], made["command_id"]) == ("requested", None)
    command = await story.answers(key)
    story.api.clock.advance(20)
    await story.sweep()
    first, second = story.scripted.issued
    assert first.options == second.options
    assert first.payload_text == second.payload_text
    assert (await story.get(f"{UPDATES}/{made['id']}"))["command_id"] == str(command.id)
    story.api.clock.advance(20)
    await story.sweep()
    assert len(story.scripted.issued) == 2


@pytest.mark.parametrize(("state", "expected"), [("expired", "pending"), ("timed_out", "requested")])
async def test_a_command_that_the_reaper_has_ended_is_noticed(
    story: Story, state: str, expected: str
) -> None:
    key = await story.point("RDAM-1")
    command = await story.answers(key)
    made = await story.post(UPDATES, {"location": LOCATION})
    async with story.api.services.storage.database.tenant(story.operator.id) as work:
        await work.connection.execute(
            text("update commands set state = :state where tenant_id = :tenant and id = :id"),
            {"state": state, "tenant": story.operator.id, "id": command.id},
        )
    await story.api.services.presence.release(await story.api.connect(story.operator, key, "RDAM-1"))
    story.api.clock.advance(20)
    await story.sweep()
    shown = await story.get(f"{UPDATES}/{made['id']}")
    assert shown["state"] == expected
    assert len(story.scripted.issued) == 1


async def test_a_boot_with_the_new_version_ends_an_update_without_the_status(story: Story) -> None:
    key = await story.point("RDAM-1")
    await story.answers(key)
    made = await story.post(UPDATES, {"location": LOCATION})
    await story.report("RDAM-1", key, "Downloading")
    story.api.clock.advance(60)
    await story.booted(key, "3.2.0")
    story.api.clock.advance(299)
    await story.sweep()
    assert (await story.get(f"{UPDATES}/{made['id']}"))["state"] == "in_progress"
    story.api.clock.advance(20)
    await story.sweep()
    shown = await story.get(f"{UPDATES}/{made['id']}")
    assert (shown["state"], shown["firmware_version_after"]) == ("installed_seen_by_boot", "3.2.0")
    await story.report("RDAM-1", key, "Installed")
    assert (await story.get(f"{UPDATES}/{made['id']}"))["state"] == "installed"


async def test_only_what_was_not_sent_can_be_cancelled(story: Story) -> None:
    key = await story.point("RDAM-1", connected=False)
    made = await story.post(UPDATES, {"location": LOCATION})
    cancelled = await story.post(f"{UPDATES}/{made['id']}/cancel", status=200)
    assert (cancelled["state"], cancelled["reason"]) == ("cancelled", "operator")
    await story.post(f"{UPDATES}/{made['id']}/cancel", status=409)
    await story.api.connect(story.operator, key, "RDAM-1")
    await story.answers(key)
    sent = await story.post(UPDATES, {"location": LOCATION})
    story.scripted.final = Conflict("The command cannot be cancelled any more: it is sent.")
    await story.post(f"{UPDATES}/{sent['id']}/cancel", status=409)
    queued = await story.post(UPDATES, {"location": LOCATION})
    story.scripted.final = story.scripted.outcome
    assert (await story.post(f"{UPDATES}/{queued['id']}/cancel", status=200))["state"] == "cancelled"
    await story.post(f"{UPDATES}/{sent['id']}/retries", status=409)


async def test_a_charge_point_has_a_bounded_number_of_open_updates(story: Story) -> None:
    await story.point("RDAM-1", connected=False)
    for _ in range(OPEN_JOBS_LIMIT):
        await story.post(UPDATES, {"location": LOCATION})
    before = limit_hits("firmware_jobs")
    refused = await story.post(UPDATES, {"location": LOCATION}, status=429)
    assert refused["code"] == "too_many_requests"
    assert limit_hits("firmware_jobs") == before + 1


async def test_endless_statuses_are_counted(story: Story) -> None:
    key = await story.point("RDAM-1")
    await story.answers(key)
    made = await story.post(UPDATES, {"location": LOCATION})
    before = limit_hits("firmware_statuses")
    statuses = ["Downloading", "DownloadPaused"] * (STATUSES_LIMIT // 2)
    await story.report("RDAM-1", key, *statuses)
    assert limit_hits("firmware_statuses") == before
    await story.report("RDAM-1", key, "Downloading", "Installed")
    assert limit_hits("firmware_statuses") == before + 2
    shown = await story.get(f"{UPDATES}/{made['id']}")
    assert (len(shown["statuses"]), shown["state"]) == (STATUSES_LIMIT, "installed")


async def test_a_status_without_an_update_is_the_last_one(story: Story) -> None:
    key = await story.point("RDAM-1")
    answer = await story.api.call("GET", "/v1/charge-points/RDAM-1/firmware-status", story.token)
    assert answer.status_code == 404
    await story.report("RDAM-1", key, "Idle", is_signed=True)
    shown = await story.get("/charge-points/RDAM-1/firmware-status")
    assert (shown["status"], shown["is_signed"], shown["firmware_update"]) == ("Idle", True, None)


BAD: list[tuple[str, Any, str]] = [
    ("nothing", {}, "/location"),
    ("both", {"location": LOCATION, "file_id": "a"}, "/location"),
    ("scheme", {"location": "file:///etc/passwd"}, "/location"),
    ("line break", {"location": f"{LOCATION}\r\nHost: x"}, "/location"),
    ("NUL", {"location": f"{LOCATION}\x00"}, "/location"),
    ("blank", {"location": f"{LOCATION} x"}, "/location"),
    ("too long", {"location": LOCATION + "a" * 2000}, "/location"),
    ("too long for signed", {"location": LOCATION + "a" * 500, "signed": SIGNED}, "/location"),
    ("no number", {"location": LOCATION, "retries": "3"}, "/retries"),
    ("negative", {"location": LOCATION, "retry_interval_s": -1}, "/retry_interval_s"),
    ("too large", {"location": LOCATION, "retries": 2**31}, "/retries"),
    ("no date", {"location": LOCATION, "retrieve_date": "tomorrow"}, "/retrieve_date"),
    ("no zone", {"location": LOCATION, "retrieve_date": "2026-05-04T08:00:00"}, "/retrieve_date"),
    ("too short", {"location": LOCATION, "timeout_s": 1}, "/timeout_s"),
    ("unknown member", {"location": LOCATION, "force": True}, "/force"),
    ("hostile version", {"location": LOCATION, "target_version": "1\n2"}, "/target_version"),
    ("hostile file", {"file_id": "../../etc/passwd"}, "/file_id"),
    ("no signature", {"location": LOCATION, "signed": {"signing_certificate": "x"}}, "/signed/signature"),
    (
        "no certificate",
        {"location": LOCATION, "signed": {**SIGNED, "signing_certificate": "x"}},
        "/signed/signing_certificate",
    ),
    (
        "private key",
        {"location": LOCATION, "signed": {**SIGNED, "signing_certificate": ec_signer().private_pem}},
        "/signed/signing_certificate",
    ),
    (
        "long certificate",
        {"location": LOCATION, "signed": {**SIGNED, "signing_certificate": "x" * 5501}},
        "/signed/signing_certificate",
    ),
    ("bad base64", {"location": LOCATION, "signed": {**SIGNED, "signature": "%"}}, "/signed/signature"),
    (
        "long signature",
        {"location": LOCATION, "signed": {**SIGNED, "signature": "A" * 804}},
        "/signed/signature",
    ),
]


@pytest.mark.parametrize(("body", "field"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_bad_input_is_refused_by_name(story: Story, body: Any, field: str) -> None:
    await story.point("RDAM-1")
    refused = await story.post(UPDATES, body, status=422)
    assert refused["field"] == field
    assert "PRIVATE" not in str(refused)
    assert (await story.get(UPDATES))["items"] == []


@pytest.mark.parametrize("file_id", ["4f2a9c", "00000000-0000-4000-8000-000000000001"])
async def test_an_unknown_file_is_named(story: Story, file_id: str) -> None:
    await story.point("RDAM-1")
    refused = await story.post(UPDATES, {"file_id": file_id}, status=404)
    assert (refused["field"], refused["detail"]) == ("file_id", "There is no such file.")


async def test_what_does_not_exist_is_not_found(story: Story, api: Api) -> None:
    other = "00000000-0000-0000-0000-000000000001"
    await story.post(UPDATES, {"location": LOCATION}, status=404)
    await story.point("RDAM-1")
    for path in (f"{UPDATES}/{other}/retries", f"{UPDATES}/{other}/cancel"):
        await story.post(path, status=404)
    await story.answers(await _key(story))
    made = await story.post(UPDATES, {"location": LOCATION})
    stranger = await api.key(await api.tenant())
    foreign = await api.call("GET", f"/v1{UPDATES}/{made['id']}", stranger)
    assert foreign.status_code == 404
    await story.point("RDAM-2")
    wrong = await api.call("GET", f"/v1/charge-points/RDAM-2/firmware-updates/{made['id']}", story.token)
    assert wrong.status_code == 404


async def test_a_key_needs_the_scope(story: Story, api: Api, operator: TenantRecord) -> None:
    await story.point("RDAM-1")
    reading = await api.key(operator, "read", "write")
    refused = await api.call("POST", f"/v1{UPDATES}", reading, json={"location": LOCATION})
    assert refused.status_code == 403
    assert (await api.call("GET", f"/v1{UPDATES}", reading)).status_code == 200
