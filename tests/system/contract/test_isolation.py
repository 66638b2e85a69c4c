"""Over every route of the document: what is another tenant's does not exist (THREATS 7)."""

from typing import Any

from app.web.pagination import encode_cursor
from tests.support.api import Api
from tests.support.operations import Operation
from tests.system.contract.conftest import OwnedResources, make_owned

CREATING = ("put_charge_point", "put_id_tag", "put_configuration_template")
"""Operations that create what does not exist, in the tenant of the caller."""


def masked(text: str, values: dict[str, str]) -> str:
    """An answer without the names that the caller itself wrote."""
    for name in ("slug", "identity", "id_tag", "command_id", "key_id", "user_name"):
        text = text.replace(values[name], "*")
    return text


async def snapshot(api: Api, owned: OwnedResources, operations: list[Operation]) -> dict[str, Any]:
    """All that the owner sees of its own things."""
    seen = {}
    for operation in operations:
        if operation.method == "get" and not operation.of_platform and operation.path != "/v1/api-keys":
            response = await api.call("GET", operation.filled(owned.values), owned.token)
            assert response.status_code == 200, operation
            seen[operation.path] = response.text
    return seen


async def test_another_tenants_things_answer_404_on_every_route(
    api: Api, owned: OwnedResources, operations: list[Operation]
) -> None:
    intruder = await api.key(await api.tenant())
    # An event is shown once it has its position.
    while not await api.services.storage.sequencer.number():
        pass
    before = await snapshot(api, owned, operations)
    asked = 0
    for operation in operations:
        if operation.parameters and operation.name not in CREATING:
            path = operation.filled(owned.values)
            response = await api.call(operation.method, path, intruder, **operation.request())
            assert response.status_code == 404, (operation.method, path, response.text)
            asked += 1
    assert asked >= 60
    for operation in operations:
        if operation.name in CREATING:
            path = operation.filled(owned.values)
            response = await api.call(operation.method, path, intruder, **operation.request())
            assert response.status_code == 201, operation
    assert await snapshot(api, owned, operations) == before


async def test_a_missing_thing_and_anothers_look_the_same(
    api: Api, owned: OwnedResources, operations: list[Operation]
) -> None:
    intruder = await api.key(await api.tenant())
    missing = {
        "slug": "no-such-tenant",
        "identity": "NO-SUCH-1",
        "connector_id": "1",
        "id_tag": "NO-SUCH-TAG",
        "transaction_id": "2147483647",
        "command_id": "00000000-0000-4000-8000-000000000000",
        "charging_profile_id": "2147483647",
        "profile_name": "no-such-profile",
        "list_name": "no-such-list",
        "reservation_id": "2147483647",
        "event_id": "2147483647",
        "alarm_id": "2147483647",
        "change_id": "00000000-0000-4000-8000-000000000000",
        "subscription_id": "00000000-0000-4000-8000-000000000000",
        "webhook_id": "00000000-0000-4000-8000-000000000000",
        "webhook_event_id": encode_cursor(2**31 - 1),
        "v2g_request_id": "2147483647",
        "user_name": "no-such-user",
        "bulk_id": "00000000-0000-4000-8000-000000000000",
        "template_name": "no-such-template",
        "key_id": "00000000-0000-4000-8000-000000000000",
        "authority_id": "2147483647",
        "request_id": "2147483647",
        "serial": "abcdef",
        "certificate_id": "0" * 32,
        "firmware_update_id": "00000000-0000-4000-8000-000000000000",
        "campaign_id": "00000000-0000-4000-8000-000000000000",
        "job_id": "00000000-0000-4000-8000-000000000000",
        "file_id": "00000000-0000-4000-8000-000000000000",
    }
    for operation in operations:
        if operation.parameters and operation.name not in CREATING:
            answers = [
                await api.call(operation.method, operation.filled(values), intruder, **operation.request())
                for values in (owned.values, missing)
            ]
            shown = [
                masked(answer.text, values)
                for answer, values in zip(answers, (owned.values, missing), strict=True)
            ]
            assert shown[0] == shown[1], operation


async def test_listings_show_the_callers_own_only(
    api: Api, owned: OwnedResources, operations: list[Operation]
) -> None:
    other = await make_owned(api)
    for operation in operations:
        if operation.method == "get" and not operation.parameters and not operation.of_platform:
            response = await api.call("GET", operation.path, other.token)
            assert response.status_code == 200
            body = response.json()
            listed = body if isinstance(body, list) else body.get("items")
            # A policy is one thing, not a listing. Shipped quirk profiles are everyone's.
            own = None if listed is None else [one for one in listed if one.get("origin") != "shipped"]
            # Each thing is there once. Each of them tells events.
            if operation.path == "/v1/events":
                assert {one["charge_point"] for one in own or []} <= {other.values["identity"], None}
            else:
                assert own is None or len(own) == 1, operation
            for value in (owned.values["identity"], owned.values["id_tag"], owned.values["key_id"]):
                assert value not in response.text


async def test_filters_and_cursors_do_not_cross(api: Api, owned: OwnedResources) -> None:
    intruder = await api.key(await api.tenant())
    for path in ("/v1/transactions", "/v1/commands"):
        response = await api.call("GET", path, intruder, params={"charge_point": owned.values["identity"]})
        assert response.json()["items"] == []
