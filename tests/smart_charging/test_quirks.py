"""Habits of charge points in smart charging: the lowest stack level, the unit of composite schedules."""

from typing import Any

import orjson
import pytest

from app.charge_points.records import BootFacts
from app.commands.records import CommandRecord
from app.tenants.records import TenantRecord
from app.types import ChargePointId
from tests.smart_charging.test_charging_profile_routes import PROFILE
from tests.smart_charging.test_installation_routes import INSTALL, sent, store, stored_calendar
from tests.support.api import NOW, Api
from tests.support.scripted_commands import ScriptedCommands

COMPOSITE = "/v1/charge-points/RDAM-1/connectors/1/composite-schedule?duration=3600&ask=true"


async def habit(
    api: Api, operator: TenantRecord, token: str, charge_point: ChargePointId, **habits: Any
) -> None:
    """Let RDAM-1 be of a vendor that has habits."""
    facts = BootFacts(NOW, "Acme", "Duo")
    await api.services.storage.login_batcher.record_boot(operator.id, charge_point, facts)
    stated = {name: {"value": value} for name, value in habits.items()}
    body = {"name": "acme", "vendor": "Acme", "habits": stated}
    assert (await api.call("POST", "/v1/quirk-profiles", token, json=body)).status_code == 201


@pytest.mark.parametrize(("least", "level"), [(0, 0), (1, 1), (4, 4)])
async def test_a_profile_is_installed_at_the_least_level_or_above(
    api: Api,
    operator: TenantRecord,
    token: str,
    charge_point: ChargePointId,
    queued: CommandRecord,
    scripted: ScriptedCommands,
    least: int,
    level: int,
) -> None:
    await habit(api, operator, token, charge_point, least_stack_level=least)
    profile = {**PROFILE, "chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 0}
    number = await store(api, operator, charging_profile=profile)
    answer = await api.call("POST", INSTALL, token, json={"charging_profile_id": number})
    assert answer.status_code == 202, answer.text
    ((action, payload),) = sent(scripted)
    assert (action, payload["csChargingProfiles"]["stackLevel"]) == ("SetChargingProfile", level)
    shown = await api.call("GET", f"/v1/charging-profiles/{number}", token)
    assert shown.json()["charging_profile"]["stackLevel"] == 0, "the stored profile stays as it is"


async def test_the_profiles_of_a_calendar_keep_their_order(
    api: Api,
    operator: TenantRecord,
    token: str,
    charge_point: ChargePointId,
    queued: CommandRecord,
    scripted: ScriptedCommands,
) -> None:
    await habit(api, operator, token, charge_point, least_stack_level=3)
    number = await store(api, operator, calendar=stored_calendar())
    answer = await api.call("POST", INSTALL, token, json={"charging_profile_id": number})
    assert answer.status_code == 202, answer.text
    levels = [payload["csChargingProfiles"]["stackLevel"] for _, payload in sent(scripted)]
    assert min(levels) == 3
    assert len(set(levels)) == len(levels)


@pytest.mark.parametrize(("unit", "asked"), [("W", "W"), ("A", "A"), ("any", "A")])
async def test_the_composite_schedule_is_asked_in_the_unit(
    api: Api,
    operator: TenantRecord,
    token: str,
    charge_point: ChargePointId,
    queued: CommandRecord,
    scripted: ScriptedCommands,
    unit: str,
    asked: str,
) -> None:
    await habit(api, operator, token, charge_point, composite_schedule_unit=unit)
    scripted.final = queued
    answer = await api.call("GET", COMPOSITE, token)
    assert answer.status_code in (200, 202), answer.text
    (issued,) = scripted.issued
    assert orjson.loads(issued.payload_text)["chargingRateUnit"] == asked
