"""The cases of the OCPP compliance test about local authorization lists, on a real socket."""

from typing import Any

import pytest

from tests.local_lists.conftest import ListDesk, ListKeeper, store_tags
from tests.support.asked import AskedCharger, charger
from tests.support.gateway import GatewayServer

FULL = {
    "listVersion": 1,
    "updateType": "Full",
    "localAuthorizationList": [
        {"idTag": "A", "idTagInfo": {"status": "Accepted"}},
        {"idTag": "B", "idTagInfo": {"status": "Blocked"}},
    ],
}
FOR_ALL = {"name": "fleet", "all_id_tags": True, "selector": {}}


def sent(asked: AskedCharger) -> list[dict[str, Any]]:
    return [payload for action, payload in asked.asked if action == "SendLocalList"]


def short(payload: dict[str, Any]) -> tuple[str, int, list[str]]:
    entries = payload["localAuthorizationList"]
    names = [entry["idTag"] if "idTagInfo" in entry else f"-{entry['idTag']}" for entry in entries]
    return payload["updateType"], payload["listVersion"], names


@pytest.mark.parametrize("version", [0, 7])
async def test_tc_042_2_the_version_of_a_list_is_asked_for(
    server: GatewayServer, desk: ListDesk, version: int
) -> None:
    await server.register("CP1")
    async with charger(server, "CP1", ListKeeper(version)):
        command = await desk.command("CP1", "GetLocalListVersion", {})
        assert command["result"] == {"listVersion": version}
        assert (await desk.call("GET", f"/commands/{command['id']}"))["effect"] == {
            "observed": "local_list_version",
            "listVersion": version,
        }
        shown = await desk.list_of("CP1")
    assert (shown["reported_version"], shown["known_version"]) == (version, version)
    assert (shown["state"], shown["known_entries"]) == ("unmanaged", 0 if version == 0 else None)


async def test_tc_042_1_a_charge_point_without_a_list_is_sent_none(
    server: GatewayServer, desk: ListDesk
) -> None:
    await server.register("CP1")
    await store_tags(server, "A")
    async with charger(server, "CP1", ListKeeper(-1)) as asked:
        await desk.call("POST", "/local-lists", 201, json=FOR_ALL)
        shown = await desk.until("CP1", "unsupported")
        assert shown["reported_version"] == -1
        assert sent(asked) == []


async def test_tc_043_1_a_list_is_not_supported(server: GatewayServer, desk: ListDesk) -> None:
    await server.register("CP1")
    await store_tags(server, "A")
    keeper = ListKeeper()
    keeper.answers = ["NotSupported"]
    async with charger(server, "CP1", keeper) as asked:
        await desk.call("POST", "/local-lists", 201, json=FOR_ALL)
        shown = await desk.until("CP1", "unsupported")
        assert (shown["status"], len(sent(asked))) == ("NotSupported", 1)


async def test_tc_043_4_a_full_list_is_sent_by_an_operator(server: GatewayServer, desk: ListDesk) -> None:
    await server.register("CP1")
    async with charger(server, "CP1", ListKeeper()) as asked:
        for _ in range(2):
            # Operators do send the same version again: it is not refused.
            command = await desk.command("CP1", "SendLocalList", FULL)
            assert command["result"] == {"status": "Accepted"}
        shown = await desk.list_of("CP1")
        assert (shown["known_version"], shown["known_entries"], shown["state"]) == (1, 2, "unmanaged")
        assert shown["last_sent"]["command_id"] == command["id"]
        again = await desk.call("GET", f"/commands/{command['id']}")
        assert again["effect"] == {"observed": "local_list_updated", "listVersion": 1}
        assert len(sent(asked)) == 2
        without_info = {**FULL, "localAuthorizationList": [{"idTag": "A"}]}
        path = "/charge-points/CP1/commands/SendLocalList"
        await desk.call("POST", path, 422, json=without_info)
        for reserved in (0, -1):
            await desk.call("POST", path, 422, json={**FULL, "listVersion": reserved})
        assert len(sent(asked)) == 2


