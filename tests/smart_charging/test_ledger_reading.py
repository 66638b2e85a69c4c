"""The ledger behind real commands: every way a profile goes out counts once, in the order of sending."""

import json
from datetime import timedelta
from typing import Any

import pytest

from app.settings import Settings
from app.smart_charging.ledger_reading import load_ledger
from app.smart_charging.profile_ledger import ProfileLedger
from app.smart_charging.store import ProfileCommandStore
from app.transactions.records import TransactionStart, TransactionStop
from tests.support.cluster import Cluster, received
from tests.support.workers import Charger, accept, silence

SCHEDULE = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}]}


def profile(number: int, purpose: str = "TxDefaultProfile", level: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "chargingProfileId": number,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": SCHEDULE,
        **more,
    }


async def send(cluster: Cluster, charger: Charger, action: str, payload: dict[str, Any]) -> Any:
    cluster.clock.advance(1)
    return await cluster.issue(cluster.a, charger, action, json.dumps(payload))


async def set_profile(cluster: Cluster, charger: Charger, wanted: dict[str, Any], connector: int = 1) -> Any:
    payload = {"connectorId": connector, "csChargingProfiles": wanted}
    return await send(cluster, charger, "SetChargingProfile", payload)


async def ledger(cluster: Cluster, charger: Charger) -> ProfileLedger:
    await charger.reported()
    async with cluster.database.tenant(cluster.tenant_id) as work:
        return (await load_ledger(work, charger.connection.charge_point_id)).ledger


async def still_read(cluster: Cluster, charger: Charger) -> int:
    """How many commands the ledger is read from."""
    async with cluster.database.tenant(cluster.tenant_id) as work:
        return len(await ProfileCommandStore(work).for_charge_point(charger.connection.charge_point_id))


def numbers(found: ProfileLedger) -> list[list[int]]:
    return sorted([item.charging_profile_id for item in state] for state in found.states)


async def test_raw_commands_feed_it_and_what_they_replace_is_left_out(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.b)
    for number in range(1, 6):
        command = await set_profile(cluster, charger, profile(number))
        await cluster.end(cluster.a, command)
    assert numbers(await ledger(cluster, charger)) == [[5]]
    assert await still_read(cluster, charger) == 1
    await cluster.end(cluster.a, await send(cluster, charger, "ClearChargingProfile", {"id": 5}))
    assert numbers(await ledger(cluster, charger)) == [[]]
    assert await still_read(cluster, charger) == 0


async def test_a_tx_profile_without_a_transaction_replaces_that_of_the_running_one_and_is_replaced(
    cluster: Cluster,
) -> None:
    charger = await cluster.charger(cluster.b)
    now, point = cluster.clock.now(), charger.connection.charge_point_id
    start = TransactionStart(cluster.tenant_id, point, 1, "TAG", now, now, 0)
    named = {"transactionId": (await cluster.storage.ledger.start_transaction(start)).transaction_id}
    rows: list[dict[str, Any]] = [named, {}, named, {}]
    for number, more in enumerate(rows, start=1):
        command = await set_profile(cluster, charger, profile(number, "TxProfile", **more))
        await cluster.end(cluster.a, command)
        assert numbers(await ledger(cluster, charger)) == [[number]]


async def test_the_same_request_under_one_idempotency_key_counts_once(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.b)
    payload = json.dumps({"connectorId": 1, "csChargingProfiles": profile(1)})
    for _ in range(2):
        command = await cluster.issue(
            cluster.a, charger, "SetChargingProfile", payload, idempotency_key="once"
        )
        await cluster.end(cluster.a, command)
    assert len(charger.received) == 1
    assert numbers(await ledger(cluster, charger)) == [[1]]


async def test_a_timeout_leaves_both_until_the_late_answer(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.b, silence)
    await set_profile(cluster, charger, profile(1))
    await received(charger)
    assert numbers(await ledger(cluster, charger)) == [[], [1]]
    cluster.clock.advance(3600)
    charger.expire()
    assert numbers(await ledger(cluster, charger)) == [[], [1]]
    charger.reply(0, {"status": "Accepted"})
    found = await ledger(cluster, charger)
    assert found.certain
    assert numbers(found) == [[1]]


async def test_a_lost_connection_leaves_both_until_something_certain(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.b, silence)
    await set_profile(cluster, charger, profile(1))
    await received(charger)
    await charger.disconnect()
    assert numbers(await ledger(cluster, charger)) == [[], [1]]
    again = await cluster.b.connect(cluster.storage, await cluster.point(charger), accept)
    await cluster.end(cluster.a, await set_profile(cluster, again, profile(1, level=0)))
    assert numbers(await ledger(cluster, again)) == [[1]]
    assert await still_read(cluster, again) == 1


async def test_what_the_reaper_ends_is_unconfirmed_too(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.b, silence)
    await set_profile(cluster, charger, profile(1))
    await received(charger)
    await charger.reported()
    charger.vanish()
    cluster.clock.advance(3600)
    await cluster.a.reaper.reap()
    async with cluster.database.tenant(cluster.tenant_id) as work:
        found = (await load_ledger(work, charger.connection.charge_point_id)).ledger
    assert numbers(found) == [[], [1]]


async def test_an_unanswered_remote_start_that_led_to_nothing_is_settled(
    cluster: Cluster, settings: Settings
) -> None:
    charger = await cluster.charger(cluster.b, silence)
    payload = {"idTag": "TAG", "connectorId": 1, "chargingProfile": profile(3, "TxProfile")}
    await send(cluster, charger, "RemoteStartTransaction", payload)
    await received(charger)
    cluster.clock.advance(3600)
    charger.expire()
    assert not (await ledger(cluster, charger)).certain
    cluster.clock.advance(settings.remote_start_window_s + 1)
    await cluster.a.reaper.reap()
    assert (await ledger(cluster, charger)).states == ((),)


@pytest.mark.parametrize("status", ["Rejected", "NotSupported"])
async def test_what_is_refused_does_not_limit(cluster: Cluster, status: str) -> None:
    charger = await cluster.charger(cluster.b, lambda *_: {"status": status})
    await cluster.end(cluster.a, await set_profile(cluster, charger, profile(1)))
    found = await ledger(cluster, charger)
    assert numbers(found) == [[]]
    assert len(found.refused) == 1


async def test_the_profile_of_a_remote_start_lives_as_long_as_its_transaction(cluster: Cluster) -> None:
    charger = await cluster.charger(cluster.b)
    payload = {"idTag": "TAG", "connectorId": 1, "chargingProfile": profile(3, "TxProfile")}
    await cluster.end(cluster.a, await send(cluster, charger, "RemoteStartTransaction", payload))
    ((item,),) = (await ledger(cluster, charger)).states
    assert item.waiting
    now, point = cluster.clock.now(), charger.connection.charge_point_id
    start = TransactionStart(cluster.tenant_id, point, 1, "TAG", now, now, 0)
    started = await cluster.storage.ledger.start_transaction(start)
    ((item,),) = (await ledger(cluster, charger)).states
    assert (item.waiting, item.profile["transactionId"]) == (False, started.transaction_id)
    later = now + timedelta(minutes=5)
    stop = TransactionStop(cluster.tenant_id, point, started.transaction_id, later, later, 10, raw={})
    await cluster.storage.ledger.stop_transaction(stop)
    assert numbers(await ledger(cluster, charger)) == [[]]
