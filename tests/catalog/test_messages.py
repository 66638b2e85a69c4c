"""The messages: the list and its filters, the single message, its schemas, and the other lists."""

import json
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from app.catalog.catalog import ProtocolCatalog
from tests.support.catalog import ROOT
from tests.support.protocol import OCPP16

MESSAGES = f"{ROOT}/messages"


async def actions(client: httpx.AsyncClient, **query: str) -> list[str]:
    answer = await client.get(MESSAGES, params=query)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document["count"] == len(document["messages"])
    return [message["action"] for message in document["messages"]]


async def test_all_39_messages(client: httpx.AsyncClient) -> None:
    everything = await actions(client)
    assert len(everything) == len(set(everything)) == 39


async def test_the_steps_of_the_flow_are_marked(client: httpx.AsyncClient) -> None:
    listed = (await client.get(MESSAGES)).json()["messages"]
    steps = {message["flow_step"]: message["action"] for message in listed if message["flow_step"]}
    assert sorted(steps) == list(range(1, 11))
    assert (steps[1], steps[10]) == ("BootNotification", "ChangeConfiguration")


FILTERS: dict[str, tuple[dict[str, str], list[str]]] = {
    "either side": ({"direction": "both"}, ["DataTransfer"]),
    "profile by key": ({"profile": "reservation"}, ["CancelReservation", "ReserveNow"]),
    "profile by name": (
        {"profile": "SmartCharging"},
        ["ClearChargingProfile", "GetCompositeSchedule", "SetChargingProfile"],
    ),
    "profile with a hyphen": ({"profile": "remote-trigger"}, ["TriggerMessage"]),
    "text in the action, any case": ({"q": "heartBEAT"}, ["Heartbeat"]),
    "text in a nested field": ({"q": "startPeriod", "profile": "core"}, ["RemoteStartTransaction"]),
    "filters add up": ({"direction": "cp-to-csms", "q": "diagnostics"}, ["DiagnosticsStatusNotification"]),
    "nothing found": ({"q": "no such thing"}, []),
}


@pytest.mark.parametrize(("query", "expected"), FILTERS.values(), ids=FILTERS)
async def test_filter(client: httpx.AsyncClient, query: dict[str, str], expected: list[str]) -> None:
    assert await actions(client, **query) == expected


async def test_an_empty_text_filters_nothing(client: httpx.AsyncClient) -> None:
    assert len(await actions(client, q="")) == 39


async def test_each_direction_includes_what_travels_both_ways(client: httpx.AsyncClient) -> None:
    upwards, downwards = (
        await actions(client, direction="cp-to-csms"),
        await actions(client, direction="csms-to-cp"),
    )
    assert set(upwards) & set(downwards) == {"DataTransfer"}
    assert len(set(upwards) | set(downwards)) == 39
    assert {"BootNotification", "MeterValues", "SecurityEventNotification"} <= set(upwards)
    assert {"SetChargingProfile", "RemoteStartTransaction", "ChangeConfiguration"} <= set(downwards)


REFUSED = {
    "direction": ({"direction": "sideways"}, "direction"),
    "profile": ({"profile": "smartcharge"}, "profile"),
    "text too long": ({"q": "x" * 65}, "q"),
}


@pytest.mark.parametrize(("query", "field"), REFUSED.values(), ids=REFUSED)
async def test_a_bad_filter_is_named(client: httpx.AsyncClient, query: dict[str, str], field: str) -> None:
    answer = await client.get(MESSAGES, params=query)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] == field


async def test_a_misspelt_profile_gets_a_hint(client: httpx.AsyncClient) -> None:
    answer = await client.get(MESSAGES, params={"profile": "reservations"})
    assert "Did you mean reservation?" in answer.json()["detail"]


async def test_a_message_in_full(client: httpx.AsyncClient) -> None:
    message = (await client.get(f"{MESSAGES}/StartTransaction")).json()
    assert (message["profile"], message["profile_name"], message["direction"]) == (
        "core",
        "Core",
        "cp-to-csms",
    )
    assert message["billing"] is True
    assert "4.8" in message["sections"]
    assert message["error_behaviour"]
    id_tag = next(field for field in message["request"]["fields"] if field["name"] == "idTag")
    assert id_tag["type"] == "IdToken"
    assert (id_tag["required"], id_tag["max_length"], id_tag["case_insensitive"]) == (True, 20, True)
    assert set(message["types"]) == {"IdToken", "IdTagInfo", "AuthorizationStatus"}


async def test_everything_the_core_describes_is_served(client: httpx.AsyncClient) -> None:
    described = json.loads(OCPP16.describe())
    for message in described["messages"]:
        served = (await client.get(f"{MESSAGES}/{message['action']}")).json()
        for way in ("request", "response"):
            names = [field["name"] for field in message[way]["fields"]]
            assert [field["name"] for field in served[way]["fields"]] == names
        assert served["examples"] == message["examples"]
        assert served["error_behaviour"] == message["errorBehaviour"]


async def test_each_example_is_valid_by_core_and_schema(
    client: httpx.AsyncClient, protocol: ProtocolCatalog
) -> None:
    for action in protocol.actions:
        examples = (await client.get(f"{MESSAGES}/{action}")).json()["examples"]
        schemas = (await client.get(f"{MESSAGES}/{action}/schema")).json()
        for way in ("request", "response"):
            assert OCPP16.check_payload(action, way, json.dumps(examples[way])).violations == []
            Draft202012Validator.check_schema(schemas[way])
            Draft202012Validator(schemas[way]).validate(examples[way])


@pytest.mark.parametrize("way", ["request", "response"])
async def test_one_schema_alone(client: httpx.AsyncClient, way: str) -> None:
    answer = await client.get(f"{MESSAGES}/Authorize/schema", params={"direction": way})
    assert answer.headers["content-type"] == "application/schema+json"
    assert answer.json()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert answer.json() == (await client.get(f"{MESSAGES}/Authorize/schema")).json()[way]


async def test_configuration_keys(client: httpx.AsyncClient) -> None:
    document = (await client.get(f"{ROOT}/configuration-keys")).json()
    keys = {key["name"]: key for key in document["configuration_keys"]}
    assert document["count"] == len(keys) == len(document["configuration_keys"])
    assert keys["HeartbeatInterval"]["access"] == "RW"
    assert (keys["AuthorizationKey"]["access"], keys["AuthorizationKey"]["profile"]) == ("W", "security")


async def test_error_codes_keep_the_spelling_of_1_6(client: httpx.AsyncClient) -> None:
    document = (await client.get(f"{ROOT}/error-codes")).json()
    codes: dict[str, dict[str, Any]] = {code["code"]: code for code in document["error_codes"]}
    assert document["count"] == len(codes) == 10
    assert "FormatViolation" in codes["FormationViolation"]["also_received_as"]
    assert "OccurrenceConstraintViolation" in codes["OccurenceConstraintViolation"]["also_received_as"]
