"""The screens show and do what they promise: the fleet, a charge point, commands and users."""

from datetime import timedelta

import orjson
import pytest

from app.charge_points.records import StatusReport
from app.console.command_forms import forms_of
from app.console.fleet import SUMMARY_LIFETIME_S, FleetScreen
from app.console.input_fields import payload_of
from app.errors import InvalidInput
from app.tenants.records import TenantRecord
from app.types import ChargePointId, TenantId
from app.users.service import UserService
from tests.support.api import NOW
from tests.support.console import ConsoleSite
from tests.support.protocol import OCPP16
from tests.support.scripted_commands import ScriptedCommands
from tests.support.statuses import record_status

FORMS = forms_of(orjson.loads(OCPP16.describe()))
POWER = [{"measurand": "Power.Active.Import", "unit": "kW", "value": "7.4"}]


async def report(
    site: ConsoleSite, tenant: TenantRecord, point: ChargePointId, connector: int, status: str
) -> None:
    error = "GroundFailure" if status == "Faulted" else "NoError"
    async with site.api.services.storage.database.tenant(tenant.id) as work:
        found = StatusReport(connector, status, error, NOW, NOW, 1)
        await record_status(work.rows, work.tenant_id, point, found, 64)


async def test_the_fleet_counts_what_is_online_charging_and_faulted(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    first, second, _ = [
        await site.api.charge_point(operator, name) for name in ("RDAM-1", "RDAM-2", "RDAM-3")
    ]
    await site.api.connect(operator, first, "RDAM-1")
    await report(site, operator, first, 1, "Charging")
    await report(site, operator, second, 1, "Faulted")
    await site.api.transaction(operator, first)
    await site.api.meter_value(operator, first, sampled_values=POWER, sampled_at=NOW - timedelta(minutes=1))
    await site.api.refused_login(operator, "RDAM-9")
    summary = await site.services.get(FleetScreen).summary(TenantId(operator.id))
    assert (summary.charge_points, summary.connected, summary.charging, summary.faulted) == (3, 1, 1, 1)
    assert (summary.power_w, summary.refused_logins) == (7400.0, 1)
    page = (await (await site.logged_in(operator)).get("/fleet")).text
    assert "1 Charging" in " ".join(page.replace("</span>", "").replace('<span class="number">', "").split())
    assert "7.4 kW" in page
    assert "GroundFailure" in page


async def test_old_power_and_ended_transactions_do_not_count(
    site: ConsoleSite, operator: TenantRecord
) -> None:
    first, second = [await site.api.charge_point(operator, name) for name in ("RDAM-1", "RDAM-2")]
    await site.api.transaction(operator, first)
    await site.api.meter_value(operator, first, sampled_values=POWER, sampled_at=NOW - timedelta(hours=1))
    await site.api.transaction(operator, second, stopped_received_at=NOW, stopped_at=NOW)
    await site.api.meter_value(operator, second, sampled_values=POWER)
    assert (await site.services.get(FleetScreen).summary(TenantId(operator.id))).power_w == 0.0


async def test_viewers_share_a_summary_for_some_seconds(site: ConsoleSite, operator: TenantRecord) -> None:
    screen, tenant_id = site.services.get(FleetScreen), TenantId(operator.id)
    first = await screen.summary(tenant_id)
    await site.api.charge_point(operator)
    assert await screen.summary(tenant_id) is first
    site.api.clock.advance(SUMMARY_LIFETIME_S + 0.1)
    assert (await screen.summary(tenant_id)).charge_points == 1


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"RDAM-1", "RDAM-2", "ZTM-1"}),
        ("search=rdam", {"RDAM-1", "RDAM-2"}),
        ("status=Faulted", {"RDAM-2"}),
        ("status=Faulted&search=ztm", set()),
        ("connected=true", {"RDAM-1"}),
        ("connected=false", {"RDAM-2", "ZTM-1"}),
        ("label=site%3Anorth", set()),
        ("after=RDAM-1", {"RDAM-2", "ZTM-1"}),
    ],
)
async def test_the_fleet_is_narrowed(
    site: ConsoleSite, operator: TenantRecord, query: str, shown: set[str]
) -> None:
    first, second, _ = [await site.api.charge_point(operator, name) for name in ("RDAM-1", "RDAM-2", "ZTM-1")]
    await site.api.connect(operator, first, "RDAM-1")
    await report(site, operator, second, 2, "Faulted")
    page = (await (await site.logged_in(operator)).get(f"/fleet/points?{query}")).text
    found = {name for name in ("RDAM-1", "RDAM-2", "ZTM-1") if f"/console/charge-points/{name}" in page}
    assert found == shown


async def test_the_fleet_has_pages(site: ConsoleSite, operator: TenantRecord) -> None:
    for number in range(61):
        await site.api.charge_point(operator, f"RDAM-{number:03}")
    visitor = await site.logged_in(operator)
    first = (await visitor.get("/fleet")).text
    assert "after=RDAM-059" in first
    assert "RDAM-060" not in first
    last = (await visitor.get("/fleet?after=RDAM-059")).text
    assert "RDAM-060" in last
    assert 'rel="next"' not in last


