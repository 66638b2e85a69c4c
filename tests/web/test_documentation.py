"""`/openapi.json` and `/docs`: complete, honest, and without a call to anywhere else."""

import json
import re
from typing import Any, TypeVar

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from app.ocpp import messages_of
from app.web.inputs import Input
from app.web.resources import Resource
from tests.support.api import Api
from tests.support.operations import Operation, operations_of, resolved
from tests.support.protocol import OCPP16

Model = TypeVar("Model", bound=BaseModel)
HTTP_URL = re.compile(r"https?://")


async def document_of(api: Api) -> dict[str, Any]:
    response = await api.call("GET", "/openapi.json")
    assert response.status_code == 200
    document: dict[str, Any] = response.json()
    return document


async def test_the_document_is_openapi_3_1_with_an_etag(api: Api) -> None:
    response = await api.call("GET", "/openapi.json")
    assert response.json()["openapi"] == "3.1.0"
    tag = response.headers["etag"]
    again = await api.call("GET", "/openapi.json", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


async def test_every_operation_is_named_described_tagged_and_guarded(api: Api) -> None:
    document = await document_of(api)
    tags = {tag["name"] for tag in document["tags"]}
    found = operations_of(document)
    assert len({operation.name for operation in found}) == len(found)
    for operation in found:
        text = operation.text
        assert re.fullmatch(r"[a-z][a-z_]+", operation.name)
        assert text["summary"]
        assert text["description"]
        assert set(text["tags"]) <= tags
        assert operation.scope in ("read", "write", "command", "admin")
        assert {"401", "403", "422", "429", "503"} <= text["responses"].keys()


async def test_every_body_and_every_answer_has_a_valid_example(api: Api) -> None:
    document = await document_of(api)
    checked = 0
    for operation in operations_of(document):
        bodies = [operation.text["requestBody"]] if "requestBody" in operation.text else []
        answers = [resolved(document, found) for found in operation.text["responses"].values()]
        for part in [*bodies, *answers]:
            for content in part.get("content", {}).values():
                schema = {**content["schema"], "components": document["components"]}
                Draft202012Validator(schema).validate(content["example"])
                checked += 1
    assert checked > 300


async def test_refusals_that_are_alike_stand_once(api: Api) -> None:
    document = await document_of(api)
    shared = {json.dumps(found, sort_keys=True) for found in document["components"]["responses"].values()}
    for operation in operations_of(document):
        for status, found in operation.text["responses"].items():
            assert status.startswith("2") or json.dumps(found, sort_keys=True) not in shared
    assert "Unauthorized" in document["components"]["responses"]


async def test_the_document_is_short_over_the_wire(api: Api) -> None:
    answer = await api.call("GET", "/openapi.json", headers={"Accept-Encoding": "gzip, deflate, br, zstd"})
    assert answer.headers["content-encoding"] == "br"
    assert int(answer.headers["content-length"]) <= 100_000


async def test_schemas_have_names_of_their_own_and_no_words_of_the_framework(api: Api) -> None:
    document = await document_of(api)
    schemas = document["components"]["schemas"]
    names = [re.sub("[^a-z0-9]", "", name.casefold()) for name in schemas]
    assert len(set(names)) == len(names)
    assert not re.findall(r'"(?:ge|le|gt|lt)": ', json.dumps(schemas))
    named = set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(document)))
    assert named == schemas.keys()


async def test_servers_and_contact_are_named(api: Api) -> None:
    document = await document_of(api)
    assert document["servers"][0]["url"] == "/"
    assert document["info"]["contact"]["name"]


async def test_every_reference_leads_somewhere(api: Api) -> None:
    document = await document_of(api)
    references = set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references
    assert references <= document["components"]["schemas"].keys()
    assert "HTTPValidationError" not in json.dumps(document)


