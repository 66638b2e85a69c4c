"""The cases of the OCPP compliance test about reservations, on a real socket."""

from typing import Any

from tests.reservations.conftest import ReservationDesk, report, soon, start
from tests.support.asked import Answering, charger
from tests.support.gateway import GatewayServer


def answer(status: str) -> Answering:
    """Answer ReserveNow and CancelReservation with a status."""

    def answering(action: str, payload: dict[str, Any]) -> dict[str, Any]:
        return {"status": status if action in ("ReserveNow", "CancelReservation") else "Accepted"}

    return answering


async def test_tc_046_a_reservation_is_used_by_its_tag(server: GatewayServer, desk: ReservationDesk) -> None:
    async with charger(server, "CP1") as asked:
        made = await desk.reserve()
        assert (made["state"], made["status"], made["reservation_id"]) == ("reserved", "Accepted", 1)
        ((action, payload),) = asked.asked
        expiry = payload.pop("expiryDate")
        assert expiry == made["expires_at"]
        assert (action, payload) == (
            "ReserveNow",
            {"connectorId": 1, "idTag": "TAG", "parentIdTag": "FLEET", "reservationId": 1},
        )
        await report(asked, "Reserved")
        assert (await desk.get(1))["connector_status"] == "Reserved"
        transaction_id = await start(asked, reservationId=1)
        used = await desk.swept(1)
    assert (used["state"], used["transaction_id"], used["conflicts"]) == ("used", transaction_id, [])
    assert used["ended_at"] is not None
    command = await desk.call("GET", f"/commands/{made['command_id']}")
    assert command["effect"] == {
        "observed": "reservation_used",
        "reservationId": 1,
        "transactionId": transaction_id,
    }


async def test_tc_047_a_reservation_expires(server: GatewayServer, desk: ReservationDesk) -> None:
    async with charger(server, "CP1") as asked:
        made = await desk.reserve(expires_at=soon(seconds=0.5))

        async def is_over() -> Any:
            shown = await desk.swept(made["reservation_id"])
            return shown if shown["state"] != "reserved" else None

        shown = await desk.until(is_over)
        assert (shown["state"], shown["ended_at"]) == ("expired", made["expires_at"])
        await start(asked, idTag="OTHER")
        assert (await desk.swept(1))["conflicts"] == []


async def refused(server: GatewayServer, desk: ReservationDesk, status: str) -> None:
    async with charger(server, "CP1", answer(status)):
        made = await desk.reserve()
    assert (made["state"], made["status"], made["reason"]) == ("rejected", status, status.lower())
    command = await desk.call("GET", f"/commands/{made['command_id']}")
    assert command["effect"] == {"observed": "reservation_refused", "reservationId": 1}


async def test_tc_048_1_a_reservation_is_refused_as_faulted(
    server: GatewayServer, desk: ReservationDesk
) -> None:
    await refused(server, desk, "Faulted")


async def test_tc_048_2_a_reservation_is_refused_as_occupied(
    server: GatewayServer, desk: ReservationDesk
) -> None:
    await refused(server, desk, "Occupied")


async def test_tc_048_3_a_reservation_is_refused_as_unavailable(
    server: GatewayServer, desk: ReservationDesk
) -> None:
    await refused(server, desk, "Unavailable")


async def test_tc_048_4_a_reservation_is_refused_as_rejected(
    server: GatewayServer, desk: ReservationDesk
) -> None:
    await refused(server, desk, "Rejected")


async def test_tc_049_connector_zero_is_used_on_any_connector(
    server: GatewayServer, desk: ReservationDesk
) -> None:
    async with charger(server, "CP1") as asked:
        await desk.reserve(connector_id=0)
        assert asked.asked[0][1]["connectorId"] == 0
        await start(asked, connectorId=1, idTag="OTHER")
        assert ((await desk.swept(1))["state"], (await desk.get(1))["conflicts"]) == ("reserved", [])
        transaction_id = await start(asked, connectorId=2)
        used = await desk.swept(1)
    assert (used["state"], used["transaction_id"]) == ("used", transaction_id)


async def test_tc_051_a_reservation_is_cancelled(server: GatewayServer, desk: ReservationDesk) -> None:
    async with charger(server, "CP1") as asked:
        await desk.reserve()
        command = await desk.cancel(1)
        assert asked.asked[-1] == ("CancelReservation", {"reservationId": 1})
    assert command["state"] == "accepted"
    shown = await desk.get(1)
    assert (shown["state"], shown["reason"]) == ("cancelled", "cancelled")
    told = await desk.call("GET", f"/commands/{command['id']}")
    assert told["effect"] == {"observed": "reservation_cancelled", "reservationId": 1}


async def test_tc_052_cancelling_an_unknown_id_still_goes_out(
    server: GatewayServer, desk: ReservationDesk
) -> None:
    async with charger(server, "CP1", answer("Rejected")) as asked:
        command = await desk.cancel(4711)
        assert asked.asked == [("CancelReservation", {"reservationId": 4711})]
    assert (command["state"], command["result"]) == ("rejected", {"status": "Rejected"})
    told = await desk.call("GET", f"/commands/{command['id']}")
    assert told["effect"] == {"observed": "reservation_not_found", "reservationId": 4711}
    await desk.call("GET", "/charge-points/CP1/reservations/4711", 404)


async def test_tc_053_a_start_by_a_tag_of_the_same_parent_uses_it(
    server: GatewayServer, desk: ReservationDesk
) -> None:
    async with charger(server, "CP1") as asked:
        await desk.reserve()
        transaction_id = await start(asked, idTag="sibling")
        used = await desk.swept(1)
    assert (used["state"], used["transaction_id"]) == ("used", transaction_id)
