"""The whole exchange: all messages of OCPP 1.6J with its security extension, and each effect over REST."""

from collections.abc import Awaitable, Callable
from typing import Final

from tests.system.clients import charging, devices, keeping, securing
from tests.system.clients.bench import IDENTITY, Bench, Site, Transport
from tests.system.clients.peer import Peer

PARTS: Final[tuple[Callable[[Bench], Awaitable[None]], ...]] = (
    charging.boots,
    charging.charges,
    charging.is_started_and_stopped_remotely,
    charging.is_made_unavailable,
    charging.is_triggered,
    charging.transfers_data,
    keeping.has_configuration,
    keeping.has_a_local_list,
    keeping.is_reserved,
    keeping.has_charging_profiles,
    devices.updates_its_firmware,
    devices.updates_its_firmware_signed,
    devices.uploads_diagnostics,
    devices.uploads_its_log,
    securing.gets_a_certificate,
    securing.has_roots_installed,
    securing.reports_security_events,
    charging.is_reset_unlocked_and_cleared,
)


async def exchange_all(site: Site, peer: Peer, transport: Transport) -> None:
    """Exchange all messages with a charge point, and find each effect.

    Which messages there are is what the catalog says. A message that breaks a schema of the peer's library
    fails the test, in whatever direction it goes.
    """
    bench = Bench(site.operator, peer, 1 if transport == "ws" else 2)
    for part in PARTS:
        await part(bench)
        assert peer.violations == [], part.__name__
    assert len(await _actions(site)) == 39
    assert set(peer.said) == await _actions(site, "cp-to-csms")
    assert {action for action, _ in peer.asked} == await _actions(site, "csms-to-cp")
    counts = await site.operator.get(f"/charge-points/{IDENTITY}/deviations")
    assert counts["items"] == [], "the library keeps to the standard, so nothing was repaired"


async def _actions(site: Site, *direction: str) -> set[str]:
    """Return the actions that the catalog lists; of a direction with those that both sides may send."""
    query = {"direction": direction[0]} if direction else {}
    catalog = await site.operator.get("/protocols/ocpp-16j/messages", **query)
    return {message["action"] for message in catalog["messages"]}