async def test_tc_043_4_a_full_list_goes_out_in_parts_with_status_info_of_each_entry(
    server: GatewayServer, desk: ListDesk
) -> None:
    await server.register("CP1")
    await store_tags(server, "A", "B", parent_id_tag="FLEET")
    await store_tags(server, "C", status="Blocked")
    keeper = ListKeeper(9, {"SendLocalListMaxLength": "2", "LocalAuthListMaxLength": "3"})
    async with charger(server, "CP1", keeper) as asked:
        await desk.call("POST", "/local-lists", 201, json=FOR_ALL)
        shown = await desk.until("CP1", "in_sync")
        first, second = sent(asked)
    assert (short(first), short(second)) == (("Full", 10, ["A", "B"]), ("Differential", 11, ["C"]))
    infos = [entry["idTagInfo"] for entry in first["localAuthorizationList"]]
    assert infos == [{"status": "Accepted", "parentIdTag": "FLEET"}] * 2
    assert (shown["known_version"], shown["desired_version"], shown["differences"]) == (11, 11, [])
    assert shown["last_sent"]["update_type"] == "Differential"


async def test_tc_043_5_a_change_goes_out_as_a_differential(server: GatewayServer, desk: ListDesk) -> None:
    await server.register("CP1")
    await store_tags(server, "A", "B", "C")
    keeper = ListKeeper()
    async with charger(server, "CP1", keeper) as asked:
        await desk.call("POST", "/local-lists", 201, json=FOR_ALL)
        await desk.until("CP1", "in_sync")
        await desk.call("PATCH", "/id-tags/B", json={"status": "Blocked"})
        await desk.call("DELETE", "/id-tags/A", 204)
        assert (await desk.list_of("CP1"))["state"] == "pending"
        await desk.until("CP1", "in_sync")
        assert [short(payload) for payload in sent(asked)] == [
            ("Full", 1, ["A", "B", "C"]),
            ("Differential", 2, ["-A", "B"]),
        ]
        command = await desk.call("GET", "/commands?action=SendLocalList")
        assert command["items"][0]["issued_by"] == "local-list-sync"
    assert {key: entry["idTagInfo"]["status"] for key, entry in keeper.content.items()} == {
        "b": "Blocked",
        "c": "Accepted",
    }


@pytest.mark.parametrize("answer", ["Failed", "VersionMismatch"])
async def test_tc_043_5_a_refused_differential_is_followed_by_a_full_list(
    server: GatewayServer, desk: ListDesk, answer: str
) -> None:
    await server.register("CP1")
    await store_tags(server, "A", "B")
    keeper = ListKeeper()
    async with charger(server, "CP1", keeper) as asked:
        await desk.call("POST", "/local-lists", 201, json=FOR_ALL)
        await desk.until("CP1", "in_sync")
        keeper.answers = [answer]
        await desk.call("PATCH", "/id-tags/B", json={"status": "Blocked"})
        await desk.until("CP1", "pending")
        await desk.until("CP1", "in_sync")
        assert [short(payload) for payload in sent(asked)][1:] == [
            ("Differential", 2, ["B"]),
            ("Full", 3, ["A", "B"]),
        ]


async def test_tc_043_3_a_full_list_that_fails_is_shown_and_waits(
    server: GatewayServer, desk: ListDesk
) -> None:
    await server.register("CP1")
    await store_tags(server, "A")
    keeper = ListKeeper()
    keeper.answers = ["Failed"]
    async with charger(server, "CP1", keeper) as asked:
        await desk.call("POST", "/local-lists", 201, json=FOR_ALL)
        shown = await desk.until("CP1", "failed")
        assert (shown["status"], shown["last_sent"]["status"]) == ("Failed", "Failed")
        await desk.call("POST", "/charge-points/CP1/local-list/sync", 202)
        await desk.until("CP1", "in_sync")
        assert [short(payload)[:2] for payload in sent(asked)] == [("Full", 1), ("Full", 2)]
