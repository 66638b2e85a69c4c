"""The screens that list and change records: tags, lists, reservations, jobs, certificates, keys, security."""

import re
from datetime import timedelta

import pytest

from app.audit.service import AuditService
from app.certificates.service.requests import CertificateService
from app.certificates.store.certificates import CertificateFilter
from app.commands.records import CommandRecord
from app.errors import NotFound
from app.firmware.service.campaigns import FirmwareCampaignService
from app.firmware.service.updates import FirmwareUpdateService
from app.id_tags.records import IdTagFilter, NewIdTag
from app.id_tags.service import IdTagService
from app.local_lists.service import LocalListService
from app.reservations.records import ReservationFilter
from app.reservations.service import ReservationService
from app.security.records import SecurityAlarmFilter
from app.security.service import SecurityEventService
from app.tenants.records import TenantRecord
from app.tenants.service import ApiKeyService
from app.types import ChargePointId, TenantId
from tests.support.api import NOW
from tests.support.console import ConsoleSite, Visitor
from tests.support.firmware import MadeFirmware, make_firmware
from tests.support.recorded import put_diagnostics_job
from tests.support.scripted_commands import ScriptedCommands

_TOKEN = re.compile(r"sm_[0-9a-f]+_[0-9a-f]+")


@pytest.fixture
async def person(site: ConsoleSite, operator: TenantRecord) -> Visitor:
    """Return the browser of an operator."""
    return await site.logged_in(operator, "operator")


@pytest.fixture
def tenant_id(operator: TenantRecord) -> TenantId:
    """Return the tenant of that operator."""
    return TenantId(operator.id)


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("/tags", "Add the first one below"),
        ("/local-lists", "Make the first one below"),
        ("/reservations", "Make the first one below"),
        ("/jobs", "No firmware was updated yet"),
        ("/certificates", "sends SignCertificate"),
        ("/security", "No alarm waits"),
    ],
)
async def test_an_empty_list_says_what_to_do(person: Visitor, path: str, advice: str) -> None:
    shown = (await person.get(path)).text
    assert advice in shown
    assert "curl -s" in shown


async def test_a_tag_is_added_found_blocked_and_deleted(
    site: ConsoleSite, person: Visitor, tenant_id: TenantId
) -> None:
    tags = site.services.get(IdTagService)
    made = await person.submit("/tags", id_tag=" POOL-7 ", note="Pool car", expires_at="2030-01-02T03:04")
    assert (made.status, made.location) == (303, "/console/tags?prefix=POOL-7")
    [tag] = await tags.page(tenant_id, 9, None, IdTagFilter())
    assert (tag.id_tag, tag.note, str(tag.expires_at)) == ("POOL-7", "Pool car", "2030-01-02 03:04:00+00:00")
    assert "Pool car" in (await person.get("/tags?prefix=pool")).text
    assert "No tag fits" in (await person.get("/tags?status=Blocked")).text
    blocked = await person.submit("/tags/POOL-7/status", status="Blocked")
    assert blocked.status == 303
    assert (await tags.get(tenant_id, "POOL-7")).status == "Blocked"
    assert (await person.submit("/tags/POOL-7/status", status="Lost")).status == 422
    assert (await person.submit("/tags/POOL-7/delete")).status == 303
    with pytest.raises(NotFound):
        await tags.get(tenant_id, "POOL-7")


async def test_a_refused_tag_says_which_field_is_wrong_and_keeps_what_was_typed(person: Visitor) -> None:
    refused = await person.submit("/tags", id_tag="a/b", note="kept", expires_at="soon")
    assert refused.status == 422
    assert "Tag must be 1 to 36 printable" in refused.text
    assert "Expires is not an RFC 3339" in refused.text
    assert 'value="kept"' in refused.text
    assert (await person.submit("/tags", id_tag="POOL-7")).status == 303
    again = await person.submit("/tags", id_tag="pool-7")
    assert (again.status, "exists already" in again.text) == (409, True)


