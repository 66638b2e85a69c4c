"""Reservations over REST: what is refused names the field, lists are filtered, tenants do not meet."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.commands.records import CommandRecord
from app.errors import Conflict, TooManyRequests, Unavailable
from app.id_tags.records import NewIdTag
from app.id_tags.store import IdTagStore
from app.metrics import LIMITS_HIT
from app.reservations.service import ReservationService, ReserveOptions, WantedReservation
from app.tenants.records import TenantRecord
from tests.support.api import Api
from tests.support.scripted_commands import ScriptedCommands

PATH = "/v1/charge-points/RDAM-1/reservations"
BODY = {"connector_id": 1, "id_tag": "TAG", "expires_at": "2026-05-04T09:00:00Z"}


@pytest.fixture(autouse=True)
async def tags(api: Api, operator: TenantRecord) -> None:
    async with api.services.storage.database.tenant(operator.id) as work:
        await IdTagStore(work).create(NewIdTag("TAG", parent_id_tag="FLEET"))
        await IdTagStore(work).create(NewIdTag("GONE", status="Blocked"))
        await IdTagStore(work).create(NewIdTag("LONG-GROUP", parent_id_tag="G" * 20))


async def reserve(api: Api, token: str, status: int = 201, **changes: Any) -> Any:
    answer = await api.call("POST", PATH, token, json={**BODY, **changes})
    assert answer.status_code == status, answer.text
    return answer.json()


async def listed(api: Api, token: str, query: str = "") -> list[Any]:
    answer = await api.call("GET", f"/v1/reservations{query}", token)
    assert answer.status_code == 200, answer.text
    items: list[Any] = answer.json()["items"]
    return items


async def test_the_command_on_the_wire(
    api: Api, token: str, queued: CommandRecord, scripted: ScriptedCommands
) -> None:
    made = await reserve(api, token)
    assert (made["state"], made["reservation_id"], made["parent_id_tag"]) == ("requested", 1, "FLEET")
    assert made["command_id"] == str(queued.id)
    (issued,) = scripted.issued
    assert issued.action == "ReserveNow"
    assert issued.payload_text == (
        '{"connectorId":1,"expiryDate":"2026-05-04T09:00:00.000Z","idTag":"TAG","reservationId":1,'
        '"parentIdTag":"FLEET"}'
    )
    assert (await reserve(api, token))["reservation_id"] == 2
    found = await api.call("GET", f"{PATH}/1", token)
    assert found.json() == made


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"id_tag": "STRANGER"}, "/id_tag", "unknown_id_tag"),
        ({"id_tag": "GONE"}, "/id_tag", "not_accepted"),
        ({"id_tag": "X" * 21}, "/id_tag", "too_long"),
        ({"parent_id_tag": "X" * 21}, "/parent_id_tag", "too_long"),
        ({"expires_at": "2026-05-04T08:00:00Z"}, "/expires_at", "in_the_past"),
        ({"connector_id": -1}, "/connector_id", None),
        ({"connector_id": 2**31}, "/connector_id", None),
        ({"expires_at": "soon"}, "/expires_at", None),
        ({"id_tag": "a\u0000"}, "/id_tag", None),
        ({"unknown": 1}, "/unknown", None),
    ],
)
@pytest.mark.usefixtures("queued")
async def test_a_bad_field_is_named(
    api: Api, token: str, scripted: ScriptedCommands, changes: dict[str, Any], pointer: str, code: str | None
) -> None:
    answer = await reserve(api, token, 422, **changes)
    (error,) = answer["errors"]
    assert error["pointer"] == pointer
    assert code in (None, error["code"])
    assert (scripted.issued, await listed(api, token)) == ([], [])


@pytest.mark.parametrize("id_tag", ["STRANGER", "GONE"])
@pytest.mark.usefixtures("queued")
async def test_force_reserves_for_any_tag(api: Api, token: str, id_tag: str) -> None:
    assert (await reserve(api, token, id_tag=id_tag, force=True))["id_tag"] == id_tag


@pytest.mark.usefixtures("queued")
async def test_lists_are_filtered_and_cut(api: Api, token: str) -> None:
    for connector_id in (1, 2, 3):
        await reserve(api, token, connector_id=connector_id)
    await reserve(api, token, id_tag="LONG-GROUP")
    assert [row["connector_id"] for row in await listed(api, token, "?id_tag=tag")] == [3, 2, 1]
    assert await listed(api, token, "?state=reserved") == []
    assert len(await listed(api, token, "?state=requested&charge_point=RDAM-1")) == 4
    assert await listed(api, token, "?charge_point=RDAM-2") == []
    first = (await api.call("GET", "/v1/reservations?limit=3", token)).json()
    second = (await api.call("GET", f"/v1/reservations?limit=3&cursor={first['next_cursor']}", token)).json()
    assert (len(first["items"]), len(second["items"]), second["next_cursor"]) == (3, 1, None)
    assert (await api.call("GET", "/v1/reservations?state=RESERVED", token)).status_code == 422


@pytest.mark.usefixtures("queued")
async def test_another_tenant_sees_nothing(api: Api, token: str) -> None:
    await reserve(api, token)
    other = await api.key(await api.tenant())
    assert (await api.call("POST", PATH, other, json=BODY)).status_code == 404
    assert (await api.call("GET", f"{PATH}/1", other)).status_code == 404
    assert (await api.call("PATCH", f"{PATH}/1", other, json={"connector_id": 2})).status_code == 404
    assert await listed(api, other) == []


@pytest.mark.usefixtures("queued")
async def test_scopes(api: Api, operator: TenantRecord) -> None:
    reader = await api.key(operator, "read", "write")
    assert (await api.call("POST", PATH, reader, json=BODY)).status_code == 403
    assert (await api.call("DELETE", f"{PATH}/1", reader)).status_code == 403
    assert await listed(api, reader) == []


@pytest.mark.usefixtures("queued")
async def test_a_request_that_is_refused_leaves_nothing(
    api: Api, token: str, scripted: ScriptedCommands
) -> None:
    scripted.outcome = TooManyRequests("50 commands wait for this charge point already.")
    await reserve(api, token, 429)
    assert await listed(api, token) == []
    # It may have been sent: the reservation stays until that is known.
    scripted.outcome = Unavailable("The bus does not answer.", "bus_unavailable")
    await reserve(api, token, 503)
    assert [row["state"] for row in await listed(api, token)] == ["requested"]


@pytest.mark.usefixtures("queued")
async def test_open_reservations_of_a_charge_point_are_limited(
    api: Api, operator: TenantRecord, token: str
) -> None:
    service = api.app.state.services.get(ReservationService)
    few = replace(service, settings=service.settings.model_copy(update={"reservations_per_charge_point": 1}))
    counter = LIMITS_HIT.labels("open_reservations")
    before = counter._value.get()
    await reserve(api, token)
    wanted = WantedReservation(1, "TAG", api.clock.now() + timedelta(hours=1))
    with pytest.raises(Conflict):
        await few.create(operator.id, "RDAM-1", wanted, ReserveOptions("key:test"))
    assert (counter._value.get() - before, len(await listed(api, token))) == (1, 1)


async def test_cancelling_shows_the_command(
    api: Api, token: str, queued: CommandRecord, scripted: ScriptedCommands
) -> None:
    answer = await api.call("DELETE", f"{PATH}/12", token)
    assert (answer.status_code, answer.json()["id"]) == (202, str(queued.id))
    assert answer.headers["location"] == f"/v1/commands/{queued.id}"
    scripted.final = replace(queued, state="accepted")
    assert (await api.call("DELETE", f"{PATH}/12?wait=1", token)).status_code == 200
    assert [issued.payload_text for issued in scripted.issued] == ['{"reservationId":12}'] * 2
    assert (await api.call("DELETE", f"{PATH}/x", token)).status_code == 422


@pytest.mark.usefixtures("queued")
async def test_only_what_is_open_is_changed(api: Api, token: str, scripted: ScriptedCommands) -> None:
    await reserve(api, token)
    unchanged = await api.call("PATCH", f"{PATH}/1", token, json={})
    assert (unchanged.status_code, len(scripted.issued)) == (200, 1)
    changed = await api.call("PATCH", f"{PATH}/1", token, json={"connector_id": 4})
    assert changed.json()["connector_id"] == 4
    bad = await api.call("PATCH", f"{PATH}/1", token, json={"id_tag": "STRANGER"})
    assert bad.json()["errors"][0]["pointer"] == "/id_tag"
    assert (await api.call("PATCH", f"{PATH}/2", token, json={"connector_id": 4})).status_code == 404


@pytest.mark.usefixtures("queued")
async def test_a_repeated_request_is_the_same_reservation(
    api: Api, token: str, scripted: ScriptedCommands
) -> None:
    headers = {"Idempotency-Key": "phone-1"}
    first = await api.call("POST", PATH, token, json=BODY, headers=headers)
    second = await api.call("POST", PATH, token, json=BODY, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert len(await listed(api, token)) == 1
    assert len(scripted.issued) == 1
    other = await api.call("POST", PATH, token, json={**BODY, "connector_id": 2}, headers=headers)
    assert other.status_code == 409


@pytest.mark.usefixtures("queued")
@pytest.mark.parametrize("change", [{"status": "Blocked"}, {"parent_id_tag": "OTHER-FLEET"}])
async def test_a_repeated_request_is_not_judged_again(api: Api, token: str, change: dict[str, str]) -> None:
    headers = {"Idempotency-Key": "phone-1"}
    first = await api.call("POST", PATH, token, json=BODY, headers=headers)
    assert (await api.call("PATCH", "/v1/id-tags/TAG", token, json=change)).status_code == 200
    second = await api.call("POST", PATH, token, json=BODY, headers=headers)
    assert (second.status_code, second.json()) == (201, first.json())
