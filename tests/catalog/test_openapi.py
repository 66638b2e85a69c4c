"""The API's own description of the catalog: complete, with examples, and true of what is served."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator

from tests.support.catalog import ROOT


@pytest.fixture(scope="module")
def openapi(application: FastAPI) -> dict[str, Any]:
    return application.openapi()


def test_version_and_paths(openapi: dict[str, Any]) -> None:
    assert openapi["openapi"].startswith("3.1")
    assert {path: sorted(operations) for path, operations in openapi["paths"].items()} == {
        "/v1/protocols": ["get"],
        ROOT: ["get"],
        f"{ROOT}/messages": ["get"],
        f"{ROOT}/messages/{{action}}": ["get"],
        f"{ROOT}/messages/{{action}}/schema": ["get"],
        f"{ROOT}/configuration-keys": ["get"],
        f"{ROOT}/error-codes": ["get"],
        f"{ROOT}/deviations": ["get"],
        f"{ROOT}/deviations/{{code}}": ["get"],
        f"{ROOT}/validate": ["post"],
    }


def test_every_operation_has_words_and_an_id_of_its_own(openapi: dict[str, Any]) -> None:
    operations = [found for path in openapi["paths"].values() for found in path.values()]
    assert all(operation["summary"] and operation["description"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_no_operation_asks_for_a_key(openapi: dict[str, Any]) -> None:
    operations = [found for path in openapi["paths"].values() for found in path.values()]
    assert not any("security" in operation for operation in operations)


@pytest.mark.parametrize(
    ("path", "request_path"),
    [
        ("/v1/protocols", "/v1/protocols"),
        (ROOT, ROOT),
        (f"{ROOT}/messages", f"{ROOT}/messages?q=status"),
        (f"{ROOT}/messages/{{action}}", f"{ROOT}/messages/SetChargingProfile"),
        (f"{ROOT}/messages/{{action}}/schema", f"{ROOT}/messages/SetChargingProfile/schema"),
        (f"{ROOT}/configuration-keys", f"{ROOT}/configuration-keys"),
        (f"{ROOT}/error-codes", f"{ROOT}/error-codes"),
        (f"{ROOT}/deviations", f"{ROOT}/deviations"),
        (f"{ROOT}/deviations/{{code}}", f"{ROOT}/deviations/bad_date_time"),
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
    body = openapi["paths"][f"{ROOT}/validate"]["post"]["requestBody"]["content"]["application/json"]
    verdicts = {
        name: (await client.post(f"{ROOT}/validate", json=example["value"])).json()["verdict"]
        for name, example in body["examples"].items()
    }
    assert verdicts == {"frame_text": "invalid", "frame_array": "valid", "payload": "valid"}


def test_the_actions_are_enumerated(openapi: dict[str, Any]) -> None:
    (action,) = openapi["paths"][f"{ROOT}/messages/{{action}}"]["get"]["parameters"]
    assert len(action["schema"]["enum"]) == 39