async def test_tags_have_pages(site: ConsoleSite, person: Visitor, tenant_id: TenantId) -> None:
    tags = site.services.get(IdTagService)
    for number in range(51):
        await tags.create(tenant_id, NewIdTag(f"TAG-{number:02}"))
    first = (await person.get("/tags")).text
    assert "TAG-49" in first
    assert "TAG-50" not in first
    found = re.search(r'href="/console(/tags\?[^"]*cursor=[^"]*)"', first)
    assert found is not None
    assert "TAG-50" in (await person.get(found[1].replace("&amp;", "&"))).text


async def test_a_local_list_is_made_and_shows_which_charge_points_drift(
    site: ConsoleSite, person: Visitor, tenant_id: TenantId, charge_point: ChargePointId
) -> None:
    lists = site.services.get(LocalListService)
    await site.services.get(IdTagService).create(tenant_id, NewIdTag("POOL-7"))
    made = await person.submit("/local-lists", name="pool", id_tags="POOL-7\r\n", selector="")
    assert made.location == "/console/local-lists/pool"
    shown = (await person.get("/local-lists/pool")).text
    assert "RDAM-1" in shown
    assert "POOL-7" in shown
    assert "pending" in shown
    assert (await person.submit("/local-lists/pool/charge-points/RDAM-1/sync")).status == 303
    assert (await person.submit("/local-lists/pool/enabled", enabled="false")).status == 303
    assert (await lists.get(tenant_id, "pool")).enabled is False
    assert (await person.submit("/local-lists/pool/charge-points/RDAM-1/sync")).status == 409
    assert (await person.submit("/local-lists/pool/delete")).status == 303
    assert await lists.all(tenant_id) == []


async def test_a_refused_local_list_names_its_field(person: Visitor) -> None:
    refused = await person.submit("/local-lists", name="Pool", id_tags="A\r\nABSENT", all_id_tags="true")
    assert refused.status == 422
    assert "Name must be" in refused.text
    unknown = await person.submit("/local-lists", name="pool", id_tags="ABSENT", selector="site:north")
    assert (unknown.status, "Tags: number 1 there is no such id tag" in unknown.text) == (422, True)
    assert "site:north" in unknown.text


