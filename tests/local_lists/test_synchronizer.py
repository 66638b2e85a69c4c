"""Lists are kept in step through lost answers, changes by others, restarts, and several workers."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.local_lists.records import InFlight, ListUpdate
from app.local_lists.store import ListStateStore, ListSweepStore, LocalListStore
from app.local_lists.synchronizer import ListSynchronizer
from app.metrics import LIMITS_HIT
from app.types import ChargePointKey
from tests.local_lists.conftest import ListDesk, ListKeeper, store_tags
from tests.support.asked import charger
from tests.support.gateway import GatewayServer
from tests.support.live import connection

FOR_ALL = {"name": "fleet", "all_id_tags": True, "selector": {}}


def updates(asked: Any) -> list[tuple[str, int, int]]:
    """Return the updates that were sent: kind, version, number of entries."""
    return [
        (payload["updateType"], payload["listVersion"], len(payload["localAuthorizationList"]))
        for action, payload in asked.asked
        if action == "SendLocalList"
    ]


async def test_another_system_has_changed_the_list(server: GatewayServer, desk: ListDesk) -> None:
    await server.register("CP1")
    await store_tags(server, "A")
    keeper = ListKeeper()
    await desk.call("POST", "/local-lists", 201, json=FOR_ALL)
    async with charger(server, "CP1", keeper):
        await desk.until("CP1", "in_sync")
    keeper.version, keeper.content = 40, {}
    async with charger(server, "CP1", keeper) as back:
        await desk.until("CP1", "drifted")
        shown = await desk.until("CP1", "in_sync")
        assert updates(back) == [("Full", 41, 1)]
        assert (shown["reported_version"], shown["known_version"]) == (40, 41)


@pytest.mark.slow
async def test_a_login_with_the_same_version_sends_nothing(server: GatewayServer, desk: ListDesk) -> None:
    await server.register("CP1")
    await store_tags(server, "A")
    keeper = ListKeeper()
    await desk.call("POST", "/local-lists", 201, json=FOR_ALL)
    async with charger(server, "CP1", keeper):
        await desk.until("CP1", "in_sync")
    async with charger(server, "CP1", keeper) as back:

        async def is_asked() -> bool | None:
            return "GetLocalListVersion" in back.questions or None

        await desk.work(is_asked)
        await desk.until("CP1", "in_sync")
        assert updates(back) == []


async def test_a_raw_command_on_a_managed_list_is_followed_and_put_right(
    server: GatewayServer, desk: ListDesk
) -> None:
    await server.register("CP1")
    await store_tags(server, "A")
    keeper = ListKeeper()
    async with charger(server, "CP1", keeper) as asked:
        await desk.call("POST", "/local-lists", 201, json=FOR_ALL)
        await desk.until("CP1", "in_sync")
        await desk.call("PATCH", "/charge-points/CP1/local-list", json={"sync": False})
        raw = {"listVersion": 5, "updateType": "Differential", "localAuthorizationList": [{"idTag": "a"}]}
        await desk.command("CP1", "SendLocalList", raw)
        shown = await desk.list_of("CP1")
        assert (shown["state"], shown["known_version"], shown["known_entries"]) == ("off", 5, 0)
        assert shown["differences"] == [{"id_tag": "A", "kind": "missing"}]
        await desk.call("POST", "/charge-points/CP1/local-list/sync", 409)
        await desk.call("PATCH", "/charge-points/CP1/local-list", json={"sync": True})
        await desk.until("CP1", "in_sync")
        assert updates(asked)[-1] == ("Full", 6, 1)


async def test_a_lost_answer_is_settled_by_the_version(server: GatewayServer, desk: ListDesk) -> None:
    await server.register("CP1")
    await store_tags(server, "A")
    keeper = ListKeeper()
    keeper.answers = [None]
    await desk.call("POST", "/local-lists", 201, json=FOR_ALL)
    async with charger(server, "CP1", keeper) as asked:

        async def is_sent() -> bool | None:
            return "SendLocalList" in asked.questions or None

        await desk.work(is_sent)
    # The socket is gone, and the charge point has stored the list.
    async with charger(server, "CP1", keeper) as back:
        shown = await desk.until("CP1", "in_sync")
        assert updates(back) == []
        assert shown["known_version"] == 1


async def test_unknown_limits_are_asked_for_once(server: GatewayServer, desk: ListDesk) -> None:
    await server.register("CP1")
    await store_tags(server, *[f"T{number:02}" for number in range(25)])
    async with charger(server, "CP1", ListKeeper(limits={})) as asked:
        await desk.call("POST", "/local-lists", 201, json=FOR_ALL)
        await desk.until("CP1", "in_sync")
        assert asked.questions.count("GetConfiguration") == 1
        assert asked.asked[0][1] == {
            "key": ["LocalAuthListEnabled", "LocalAuthListMaxLength", "SendLocalListMaxLength"]
        }
        assert updates(asked) == [("Full", 1, 20), ("Differential", 2, 5)]


async def test_a_list_that_is_too_long_is_not_sent(server: GatewayServer, desk: ListDesk) -> None:
    await server.register("CP1")
    await store_tags(server, "A", "B", "C" * 21)
    keeper = ListKeeper(limits={"SendLocalListMaxLength": "5", "LocalAuthListMaxLength": "1"})
    async with charger(server, "CP1", keeper) as asked:
        await desk.call("POST", "/local-lists", 201, json=FOR_ALL)
        shown = await desk.until("CP1", "failed")
        assert shown["reason"] == "the list has 2 entries, and the charge point gets 1"
        assert shown["left_out"] == ["C" * 21]
        assert updates(asked) == []
        await desk.call("PATCH", "/local-lists/fleet", json={"all_id_tags": False, "id_tags": ["B"]})
        await desk.until("CP1", "in_sync")
        assert updates(asked) == [("Full", 1, 1)]


async def test_a_list_for_named_charge_points_and_groups(server: GatewayServer, desk: ListDesk) -> None:
    for identity in ("CP1", "CP2"):
        await server.register(identity)
    await store_tags(server, "A", "B", parent_id_tag="FLEET")
    await store_tags(server, "FLEET", "C")
    body = {"name": "pool", "groups": ["fleet"], "selector": {"identities": ["CP1"]}}
    keeper = ListKeeper()
    async with charger(server, "CP1", keeper), charger(server, "CP2", ListKeeper()) as other:
        await desk.call("POST", "/local-lists", 201, json=body)
        await desk.until("CP1", "in_sync")
        assert sorted(keeper.content) == ["a", "b"]
        assert (await desk.list_of("CP2"))["state"] == "unmanaged"
        await desk.call("DELETE", "/local-lists/pool", 204)
        assert (await desk.list_of("CP1"))["state"] == "unmanaged"
        assert other.asked == []
    assert sorted(keeper.content) == ["a", "b"]


async def test_two_workers_send_a_list_once(server: GatewayServer, desk: ListDesk) -> None:
    await server.register("CP1")
    await store_tags(server, "A")
    first = server.app.state.services.get(ListSynchronizer)
    parts = server.services
    second = ListSynchronizer(server.database, parts.commands, parts.presence, parts.clock, server.settings)
    async with charger(server, "CP1", ListKeeper()) as asked:
        await desk.call("POST", "/local-lists", 201, json=FOR_ALL)

        async def both() -> Any:
            await asyncio.gather(first.sweep(), second.sweep())
            shown = await desk.list_of("CP1")
            return shown if shown["state"] == "in_sync" else None

        await desk.work(both)
        assert updates(asked) == [("Full", 1, 1)]
        assert asked.questions.count("GetLocalListVersion") == 1


async def test_a_command_of_a_worker_that_died_is_in_doubt(server: GatewayServer, desk: ListDesk) -> None:
    point = await server.register("CP1")
    await store_tags(server, "A")
    keeper = ListKeeper()
    async with charger(server, "CP1", keeper) as asked:
        await desk.call("POST", "/local-lists", 201, json=FOR_ALL)
        await desk.until("CP1", "in_sync")
        gone = ListUpdate(2, False, ({"idTag": "A"},))
        past = datetime.now(UTC) - timedelta(seconds=1)
        async with server.database.tenant(server.tenant.id) as work:
            state = await ListStateStore(work).locked(point.id)
            await ListStateStore(work).put(
                replace(state, in_flight=InFlight("lost", gone, past), check_at=past)
            )
        # The charge point has got it.
        keeper.version, keeper.content = 2, {}
        await desk.until("CP1", "pending")
        await desk.until("CP1", "in_sync")
        assert updates(asked)[1:] == [("Full", 3, 1)]
    assert sorted(keeper.content) == ["a"]


async def test_a_deleted_charge_point_does_not_stop_the_others(server: GatewayServer, desk: ListDesk) -> None:
    point = await server.register("CP1")
    await desk.call("POST", "/local-lists", 201, json=FOR_ALL)
    places = [ChargePointKey(server.tenant.id, 2**40), ChargePointKey(server.tenant.id, point.id)]
    at = datetime(2100, 1, 1, tzinfo=UTC)
    async with server.database.platform() as work:
        await ListSweepStore(work).wake_logins(places, at)
    async with server.database.tenant(server.tenant.id) as tenant_work:
        found = await ListStateStore(tenant_work).get(point.id)
    assert found is not None
    assert found.believed.verify


async def test_the_sweep_can_be_switched_off(server: GatewayServer) -> None:
    parts = server.services
    off = server.settings.model_copy(update={"local_list_sync": False})
    synchronizer = ListSynchronizer(server.database, parts.commands, parts.presence, parts.clock, off)
    synchronizer.start()
    assert not synchronizer.is_running
    synchronizer.logged_in(connection(1))
    assert synchronizer.waiting == 0
    await synchronizer.close()


async def test_logins_beyond_the_limit_are_counted(server: GatewayServer) -> None:
    parts = server.services
    few = server.settings.model_copy(update={"local_list_login_limit": 1})
    synchronizer = ListSynchronizer(server.database, parts.commands, parts.presence, parts.clock, few)
    counter = LIMITS_HIT.labels("local_list_logins")
    before = counter._value.get()
    for number in range(3):
        synchronizer.logged_in(connection(1, charge_point_id=number))
    assert (synchronizer.waiting, counter._value.get() - before) == (1, 2)


async def test_changes_that_never_stop_do_not_put_a_list_off_for_ever(
    server: GatewayServer, desk: ListDesk
) -> None:
    charge_point_id = (await server.register("CP1")).id
    await desk.call("POST", "/local-lists", 201, json=FOR_ALL)
    # In the future, so that the sweep of the server does not take it meanwhile.
    first = datetime.now(UTC) + timedelta(hours=1)
    async with server.database.tenant(server.tenant.id) as work:
        state = await ListStateStore(work).locked(charge_point_id)
        await ListStateStore(work).put(replace(state, check_at=first))
    point = ChargePointKey(server.tenant.id, charge_point_id)
    seen = []
    for seconds in (5, 10):
        at = first + timedelta(seconds=seconds)
        async with server.database.tenant(server.tenant.id) as work:
            await LocalListStore(work).wake([charge_point_id], at)
        async with server.database.platform() as platform:
            await ListSweepStore(platform).wake_logins([point], at)
        async with server.database.tenant(server.tenant.id) as work:
            woken = await ListStateStore(work).get(charge_point_id)
            assert woken is not None
            seen.append(woken.check_at)
    assert seen == [first] * 2


async def test_one_that_did_not_support_lists_is_asked_again_after_a_day(
    server: GatewayServer, desk: ListDesk
) -> None:
    charge_point_id = (await server.register("CP1")).id
    await store_tags(server, "A")
    keeper = ListKeeper()
    keeper.answers = ["NotSupported"]
    await desk.call("POST", "/local-lists", 201, json=FOR_ALL)
    async with charger(server, "CP1", keeper):
        await desk.until("CP1", "unsupported")
    async with server.database.tenant(server.tenant.id) as work:
        store = ListStateStore(work)
        state = await store.locked(charge_point_id)
        long_ago = datetime.now(UTC) - timedelta(days=2)
        await store.put(replace(state, status_at=long_ago, reported_at=long_ago))
    # Its list was switched on meanwhile.
    async with charger(server, "CP1", keeper):
        await desk.until("CP1", "in_sync")
    assert "a" in keeper.content
