"""Reservations through lost answers, late starts, broken connectors, raw commands and several workers."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.charge_points.service import existing_charge_point
from app.reservations.records import NewReservation, PlaceKey, ReservationFilter
from app.reservations.store import ReservationStore, ReservationSweepStore
from app.reservations.sweeper import ReservationSweeper
from tests.reservations.conftest import ReservationDesk, report, soon, start
from tests.support.asked import charger
from tests.support.gateway import GatewayServer


async def test_a_start_by_another_tag_is_flagged_and_the_reservation_stays(
    server: GatewayServer, desk: ReservationDesk
) -> None:
    async with charger(server, "CP1") as asked:
        await desk.reserve()
        stranger = await start(asked, idTag="OTHER")
        for _ in range(2):
            shown = await desk.swept(1)
            assert (shown["state"], shown["conflicts"]) == ("reserved", [stranger])
        rightful = await start(asked)
        used = await desk.swept(1)
    assert (used["state"], used["transaction_id"], used["conflicts"]) == ("used", rightful, [stranger])


async def test_a_start_that_began_before_does_not_use_it(
    server: GatewayServer, desk: ReservationDesk
) -> None:
    async with charger(server, "CP1") as asked:
        await desk.reserve()
        await start(asked, timestamp=soon(hours=-3))
        await start(asked, timestamp=soon(hours=-2), idTag="OTHER")
        shown = await desk.swept(1)
    assert (shown["state"], shown["conflicts"]) == ("reserved", [])


async def test_a_clock_that_is_behind_is_taken_into_account(
    server: GatewayServer, desk: ReservationDesk
) -> None:
    async with charger(server, "CP1") as asked:
        body = {"connectorId": 1, "status": "Available", "errorCode": "NoError", "timestamp": soon(hours=-5)}
        await asked.call("StatusNotification", body)
        await asked.client.close()
    async with charger(server, "CP1") as asked:
        await desk.reserve()
        transaction_id = await start(asked, timestamp=soon(hours=-5, seconds=1), reservationId=1)
        used = await desk.swept(1)
    assert (used["state"], used["transaction_id"]) == ("used", transaction_id)


async def test_a_retry_of_the_start_uses_nothing_else(server: GatewayServer, desk: ReservationDesk) -> None:
    async with charger(server, "CP1") as asked:
        await desk.reserve()
        at = soon()
        transaction_id = await start(asked, timestamp=at)
        assert (await desk.swept(1))["transaction_id"] == transaction_id
        await desk.reserve()
        assert await start(asked, timestamp=at) == transaction_id
        assert (await desk.swept(2))["state"] == "reserved"


async def test_a_start_that_comes_after_the_expiry_settles_it(
    server: GatewayServer, desk: ReservationDesk
) -> None:
    async with charger(server, "CP1") as asked:
        await desk.reserve(expires_at=soon(seconds=0.5))
        began = soon()

        async def is_over() -> Any:
            return True if (await desk.swept(1))["state"] == "expired" else None

        await desk.until(is_over)
        transaction_id = await start(asked, timestamp=began, reservationId=1)
    (known,) = await reservations(server)
    place = PlaceKey(server.tenant.id, known.charge_point_id)
    await server.app.state.services.get(ReservationSweeper).look_at(place)
    used = await desk.get(1)
    assert (used["state"], used["transaction_id"]) == ("used", transaction_id)


async def test_a_fault_ends_it(server: GatewayServer, desk: ReservationDesk) -> None:
    async with charger(server, "CP1") as asked:
        await report(asked, "Faulted", 2)
        await desk.reserve(connector_id=2)
        assert (await desk.swept(1))["state"] == "reserved"
        await report(asked, "Unavailable", 1)
        assert (await desk.swept(1))["state"] == "reserved"
        await report(asked, "Faulted", 2)
        shown = await desk.swept(1)
        assert (shown["state"], shown["reason"]) == ("cancelled", "faulted")
        await desk.reserve(connector_id=1)
        await report(asked, "Unavailable", 0)
        assert (await desk.swept(2))["reason"] == "unavailable"


def silent(action: str, payload: dict[str, Any]) -> dict[str, Any] | None:
    """Answer nothing to ReserveNow."""
    return None if action == "ReserveNow" else {"status": "Rejected"}


async def in_doubt(server: GatewayServer, desk: ReservationDesk) -> None:
    """Lose the answer to a ReserveNow."""
    async with charger(server, "CP1", silent) as asked:
        made = await desk.reserve(wait=0)
        assert made["state"] == "requested"
        await asked.until(1)

    async def is_unknown() -> Any:
        shown = await desk.get(1)
        return shown if shown["state"] == "unknown" else None

    assert (await desk.until(is_unknown))["reason"] == "no_answer"


@pytest.mark.slow
async def test_a_late_answer_settles_it(server: GatewayServer, desk: ReservationDesk) -> None:
    async with charger(server, "CP1", silent) as asked:
        body = {"connector_id": 1, "id_tag": "TAG", "expires_at": soon(hours=1)}
        path = "/charge-points/CP1/reservations?wait=20&timeout_s=1"
        made = await desk.call("POST", path, 201, json=body)
        assert (made["state"], made["reason"]) == ("unknown", "no_answer")
        asked.answer(0, {"status": "Accepted"})

        async def is_reserved() -> Any:
            shown = await desk.get(1)
            return shown if shown["state"] == "reserved" else None

        assert (await desk.until(is_reserved))["status"] == "Accepted"


async def test_a_lost_answer_is_settled_by_a_start(server: GatewayServer, desk: ReservationDesk) -> None:
    await in_doubt(server, desk)
    async with charger(server, "CP1") as asked:
        await start(asked, reservationId=1)
        assert (await desk.swept(1))["state"] == "used"


async def test_a_lost_answer_is_settled_by_the_status(server: GatewayServer, desk: ReservationDesk) -> None:
    await in_doubt(server, desk)
    async with charger(server, "CP1") as asked:
        await report(asked, "Reserved")
        shown = await desk.swept(1)
    assert (shown["state"], shown["reason"]) == ("reserved", "status_reserved")


async def test_a_lost_answer_is_settled_by_cancelling(server: GatewayServer, desk: ReservationDesk) -> None:
    await in_doubt(server, desk)
    async with charger(server, "CP1", silent):
        assert (await desk.cancel(1))["state"] == "rejected"
    shown = await desk.get(1)
    assert (shown["state"], shown["reason"]) == ("rejected", "unknown_to_charge_point")


async def test_a_reservation_is_changed_by_the_same_number(
    server: GatewayServer, desk: ReservationDesk
) -> None:
    async with charger(server, "CP1") as asked:
        await desk.reserve()
        later = soon(hours=2)
        path = "/charge-points/CP1/reservations/1?wait=20"
        changed = await desk.call("PATCH", path, json={"expires_at": later, "connector_id": 2})
        assert (changed["reservation_id"], changed["connector_id"], changed["state"]) == (1, 2, "reserved")
        assert [payload["reservationId"] for _, payload in asked.asked] == [1, 1]
    rows = (await desk.call("GET", "/reservations"))["items"]
    assert [(row["state"], row["reason"]) for row in rows] == [("reserved", None), ("cancelled", "replaced")]
    await desk.call("PATCH", "/charge-points/CP1/reservations/9", 404, json={"connector_id": 2})


async def test_a_refused_change_leaves_the_reservation(server: GatewayServer, desk: ReservationDesk) -> None:
    answers = ["Accepted", "Occupied"]
    async with charger(server, "CP1", lambda action, payload: {"status": answers.pop(0)}):
        await desk.reserve()
        path = "/charge-points/CP1/reservations/1?wait=20"
        refused = await desk.call("PATCH", path, json={"connector_id": 2})
        assert (refused["state"], refused["status"]) == ("rejected", "Occupied")
    shown = await desk.get(1)
    assert (shown["state"], shown["connector_id"]) == ("reserved", 1)


async def test_a_raw_command_makes_a_reservation_too(server: GatewayServer, desk: ReservationDesk) -> None:
    raw = {"connectorId": 2, "idTag": "WALK-IN", "expiryDate": soon(hours=1), "reservationId": 77}
    async with charger(server, "CP1") as asked:
        command = await desk.command("CP1", "ReserveNow", raw)
        shown = await desk.get(77)
        assert (shown["state"], shown["origin"], shown["command_id"]) == (
            "reserved",
            "command",
            command["id"],
        )
        # Our numbers go their own way.
        assert (await desk.reserve())["reservation_id"] == 1
        await start(asked, connectorId=2, idTag="WALK-IN")
        assert (await desk.swept(77))["state"] == "used"


async def test_an_offline_charge_point_has_no_reservation(
    server: GatewayServer, desk: ReservationDesk
) -> None:
    made = await desk.reserve()
    assert (made["state"], made["reason"], made["status"]) == ("rejected", "offline", None)


async def reservations(server: GatewayServer) -> Any:
    async with server.database.tenant(server.tenant.id) as work:
        return [row.record for row in await ReservationStore(work).page(50, None, ReservationFilter())]


async def test_a_request_that_was_never_sent_is_settled(server: GatewayServer, desk: ReservationDesk) -> None:
    async with server.database.tenant(server.tenant.id) as work:
        point = await existing_charge_point(work, "CP1")
        # The worker died between the record and the command.
        await ReservationStore(work).create(
            NewReservation(
                point.id,
                5,
                1,
                "TAG",
                None,
                datetime.now(UTC) + timedelta(hours=1),
                datetime.now(UTC) - timedelta(minutes=2),
                "key:test",
            )
        )
    shown = await desk.swept(5)
    assert (shown["state"], shown["reason"]) == ("rejected", "not_sent")


async def test_two_workers_end_it_once(server: GatewayServer, desk: ReservationDesk) -> None:
    parts = server.services
    sweepers = [ReservationSweeper(server.database, parts.clock, server.settings) for _ in range(4)]
    async with charger(server, "CP1") as asked:
        await desk.reserve()
        await desk.reserve(connector_id=0)
        transaction_id = await start(asked)
        await asyncio.gather(*(sweeper.sweep() for sweeper in sweepers))
        first, second = await desk.get(1), await desk.get(2)
    assert (first["state"], first["transaction_id"]) == ("used", transaction_id)
    assert (second["state"], second["transaction_id"]) == ("reserved", None)


async def test_a_start_that_can_use_nothing_is_not_looked_at_again_and_again(
    server: GatewayServer, desk: ReservationDesk
) -> None:
    async with charger(server, "CP1") as asked:
        await desk.reserve()
        await start(asked, reservationId=99)
        async with server.database.platform() as work:
            before = PlaceKey(server.tenant.id, 0)
            places = await ReservationSweepStore(work).places_with_starts(1000, before)
    assert [place for place in places if place.tenant_id == server.tenant.id] == []


async def test_places_that_stay_do_not_keep_others_from_their_look(
    server: GatewayServer, desk: ReservationDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeper = server.app.state.services.get(ReservationSweeper)
    looked: set[PlaceKey] = set()

    async def look_at(self: ReservationSweeper, place: PlaceKey) -> None:
        # It settles nothing.
        looked.add(place)

    # First of all, because the sweeper of the server runs, too.
    monkeypatch.setattr(ReservationSweeper, "look_at", look_at)
    monkeypatch.setattr("app.reservations.sweeper._BATCH", 1)
    points = []
    for identity in ("CP1", "CP2"):
        if identity != "CP1":
            await server.register(identity)
        async with charger(server, identity) as asked:
            body = {"connector_id": 1, "id_tag": "TAG", "expires_at": soon(hours=1)}
            await desk.call("POST", f"/charge-points/{identity}/reservations?wait=20", 201, json=body)
            await start(asked)
        async with server.database.tenant(server.tenant.id) as work:
            points.append((await existing_charge_point(work, identity)).id)
    expected = {PlaceKey(server.tenant.id, point) for point in points}
    for _ in range(50):
        await sweeper.sweep()
        if expected <= looked:
            break
    assert expected <= looked