async def test_a_reservation_is_made_and_cancelled(
    site: ConsoleSite,
    person: Visitor,
    tenant_id: TenantId,
    queued: CommandRecord,
    scripted: ScriptedCommands,
) -> None:
    scripted.final = queued
    await site.services.get(IdTagService).create(tenant_id, NewIdTag("POOL-7"))
    expiry = (NOW + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    form = {"charge_point": "RDAM-1", "connector_id": "1", "id_tag": "POOL-7", "expires_at": expiry}
    assert (await person.submit("/reservations", **form)).location == "/console/reservations"
    assert scripted.requests[-1].action == "ReserveNow"
    assert scripted.requests[-1].issued_by == "user:operator"
    reservations = site.services.get(ReservationService)
    [made] = await reservations.page(tenant_id, 9, None, ReservationFilter())
    assert "POOL-7" in (await person.get("/reservations?state=requested&charge_point=RDAM-1")).text
    number = made.record.reservation_id
    cancelled = await person.submit(f"/reservations/RDAM-1/{number}/cancel")
    assert cancelled.location == f"/console/commands/{queued.id}"
    assert scripted.requests[-1].action == "CancelReservation"


@pytest.mark.parametrize(
    ("name", "value", "status", "detail"),
    [
        ("charge_point", "NOWHERE", 404, "There is no charge point"),
        ("connector_id", "one", 422, "Connector "),
        ("connector_id", "99999999999", 422, "Connector "),
        ("id_tag", "ABSENT", 422, "there is no such id tag"),
        ("expires_at", "", 422, "Expires "),
        ("expires_at", "2001-01-01T00:00", 422, "Expires must be in the future"),
    ],
)
async def test_a_refused_reservation_says_why(
    person: Visitor, charge_point: ChargePointId, name: str, value: str, status: int, detail: str
) -> None:
    expiry = (NOW + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    form = {"charge_point": "RDAM-1", "connector_id": "1", "id_tag": "POOL-7", "expires_at": expiry}
    refused = await person.submit("/reservations", **{**form, name: value})
    assert refused.status == status
    assert detail in refused.text


async def made_firmware(site: ConsoleSite, tenant: TenantRecord, point: ChargePointId) -> MadeFirmware:
    async with site.api.services.storage.database.tenant(tenant.id) as work:
        return await make_firmware(work, point, "RDAM-1", NOW)


async def test_a_campaign_shows_its_waves_and_is_moved(
    site: ConsoleSite, operator: TenantRecord, person: Visitor, charge_point: ChargePointId
) -> None:
    made = await made_firmware(site, operator, charge_point)
    campaigns, address = site.services.get(FirmwareCampaignService), f"/jobs/campaigns/{made.campaign_id}"
    shown = (await person.get(address)).text
    assert "vw22 to 3.2.0" in shown
    assert "RDAM-1" in shown
    assert "0 of 1 charge points" in shown
    assert f"{address}/start" in shown
    assert f"/v1/firmware-campaigns/{made.campaign_id}/start" in shown
    assert f"{address}/pause" not in shown
    for move, state in (
        ("start", "running"),
        ("pause", "paused"),
        ("resume", "running"),
        ("stop", "stopped"),
    ):
        assert (await person.submit(f"{address}/{move}")).status == 303
        found = await campaigns.get(TenantId(operator.id), made.campaign_id)
        assert found.campaign.state == state
    assert (await person.submit(f"{address}/start")).status == 409
    assert (await person.submit(f"{address}/explode")).status == 422


async def test_a_firmware_update_is_shown_and_cancelled(
    site: ConsoleSite, operator: TenantRecord, person: Visitor, charge_point: ChargePointId
) -> None:
    made = await made_firmware(site, operator, charge_point)
    address = f"/jobs/firmware-updates/RDAM-1/{made.firmware_update_id}"
    assert address in (await person.get("/jobs")).text
    assert "vw22-3.2.0.bin" in (await person.get(address)).text
    assert (await person.submit(f"{address}/cancel")).status == 303
    updates = site.services.get(FirmwareUpdateService)
    job = await updates.get(TenantId(operator.id), "RDAM-1", made.firmware_update_id)
    assert job.state == "cancelled"
    assert "cancelled" in (await person.get("/jobs/firmware-updates")).text
    assert (await person.submit(f"{address}/cancel")).status == 409


async def test_diagnostics_and_bulks_are_shown(
    site: ConsoleSite, operator: TenantRecord, person: Visitor, charge_point: ChargePointId
) -> None:
    async with site.api.services.storage.database.tenant(operator.id) as work:
        job_id = await put_diagnostics_job(work, charge_point, NOW)
    bulk_id = await site.api.bulk(operator)
    overview = (await person.get("/jobs/rows")).text
    assert f"/jobs/diagnostics/{job_id}" in overview
    assert f"/jobs/bulk-commands/{bulk_id}" in overview
    assert "timed out" in (await person.get(f"/jobs/diagnostics/{job_id}")).text
    assert str(bulk_id) in (await person.get(f"/jobs/bulk-commands/{bulk_id}")).text
    assert (await person.submit(f"/jobs/bulk-commands/{bulk_id}/cancel")).status == 303
    assert (await person.get("/jobs/unheard-of")).status == 422


async def test_certificates_show_the_forecast_and_are_revoked(
    site: ConsoleSite,
    operator: TenantRecord,
    person: Visitor,
    queued: CommandRecord,
    charge_point: ChargePointId,
    scripted: ScriptedCommands,
) -> None:
    await site.api.certificates(operator, charge_point, "RDAM-1")
    service, tenant_id = site.services.get(CertificateService), TenantId(operator.id)
    [stored] = await service.certificates(tenant_id, 9, None, CertificateFilter(NOW))
    shown = (await person.get("/certificates")).text
    assert stored.serial in shown
    assert "Forecast to" in shown
    own = (await person.get("/charge-points/RDAM-1/certificates")).text
    assert stored.serial in own
    assert "CentralSystemRootCertificate" in own
    path = f"/certificates/{stored.serial}/revoke"
    assert (await person.submit(path, reason=" ")).status == 422
    assert (await person.submit(path, reason="Stolen")).status == 303
    assert "Stolen" in (await person.get("/certificates?state=revoked")).text
    asked = await person.submit("/charge-points/RDAM-1/certificates/refresh")
    assert asked.location == "/console/charge-points/RDAM-1/commands"
    assert {request.action for request in scripted.requests} == {"GetInstalledCertificateIds"}


async def test_an_alarm_is_acknowledged_with_a_reason(
    site: ConsoleSite, operator: TenantRecord, person: Visitor, charge_point: ChargePointId
) -> None:
    _, alarm_id = await site.api.security_alarm(operator, "RDAM-1")
    path = f"/security/alarms/{alarm_id}/acknowledge"
    shown = (await person.get("/security")).text
    assert "Alarms (1)" in shown
    assert path in shown
    assert (await person.submit(path, reason="")).status == 422
    assert (await person.submit(path, reason="It was me")).status == 303
    after = (await person.get("/security")).text
    assert "No alarm waits" in after
    assert "It was me" in (await person.get("/audit")).text
    events = site.services.get(SecurityEventService)
    waiting = SecurityAlarmFilter(acknowledged=False)
    assert (await events.alarms(TenantId(operator.id), 9, None, waiting))[1].open == 0
    assert "No event fits" in (await person.get("/security?charge_point=RDAM-1&critical=false")).text


async def test_a_key_is_made_shown_once_and_revoked(
    site: ConsoleSite, operator: TenantRecord, tenant_id: TenantId
) -> None:
    admin, keys = await site.logged_in(operator), site.services.get(ApiKeyService)
    made = await admin.submit("/keys", name="billing", scope_read="true", days="30")
    assert made.status == 200
    found = _TOKEN.search(made.text)
    assert found is not None
    assert (await site.api.call("GET", "/v1/charge-points", found[0])).status_code == 200
    [key] = await keys.list(tenant_id)
    assert (key.name, key.scopes, key.expires_at) == ("billing", ("read",), NOW + timedelta(days=30))
    later = (await admin.get("/keys")).text
    assert key.prefix in later
    assert found[0] not in later
    assert (await admin.submit(f"/keys/{key.id}/revoke")).status == 303
    assert (await site.api.call("GET", "/v1/charge-points", found[0])).status_code == 401
    acts = [entry.act for entry in await site.services.get(AuditService).page(tenant_id, 2, None)]
    assert acts == ["revoke_api_key", "create_api_key"]
    none = await admin.submit("/keys", name="nothing", days="")
    assert (none.status, "Choose at least one" in none.text) == (422, True)
    platform = await admin.submit("/keys", name="scraper", scope_metrics="true", days="")
    assert (platform.status, len(await keys.list(tenant_id))) == (422, 1)


@pytest.mark.parametrize(
    "path", ["/tags", "/reservations", "/certificates", "/security", "/audit", "/jobs/diagnostics"]
)
async def test_a_wrong_place_in_a_list_is_refused(person: Visitor, path: str) -> None:
    refused = await person.get(f"{path}?cursor=damaged")
    assert (refused.status, "Invalid input" in refused.text) == (422, True)


async def test_a_viewer_sees_no_buttons_that_change(
    site: ConsoleSite, operator: TenantRecord, tenant_id: TenantId, charge_point: ChargePointId
) -> None:
    await site.services.get(IdTagService).create(tenant_id, NewIdTag("POOL-7"))
    await site.api.security_alarm(operator, "RDAM-1")
    await site.api.certificates(operator, charge_point, "RDAM-1")
    made = await made_firmware(site, operator, charge_point)
    viewer = await site.logged_in(operator, "viewer")
    for path in (
        "/tags",
        "/local-lists",
        "/reservations",
        "/security",
        "/certificates",
        f"/jobs/campaigns/{made.campaign_id}",
        f"/jobs/firmware-updates/RDAM-1/{made.firmware_update_id}",
    ):
        shown = (await viewer.get(path)).text
        assert re.findall(r'method="post" action="([^"]*)"', shown) == ["/console/logout"], path
