"""A simulated charge point answers every command of the protocol, and sends every message."""

from pathlib import Path
from typing import Any

import pytest

from app.ocpp import messages_of
from tests.support.catalog import load_described_catalog
from tests.support.gateway import GatewayServer
from tests.support.protocol import OCPP16
from tests.support.simulated import simulating

pytestmark = pytest.mark.slow

COMMANDS = [message["action"] for message in messages_of(OCPP16, "central_system")]
MESSAGES = {message["action"] for message in messages_of(OCPP16, "charge_point")}
# The examples of these need something that is there, or end the run.
_OWN: dict[str, dict[str, Any]] = {
    "ChangeConfiguration": {"key": "HeartbeatInterval", "value": "600"},
    "ExtendedTriggerMessage": {"requestedMessage": "LogStatusNotification"},
    "GetDiagnostics": {"location": "ftp://files.example.com/logs"},
    "GetLog": {"logType": "SecurityLog", "requestId": 1, "log": {"remoteLocation": "ftp://a.example/"}},
    "Reset": {"type": "Soft"},
    "SendLocalList": {"listVersion": 1, "updateType": "Full", "localAuthorizationList": []},
    "UpdateFirmware": {
        "location": "ftp://files.example.com/f-1.0.bin",
        "retrieveDate": "2026-01-01T00:00:00Z",
    },
}


def example_of(action: str) -> Any:
    catalog = load_described_catalog().protocols["ocpp-16j"]
    return catalog.message(action).examples.request


async def test_each_command_gets_a_result(server: GatewayServer, tmp_path: Path) -> None:
    assert len(COMMANDS) == 26
    async with simulating(server, tmp_path) as simulation:
        for action in sorted(COMMANDS, key=lambda name: name == "Reset"):
            payload = _OWN.get(action) or example_of(action)
            command = await simulation.command(action, payload)
            assert command["result"] is not None, (action, command)
            assert command["error"] is None, (action, command)
        assert set(simulation.fleet.statistics.commands) == set(COMMANDS)
