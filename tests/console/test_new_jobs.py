"""Jobs that are started in the console: campaigns, firmware updates, diagnostics, and bulks of commands."""

import re
from uuid import UUID

import pytest

from app.bulk_commands.schemas import BulkCommandCreate
from app.commands.records import CommandRecord
from app.console.input_fields import FormField, FormGroup
from app.console.job_forms import ALL, CAMPAIGN, CHARGE_POINT, DIAGNOSTICS, FIRMWARE_UPDATE, bulk_groups
from app.diagnostics.schemas import DiagnosticsRequest
from app.diagnostics.service import DiagnosticsService
from app.firmware.schemas.campaigns import FirmwareCampaignCreate
from app.firmware.schemas.updates import FirmwareUpdateCreate
from app.firmware.service.campaigns import FirmwareCampaignService
from app.firmware.service.updates import FirmwareUpdateService
from app.tenants.records import TenantRecord
from app.types import ChargePointId, Json, TenantId
from app.web.inputs import Input
from tests.support.api import NOW
from tests.support.console import ConsoleSite, Visitor
from tests.support.recorded import put_diagnostics_job
from tests.support.scripted_commands import ScriptedCommands

LOCATION = "https://files.example.com/vw22.bin"
CAMPAIGN_FORM = {
    "name": "vw22",
    "location": LOCATION,
    "targets.prefix": "RDAM-",
    "waves.percents": "100",
    "stop_on_failures.percent": "10",
}


@pytest.fixture
async def dispatcher(site: ConsoleSite, operator: TenantRecord) -> Visitor:
    """Return the browser of an operator."""
    return await site.logged_in(operator, "operator")


def fields_of(schema: Json, definitions: Json, prefix: str = "") -> set[str]:
    """Return the paths of all members of a JSON Schema that are not objects."""
    found: set[str] = set()
    for name, member in schema.get("properties", {}).items():
        options = [member, *member.get("anyOf", ()), *member.get("allOf", ())]
        references = [one["$ref"].rpartition("/")[2] for one in options if "$ref" in one]
        inner = [definitions[one] for one in references if definitions[one].get("properties")]
        found |= fields_of(inner[0], definitions, f"{prefix}{name}.") if inner else {f"{prefix}{name}"}
    return found


@pytest.mark.parametrize(
    ("model", "groups", "further", "absent"),
    [
        (FirmwareCampaignCreate, CAMPAIGN, set(), set()),
        (FirmwareUpdateCreate, FIRMWARE_UPDATE, {CHARGE_POINT}, set()),
        (DiagnosticsRequest, DIAGNOSTICS, {CHARGE_POINT}, set()),
        # The page is that of an action. Identities are named by `charge_points`.
        (
            BulkCommandCreate,
            bulk_groups("Reset", [FormGroup("", "", True, (FormField("", "", "text", True, ""),))]),
            {ALL, "payload."},
            {"action", "payload", "filter.identities"},
        ),
    ],
)
def test_a_form_has_each_member_of_the_body_that_rest_takes(
    model: type[Input], groups: tuple[FormGroup, ...], further: set[str], absent: set[str]
) -> None:
    schema = model.model_json_schema()
    members = fields_of(schema, schema.get("$defs", {}))
    names = [one.name for group in groups for one in group.fields]
    assert len(names) == len(set(names))
    assert set(names) == members - absent | further


async def test_a_campaign_is_drafted_with_its_waves(
    site: ConsoleSite, operator: TenantRecord, dispatcher: Visitor, charge_point: ChargePointId
) -> None:
    shown = (await dispatcher.get("/jobs/campaigns/new")).text
    assert "Maintenance window" in shown
    made = await dispatcher.submit(
        "/jobs/campaigns/new",
        **CAMPAIGN_FORM,
        **{
            "target_version": "3.2.0",
            "waves.canary": "1",
            "window.time_zone": "Europe/Brussels",
            "window.days[]": "Tue",
            "window.from": "01:00",
            "window.to": "05:00",
        },
    )
    [found] = await site.services.get(FirmwareCampaignService).page(TenantId(operator.id), 9, None, None)
    campaign = found.campaign
    assert made.location == f"/console/jobs/campaigns/{campaign.id}"
    assert (campaign.name, campaign.state, campaign.created_by) == ("vw22", "draft", "user:operator")
    assert campaign.plan["waves"] == {"canary": 1, "first": [], "percents": [100]}
    assert campaign.plan["window"]["days"] == ["Tue"]
    assert [wave.size for wave in found.waves] == [1]


async def test_a_campaign_without_a_limit_of_failures_has_none(
    site: ConsoleSite, operator: TenantRecord, dispatcher: Visitor, charge_point: ChargePointId
) -> None:
    form = {**CAMPAIGN_FORM, "stop_on_failures.percent": ""}
    assert (await dispatcher.submit("/jobs/campaigns/new", **form)).status == 303
    [found] = await site.services.get(FirmwareCampaignService).page(TenantId(operator.id), 9, None, None)
    assert found.campaign.plan["stop_on_failures"] == {"count": None, "percent": None}