async def test_each_action_of_the_central_system_is_an_operation_of_its_own(api: Api) -> None:
    document = await document_of(api)
    prefix = "/v1/charge-points/{identity}/commands/"
    documented = {path.removeprefix(prefix) for path in document["paths"] if path.startswith(prefix)}
    assert documented == {message["action"] for message in messages_of(OCPP16, "central_system")}
    assert {"SetChargingProfile", "RemoteStartTransaction", "ChangeConfiguration"} <= documented
    body = document["paths"][f"{prefix}ChangeConfiguration"]["post"]["requestBody"]["content"]
    reference = body["application/json"]["schema"]["$ref"].rpartition("/")[2]
    schema = document["components"]["schemas"][reference]
    assert schema["required"] == ["key", "value"]
    assert schema["additionalProperties"] is False


def subclasses(model: type[Model]) -> set[type[Model]]:
    return {found for child in model.__subclasses__() for found in (child, *subclasses(child))}


def test_resource_examples_are_valid() -> None:
    models = [model for model in subclasses(Resource) if "example" in vars(model)]
    assert {"ChargePoint", "Command", "SiteDistributed", "Transaction"} <= {
        model.__name__ for model in models
    }
    assert len(models) > 25
    for model in models:
        assert model.model_validate(model.example), model


def test_no_two_models_share_a_component() -> None:
    models: list[type[BaseModel]] = [*subclasses(Resource), *subclasses(Input)]
    names = [model.__name__ for model in models]
    assert sorted(set(names)) == sorted(names)


async def test_the_page_loads_nothing_from_elsewhere(api: Api) -> None:
    page = await api.call("GET", "/docs")
    assert page.status_code == 200
    assert not HTTP_URL.search(page.text)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not HTTP_URL.search(policy)
    assert "<script>" not in page.text
    linked = re.findall(r'(?:src|href)="(docs/[^"]+)"', page.text)
    assert len(linked) == 5
    assert 'href="protocols"' in page.text
    for name in linked:
        asset = await api.call("GET", f"/{name}")
        assert asset.status_code == 200
        assert asset.headers["x-content-type-options"] == "nosniff"
        tag = asset.headers["etag"]
        assert (await api.call("GET", f"/{name}", headers={"If-None-Match": tag})).status_code == 304


@pytest.mark.parametrize("path", ["/openapi.json", "/docs/start.js"])
@pytest.mark.parametrize(
    ("if_none_match", "status"),
    [("*", 304), ('W/{tag}, "other"', 304), ("x{tag}", 200), ("{tag}x", 200), ('"other"{tag}', 200)],
)
async def test_an_etag_is_compared_whole(api: Api, path: str, if_none_match: str, status: int) -> None:
    tag = (await api.call("GET", path)).headers["etag"]
    headers = {"If-None-Match": if_none_match.format(tag=tag)}
    assert (await api.call("GET", path, headers=headers)).status_code == status


@pytest.mark.parametrize("path", ["/docs/nothing.js", "/docs/..%2f__init__.py", "/docs/%2e%2e/conftest.py"])
async def test_nothing_but_its_own_files_is_served(api: Api, path: str) -> None:
    assert (await api.call("GET", path)).status_code == 404


def test_operations_are_read_from_the_document() -> None:
    text = {"operationId": "x", "security": [{"apiKey": ["read"]}]}
    assert operations_of({"paths": {"/v1/a": {"get": text}, "/public": {"get": {"operationId": "p"}}}}) == [
        Operation("get", "/v1/a", text)
    ]


async def test_the_page_is_short_over_the_wire(api: Api) -> None:
    sizes = []
    for name in (
        "",
        "/swagger-ui.css",
        "/page.css",
        "/swagger-ui-bundle.js",
        "/start.js",
        "/favicon-32x32.png",
    ):
        answer = await api.call("GET", f"/docs{name}", headers={"Accept-Encoding": "gzip"})
        sizes.append(int(answer.headers["content-length"]))
    assert sum(sizes) <= 800_000


async def test_no_field_has_a_title_that_repeats_its_name(api: Api) -> None:
    document = await document_of(api)
    schemas = document["components"]["schemas"].values()
    fields = [field for schema in schemas for field in schema.get("properties", {}).values()]
    fields += [found["schema"] for found in document["components"]["parameters"].values()]
    assert len(fields) > 1000
    assert [field for field in fields if "title" in field] == []
