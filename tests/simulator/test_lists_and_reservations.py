"""A simulated charge point keeps reservations and a local list that the server sends."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.clock import utc_text
from tests.support.gateway import GatewayServer
from tests.support.simulated import Simulation, simulating

pytestmark = pytest.mark.slow


def later(minutes: float) -> str:
    return utc_text(datetime.now(UTC) + timedelta(minutes=minutes))


async def reserved(simulation: Simulation, minutes: float, **body: Any) -> Any:
    request = {"connector_id": 1, "id_tag": "DRIVER", "expires_at": later(minutes), **body}
    return await simulation.operator.post(f"{simulation.path}/reservations?wait=20", request)


async def test_a_reservation_is_used_by_its_tag_and_by_no_other(
    server: GatewayServer, tmp_path: Path
) -> None:
    async with simulating(server, tmp_path) as simulation:
        for tag in ("DRIVER", "OTHER"):
            await simulation.operator.post("/id-tags", {"id_tag": tag})
        made = await reserved(simulation, 30)
        assert made["state"] == "reserved"
        taken = await reserved(simulation, 30, id_tag="OTHER")
        assert (taken["state"], taken["status"]) == ("rejected", "Occupied")
        other = await simulation.command("RemoteStartTransaction", {"idTag": "OTHER", "connectorId": 1})
        assert other["state"] == "rejected"
        own = await simulation.command("RemoteStartTransaction", {"idTag": "DRIVER", "connectorId": 1})
        assert own["state"] == "accepted"
        path = f"{simulation.path}/reservations/{made['reservation_id']}"
        used = await simulation.until_shown(path, lambda found: found["state"] == "used")
        assert used["transaction_id"] is not None


async def test_a_reservation_is_cancelled_and_another_one_expires(
    server: GatewayServer, tmp_path: Path
) -> None:
    async with simulating(server, tmp_path) as simulation:
        await simulation.operator.post("/id-tags", {"id_tag": "DRIVER"})
        first = await reserved(simulation, 30)
        path = f"{simulation.path}/reservations/{first['reservation_id']}"
        assert (await simulation.operator.delete(f"{path}?wait=20"))["state"] == "accepted"
        await simulation.until_shown(path, lambda found: found["state"] == "cancelled")
        second = await reserved(simulation, 0.02)
        path = f"{simulation.path}/reservations/{second['reservation_id']}"
        await simulation.until_shown(path, lambda found: found["state"] == "expired")
        connector = simulation.charge_point.connectors[0]
        await simulation.until(lambda: connector.status == "Available")


async def test_a_list_is_sent_changed_and_repaired(server: GatewayServer, tmp_path: Path) -> None:
    async with simulating(server, tmp_path) as simulation:
        for number in range(3):
            await simulation.operator.post("/id-tags", {"id_tag": f"L{number}", "parent_id_tag": "G"})
        await simulation.operator.post("/local-lists", {"name": "all", "groups": ["G"], "selector": {}})
        path = f"{simulation.path}/local-list"
        kept = simulation.charge_point.local_list
        await simulation.until_shown(path, lambda found: found["state"] == "in_sync")
        await simulation.until(lambda: set(kept.entries) == {"l0", "l1", "l2"})
        await simulation.operator.patch("/id-tags/L1", {"status": "Blocked"})
        await simulation.until(lambda: kept.entries["l1"]["status"] == "Blocked")
        await simulation.until_shown(path, lambda found: found["state"] == "in_sync")
        before = kept.version
        old = {"listVersion": before, "updateType": "Differential", "localAuthorizationList": []}
        refused = await simulation.command("SendLocalList", old)
        assert refused["result"] == {"status": "VersionMismatch"}
        shown = await simulation.command("GetLocalListVersion", {})
        assert shown["result"]["listVersion"] >= before
