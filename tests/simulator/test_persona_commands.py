"""Personas whose bad habits show in answers to commands, on the real server."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import GatewayServer
from tests.support.simulated import simulating

pytestmark = pytest.mark.slow


def profile(stack_level: int, unit: str = "W") -> dict[str, Any]:
    return {
        "chargingProfileId": 10 + stack_level,
        "stackLevel": stack_level,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 5000.0}],
        },
    }


async def test_a_configuration_that_is_cut_off_does_not_hold_up_the_next_command(
    server: GatewayServer, tmp_path: Path
) -> None:
    async with simulating(server, tmp_path, persona="grizzl-e-smart") as simulation:
        cut = await simulation.command("GetConfiguration", {"key": ["HeartbeatInterval"]})
        assert cut["state"] != "accepted"
        assert (await simulation.command("ClearCache", {}))["state"] == "accepted"


async def test_a_silent_charge_point_answers_by_names(server: GatewayServer, tmp_path: Path) -> None:
    async with simulating(server, tmp_path, persona="duosida-mode3") as simulation:
        path = f"{simulation.path}/commands/GetConfiguration"
        silent = await simulation.operator.post(path, {})
        await simulation.until(lambda: simulation.fleet.statistics.commands["GetConfiguration"] == 1)
        assert (await simulation.operator.get(f"/commands/{silent['id']}"))["result"] is None


async def test_a_profile_of_level_0_stays(server: GatewayServer, tmp_path: Path) -> None:
    async with simulating(server, tmp_path, persona="go-e") as simulation:
        for level in (0, 1):
            request = {"connectorId": 1, "csChargingProfiles": profile(level)}
            assert (await simulation.command("SetChargingProfile", request))["state"] == "accepted"
        low = await simulation.command("ClearChargingProfile", {"id": 10})
        high = await simulation.command("ClearChargingProfile", {"id": 11})
        assert (low["result"]["status"], high["result"]["status"]) == ("Unknown", "Accepted")


async def test_limits_in_amperes_are_none(server: GatewayServer, tmp_path: Path) -> None:
    async with simulating(server, tmp_path, persona="microocpp") as simulation:
        request = {"connectorId": 1, "duration": 60, "chargingRateUnit": "A"}
        shown = await simulation.command("GetCompositeSchedule", request)
        [period] = shown["result"]["chargingSchedule"]["chargingSchedulePeriod"]
        assert period["limit"] == -1


async def test_a_trigger_needs_a_connector(server: GatewayServer, tmp_path: Path) -> None:
    async with simulating(server, tmp_path, persona="abl-emh2") as simulation:
        trigger: dict[str, Any] = {"requestedMessage": "MeterValues"}
        assert (await simulation.command("TriggerMessage", trigger))["state"] == "rejected"
        trigger["connectorId"] = 1
        assert (await simulation.command("TriggerMessage", trigger))["state"] == "accepted"