async def test_a_charge_point_shows_its_deviations_and_exports_its_frames(
    site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    await site.api.deviation(operator, charge_point)
    visitor = await site.logged_in(operator)
    assert "unknown_field" in (await visitor.get("/charge-points/RDAM-1")).text
    as_json = await visitor.get("/charge-points/RDAM-1/frames.json")
    assert as_json.response.json() == []
    as_csv = await visitor.get("/charge-points/RDAM-1/frames.csv")
    assert as_csv.text == "at,direction,connection_id,text,deviations\r\n"
    assert 'filename="frames-RDAM-1.csv"' in as_csv.response.headers["content-disposition"]


def test_there_is_a_form_for_each_action_of_the_central_system() -> None:
    assert len(FORMS) == 26
    empty = [form.action for form in FORMS.values() if not any(group.fields for group in form.groups)]
    assert empty == ["ClearCache", "GetLocalListVersion"]


@pytest.mark.parametrize("action", FORMS)
def test_a_form_can_say_what_the_example_of_its_action_says(action: str) -> None:
    description = orjson.loads(OCPP16.describe())
    [message] = [message for message in description["messages"] if message["action"] == action]
    example = message["examples"]["request"]
    given: dict[str, list[str]] = {}
    for group in FORMS[action].groups:
        for field in group.fields:
            value = example
            for name in field.name.split("."):
                value = value.get(name) if isinstance(value, dict) else None
            if value is not None:
                given[field.name] = [_typed(field.kind, value)]
    assert payload_of(FORMS[action].groups, given) == example


def _typed(kind: str, value: object) -> str:
    if kind == "json":
        return orjson.dumps(value).decode()
    if kind == "lines":
        assert isinstance(value, list)
        return "\r\n".join(value)
    return str(value)


@pytest.mark.parametrize(
    ("action", "name", "text", "detail"),
    [
        ("UnlockConnector", "connectorId", "one", "is not a whole number"),
        ("UnlockConnector", "connectorId", "1.5", "is not a whole number"),
        ("UnlockConnector", "connectorId", "٣", "is not a whole number"),
        (
            "SetChargingProfile",
            "csChargingProfiles.chargingSchedule.minChargingRate",
            "inf",
            "is not a number",
        ),
        ("SendLocalList", "localAuthorizationList", "[", "is not JSON"),
    ],
)
def test_a_value_that_cannot_be_read_is_named(action: str, name: str, text: str, detail: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        payload_of(FORMS[action].groups, {name: [text]})
    [violation] = refused.value.violations
    assert violation.pointer == "/" + name.replace(".", "/")
    assert violation.detail.startswith(detail)


def test_a_time_of_a_form_is_in_utc() -> None:
    given = {"retrieveDate": ["2026-05-04T08:15"], "location": ["https://files.example/a"]}
    assert payload_of(FORMS["UpdateFirmware"].groups, given)["retrieveDate"] == "2026-05-04T08:15:00Z"


async def test_a_form_issues_a_command_in_the_name_of_the_person(
    site: ConsoleSite, operator: TenantRecord, queued: object, scripted: ScriptedCommands
) -> None:
    visitor = await site.logged_in(operator, "operator")
    assert "requestedMessage" in (await visitor.get("/charge-points/RDAM-1/commands/TriggerMessage")).text
    path = "/charge-points/RDAM-1/commands/Reset"
    sent = await visitor.submit(path, type="Soft", idempotency_key="k1")
    assert (sent.status, sent.location.startswith("/console/commands/")) == (303, True)
    [request] = scripted.requests
    assert (request.identity, request.action, request.payload_text) == ("RDAM-1", "Reset", '{"type":"Soft"}')
    assert (request.issued_by, request.idempotency_key) == ("user:operator", "console-k1")
    page = await visitor.get(sent.location.removeprefix("/console"))
    assert "queued" in page.text


async def test_an_unknown_action_has_no_form(
    site: ConsoleSite, operator: TenantRecord, charge_point: ChargePointId
) -> None:
    visitor = await site.logged_in(operator)
    assert (await visitor.get("/charge-points/RDAM-1/commands/Heartbeat")).status == 404
    assert (await visitor.submit("/charge-points/RDAM-1/commands/Heartbeat")).status == 404


async def test_an_admin_makes_users_who_log_in_by_a_link(site: ConsoleSite, operator: TenantRecord) -> None:
    admin = await site.logged_in(operator)
    made = await admin.submit("/users", name="Ann@example.com", role="viewer")
    assert made.status == 200
    link = made.text.partition("/console/links/")[2].partition("<")[0]
    ann = site.visitor()
    assert (await ann.post(f"/links/{link}")).status == 303
    assert "ann@example.com (viewer)" in (await ann.get("/account")).text
    again = await admin.submit("/users", name="ann@example.com", role="viewer")
    assert (again.status, "exists already" in again.text) == (409, True)
    wrong = await admin.submit("/users", name="Ann Smith", role="viewer")
    assert (wrong.status, "has other characters" in wrong.text) == (422, True)
    assert (await admin.submit("/users/ann@example.com/role", role="owner")).status == 422
    assert (await admin.submit("/users/ann@example.com/role", role="operator")).status == 303
    assert "ann@example.com (operator)" in (await ann.get("/account")).text
    assert (await admin.submit("/users/ann@example.com/delete")).status == 303
    assert (await ann.get("/account")).status == 303
    assert (await admin.submit("/users/admin/delete")).status == 409
    names = [user.name for user in await site.services.get(UserService).list(TenantId(operator.id))]
    assert names == ["admin"]
