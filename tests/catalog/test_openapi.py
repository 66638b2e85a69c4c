"""The API's own description of the catalog: complete, with examples, and true of what is served."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator

from tests.support.catalog import ROOT

SLUG = "/v1/protocols/{slug}"


@pytest.fixture(scope="module")
def openapi(application: FastAPI) -> dict[str, Any]:
    return application.openapi()


def test_version_and_paths(openapi: dict[str, Any]) -> None:
    assert openapi["openapi"].startswith("3.1")
    assert {path: sorted(operations) for path, operations in openapi["paths"].items()} == {
        "/v1/protocols": ["get"],
        "/v1/protocol-map": ["get"],
        "/v1/protocol-matrix": ["get"],
        "/v1/search": ["get"],
        SLUG: ["get"],
        f"{SLUG}/messages": ["get"],
        f"{SLUG}/messages/{{action}}": ["get"],
        f"{SLUG}/messages/{{action}}/schema": ["get"],
        f"{SLUG}/configuration-keys": ["get"],
        f"{SLUG}/error-codes": ["get"],
        f"{SLUG}/security-events": ["get"],
        f"{SLUG}/deviations": ["get"],
        f"{SLUG}/deviations/{{code}}": ["get"],
        f"{SLUG}/validate": ["post"],
    }


def test_every_operation_has_words_and_an_id_of_its_own(openapi: dict[str, Any]) -> None:
    operations = [found for path in openapi["paths"].values() for found in path.values()]
    assert all(operation["summary"] and operation["description"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_no_operation_asks_for_a_key(openapi: dict[str, Any]) -> None:
    operations = [found for path in openapi["paths"].values() for found in path.values()]
    # FastAPI alone leaves `security` out; `build_openapi` writes the empty list.
    assert not any(operation.get("security") for operation in operations)


@pytest.mark.parametrize(
    ("path", "request_path"),
    [
        ("/v1/protocols", "/v1/protocols"),
        (SLUG, "/v1/protocols/oicp-23"),
        ("/v1/protocol-map", "/v1/protocol-map"),
        ("/v1/protocol-matrix", "/v1/protocol-matrix"),
        ("/v1/search", "/v1/search?q=idTag"),
        (SLUG, ROOT),
        (f"{SLUG}/messages", f"{ROOT}/messages?q=status"),
        (f"{SLUG}/messages/{{action}}", f"{ROOT}/messages/SetChargingProfile"),
        (f"{SLUG}/messages/{{action}}/schema", f"{ROOT}/messages/SetChargingProfile/schema"),
        (f"{SLUG}/configuration-keys", f"{ROOT}/configuration-keys"),
        (f"{SLUG}/error-codes", f"{ROOT}/error-codes"),
        (f"{SLUG}/deviations", f"{ROOT}/deviations"),
        (f"{SLUG}/deviations/{{code}}", f"{ROOT}/deviations/bad_date_time"),
    ],
)
async def test_what_is_served_keeps_the_documented_model(
    client: httpx.AsyncClient, openapi: dict[str, Any], path: str, request_path: str
) -> None:
    content = openapi["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    schema = {**content["schema"], "components": openapi["components"]}
    validator = Draft202012Validator(schema)
    served = (await client.get(request_path)).json()
    validator.validate(served)
    validator.validate(content["example"])
    (model,) = [schema["$ref"].rpartition("/")[2]]
    assert set(served) == set(openapi["components"]["schemas"][model]["properties"])


async def test_the_examples_of_validate_are_judged(
    client: httpx.AsyncClient, openapi: dict[str, Any]
) -> None:
    body = openapi["paths"][f"{SLUG}/validate"]["post"]["requestBody"]["content"]["application/json"]
    verdicts = {
        name: (await client.post(f"{ROOT}/validate", json=example["value"])).json()["verdict"]
        for name, example in body["examples"].items()
    }
    assert verdicts == {
        "frame_text": "invalid",
        "frame_array": "valid",
        "raw_frame": "valid",
        "payload": "valid",
    }


def test_the_actions_are_enumerated(openapi: dict[str, Any]) -> None:
    slug, action = openapi["paths"][f"{SLUG}/messages/{{action}}"]["get"]["parameters"]
    assert slug["schema"]["enum"] == ["ocpp-16j", "ocpp-201", "ocpp-21"]
    assert len(action["schema"]["enum"]) == 102