@pytest.mark.parametrize(
    ("form", "detail"),
    [
        ({"name": ""}, "Name: is required"),
        ({"location": ""}, "Location: give either location or file_id"),
        ({"location": "gopher://x/"}, "Location: "),
        ({"targets.prefix": ""}, "Charge points: names no charge point"),
        ({"waves.percents": "20 70"}, "Shares of the others: "),
        ({"waves.percents": "all"}, "Shares of the others: is not a whole number"),
        (
            {"window.time_zone": "Moon/Base", "window.days[]": "Tue"},
            "Time zone: is not a known IANA time zone",
        ),
        ({"concurrency": "many"}, "At the same time: is not a whole number"),
        ({"signed.signature": "MEUCIQ=="}, "Certificate: is required"),
        ({"ends_at": "2001-01-01T00:00"}, "Begin nothing after: is in the past"),
    ],
)
async def test_a_refused_campaign_says_which_field_is_wrong_and_keeps_what_was_typed(
    dispatcher: Visitor, charge_point: ChargePointId, form: dict[str, str], detail: str
) -> None:
    refused = await dispatcher.submit(
        "/jobs/campaigns/new", **{**CAMPAIGN_FORM, "target_version": "kept", **form}
    )
    assert refused.status == 422
    assert detail in refused.text
    assert 'value="kept"' in refused.text


async def test_a_firmware_update_is_made_and_repeated(
    site: ConsoleSite, operator: TenantRecord, dispatcher: Visitor, charge_point: ChargePointId
) -> None:
    shown = (await dispatcher.get("/jobs/firmware-updates/new?charge_point=RDAM-1")).text
    assert 'value="RDAM-1"' in shown
    assert "/v1/charge-points/RDAM-1/firmware-updates" in shown
    form = {"charge_point": "RDAM-1", "location": LOCATION, "retries": "3", "timeout_s": "600"}
    made = await dispatcher.submit("/jobs/firmware-updates/new", **form)
    updates, tenant_id = site.services.get(FirmwareUpdateService), TenantId(operator.id)
    [job] = await updates.page_of(tenant_id, "RDAM-1", 9, None)
    address = f"/jobs/firmware-updates/RDAM-1/{job.id}"
    assert made.location == f"/console{address}"
    assert (job.location, job.retries, job.timeout_s, job.created_by) == (LOCATION, 3, 600, "user:operator")
    assert f"{address}/retry" not in (await dispatcher.get(address)).text
    assert (await dispatcher.submit(f"{address}/retry")).status == 409
    assert (await dispatcher.submit(f"{address}/cancel")).status == 303
    ended = (await dispatcher.get(address)).text
    assert f"{address}/retry" in ended
    assert f"/v1/charge-points/RDAM-1/firmware-updates/{job.id}/retries" in ended
    assert (await dispatcher.submit(f"{address}/retry")).status == 303
    made_again = await updates.page_of(tenant_id, "RDAM-1", 9, None)
    assert {one.retry_of for one in made_again} == {job.id, None}


async def test_a_firmware_update_of_an_unknown_charge_point_is_refused(dispatcher: Visitor) -> None:
    form = {"charge_point": "NOWHERE", "location": LOCATION}
    refused = await dispatcher.submit("/jobs/firmware-updates/new", **form)
    assert (refused.status, "There is no charge point" in refused.text) == (404, True)
    assert f'value="{LOCATION}"' in refused.text


@pytest.mark.parametrize(("kind", "action"), [("diagnostics", "GetDiagnostics"), ("security_log", "GetLog")])
async def test_diagnostics_and_logs_are_asked_for(
    site: ConsoleSite,
    operator: TenantRecord,
    dispatcher: Visitor,
    queued: CommandRecord,
    scripted: ScriptedCommands,
    kind: str,
    action: str,
) -> None:
    shown = (await dispatcher.get("/jobs/diagnostics/new?charge_point=RDAM-1")).text
    assert "/v1/charge-points/RDAM-1/diagnostics" in shown
    form = {"charge_point": "RDAM-1", "kind": kind, "location": "https://files.example.com/in/"}
    made = await dispatcher.submit("/jobs/diagnostics/new", **form)
    job_id = made.location.rpartition("/")[2]
    job = await site.services.get(DiagnosticsService).get(TenantId(operator.id), UUID(job_id))
    assert (job.kind, job.requested_by) == (kind, "user:operator")
    assert scripted.requests[-1].action == action
    refused = await dispatcher.submit("/jobs/diagnostics/new", **{**form, "location": "here"})
    assert (refused.status, "Location: " in refused.text) == (422, True)


async def test_diagnostics_that_did_not_come_are_asked_for_again(
    site: ConsoleSite, operator: TenantRecord, dispatcher: Visitor, charge_point: ChargePointId
) -> None:
    async with site.api.services.storage.database.tenant(operator.id) as work:
        job_id = await put_diagnostics_job(work, charge_point, NOW)
    assert f"/jobs/diagnostics/{job_id}/retry" in (await dispatcher.get(f"/jobs/diagnostics/{job_id}")).text


async def test_a_viewer_is_not_offered_to_start_jobs(site: ConsoleSite, operator: TenantRecord) -> None:
    await site.api.charge_point(operator, "RDAM-1")
    viewer = await site.logged_in(operator, "viewer")
    for path in ("/jobs", "/jobs/campaigns", "/charge-points/RDAM-1"):
        shown = (await viewer.get(path)).text
        assert re.findall(r'href="/console(/jobs/[^"]*/new[^"]*)"', shown) == [], path
