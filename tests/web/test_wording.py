"""One mistake has one wording, whichever part of the server has found it."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, ValidationError

from app.errors import FieldViolation, InvalidInput
from app.smart_charging.schemas.distribution import SiteQuestion
from app.web.exact_json import Tenths, read_exactly
from app.web.inputs import Identity, IdTagText, Input, Line, Slug
from app.web.problems import body_errors
from app.web.wording import PATTERN_WORDS, reworded
from tests.support.api import Api
from tests.support.operations import resolved
from tests.support.protocol import OCPP16

JSON = {"Content-Type": "application/json"}


class Part(BaseModel):
    model_config = Input.model_config

    size: int = 0


class Everything(BaseModel):
    """The rules of `Input`, without being one: OpenAPI would show it."""

    model_config = Input.model_config

    name: Annotated[str, Field(min_length=2, max_length=5)] = "name"
    number: Annotated[int, Field(ge=1, le=9)] = 1
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    flag: bool = True
    id: UUID | None = None
    status: Literal["A", "B"] = "A"
    items: Annotated[list[int], Field(min_length=1, max_length=2, default_factory=list)]
    part: Part = Part()
    facts: Annotated[dict[str, Any], Field(default_factory=dict)]
    tag: IdTagText = "A"
    identity: Identity = "A"
    slug: Slug = "a"
    line: Line = ""
    by_slug: Annotated[dict[Slug, int], Field(default_factory=dict)]
    needed: int


BODY_ROWS: list[tuple[str, str, str]] = [
    ('{"needed": 1, "x": 1}', "/x", "is not a known field"),
    ("{}", "/needed", "is required"),
    ('{"needed": "1"}', "/needed", "is not an integer"),
    ('{"needed": 1.5}', "/needed", "is not an integer"),
    ('{"needed": true}', "/needed", "is not an integer"),
    ('{"needed": null}', "/needed", "is not an integer"),
    ('{"needed": 1, "number": ' + "9" * 4000 + "}", "/number", "is more than 9"),
    ('{"needed": 1, "number": 0}', "/number", "is less than 1"),
    ('{"needed": 1, "number": 10}', "/number", "is more than 9"),
    ('{"needed": 1, "share": 0}', "/share", "is not more than 0"),
    ('{"needed": 1, "share": 1}', "/share", "is not less than 1"),
    ('{"needed": 1, "share": "1"}', "/share", "is not a number"),
    ('{"needed": 1, "flag": 1}', "/flag", "is neither true nor false"),
    ('{"needed": 1, "flag": "true"}', "/flag", "is neither true nor false"),
    ('{"needed": 1, "id": "1"}', "/id", "is not a UUID"),
    ('{"needed": 1, "status": "C"}', "/status", "must be 'A' or 'B'"),
    ('{"needed": 1, "name": 1}', "/name", "is not a string"),
    ('{"needed": 1, "name": "n"}', "/name", "has fewer than 2 characters"),
    ('{"needed": 1, "name": "namess"}', "/name", "has more than 5 characters"),
    ('{"needed": 1, "items": {}}', "/items", "is not an array"),
    ('{"needed": 1, "items": []}', "/items", "has fewer than 1 items"),
    ('{"needed": 1, "items": [1, 2, 3]}', "/items", "has more than 2 items"),
    ('{"needed": 1, "part": []}', "/part", "is not an object"),
    ('{"needed": 1, "facts": []}', "/facts", "is not an object"),
    ('{"needed": 1, "tag": "%s"}' % ("A" * 37), "/tag", "must be 1 to 36 printable ASCII characters"),
    ('{"needed": 1, "identity": ".."}', "/identity", "must be 1 to 48 of A-Z, a-z, 0-9, blank and"),
    ('{"needed": 1, "slug": "De Mo"}', "/slug", "must be 1 to 40 of a-z, 0-9 and '-'"),
    ('{"needed": 1, "line": "a\\nb"}', "/line", "must be one line without control characters"),
    ('{"needed": 1, "by_slug": {"De/Mo": 1}}', "/by_slug/De~1Mo", "must be 1 to 40 of a-z, 0-9 and '-'"),
    ('{"needed": 1, "by_slug": {"a": "1"}}', "/by_slug/a", "is not an integer"),
]


@pytest.mark.parametrize(("body", "pointer", "words"), BODY_ROWS, ids=[row[0][:40] for row in BODY_ROWS])
def test_a_body_is_refused_in_our_words(body: str, pointer: str, words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Everything.model_validate_json(body)
    (violation,) = body_errors(refused.value).violations
    assert violation.pointer == pointer
    assert violation.detail.startswith(words)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("9" * 30, "is too large"),
        ("1e40", "is too large"),
        ("12.0", "is not an integer"),
        ("1.5", "is not"),
    ],
)
def test_a_number_that_is_read_exactly_has_the_same_words(number: str, words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_exactly(SiteQuestion, f'{{"nominal_voltage": {number}}}'.encode())
    found = {violation.pointer: violation.detail for violation in refused.value.violations}
    assert found["/nominal_voltage"].startswith(words)
    with pytest.raises(ValueError, match="is more than 9"):
        Tenths(0, 9, "").read(Decimal("1e40"))


CORE_ROWS = [
    ("Reset", "[]", "", "the body must be an object"),
    ("Reset", '"x"', "", "the body must be an object"),
    ("Reset", "{}", "/type", "is required"),
    ("Reset", '{"type": "Soft", "x": 1}', "/x", "is not a known field"),
    ("Reset", '{"type": "Soft", "type": "Soft"}', "/type", "is given twice in its object"),
    ("Reset", '{"type": 1}', "/type", "is not a string"),
    ("Reset", '{"type": "Rest"}', "/type", "is not one of Hard, Soft"),
    (
        "TriggerMessage",
        '{"requestedMessage": "Boot"}',
        "/requestedMessage",
        "is not one of BootNotification, DiagnosticsStatusNotification, FirmwareStatusNotification, "
        "Heartbeat, MeterValues, StatusNotification",
    ),
    ("UnlockConnector", '{"connectorId": "1"}', "/connectorId", "is not an integer"),
    ("UnlockConnector", '{"connectorId": 0}', "/connectorId", "is outside the allowed range"),
    ("ChangeConfiguration", '{"key": "%s", "value": ""}' % ("k" * 51), "/key", "has more than 50 characters"),
    (
        "SendLocalList",
        '{"listVersion": 1, "updateType": "Full", "localAuthorizationList": {}}',
        "/localAuthorizationList",
        "is not an array",
    ),
    (
        "RemoteStartTransaction",
        '{"idTag": "A", "chargingProfile": []}',
        "/chargingProfile",
        "is not an object",
    ),
]


@pytest.mark.parametrize(("action", "payload", "pointer", "words"), CORE_ROWS)
def test_the_core_is_quoted_in_our_words(action: str, payload: str, pointer: str, words: str) -> None:
    found = OCPP16.check_call("central_system", action, payload).violations[0]
    violation = reworded(FieldViolation(found.pointer, found.reason, found.detail))
    assert (violation.pointer, violation.detail) == (pointer, words)


def test_a_long_set_of_values_is_named_and_not_listed() -> None:
    payload = '{"connectorId": 1, "errorCode": "Odd", "status": "Available"}'
    found = OCPP16.check_call("charge_point", "StatusNotification", payload).violations[0]
    violation = reworded(FieldViolation(found.pointer, found.reason, found.detail))
    assert (violation.pointer, violation.detail) == ("/errorCode", "is not a value of ChargePointErrorCode")


BROKEN_BODIES = [b"[]", b'"x"', b"null", b"1"]


@pytest.mark.parametrize("content", BROKEN_BODIES)
async def test_every_route_with_a_body_wants_an_object(api: Api, token: str, content: bytes) -> None:
    tried = 0
    for method, path in _operations_with_body(api):
        response = await api.call(method, path, token, content=content, headers=JSON)
        problem = response.json()
        assert response.status_code == 422, path
        assert (problem["detail"], problem["field"]) == ("the body must be an object", "body"), path
        assert problem["errors"][0]["pointer"] == "", path
        tried += 1
    assert tried > 10


async def test_an_empty_body_is_called_empty(api: Api, token: str) -> None:
    for path in ("/v1/id-tags", "/v1/charging-profiles", "/v1/smart-charging/distribute"):
        response = await api.call("POST", path, token, headers=JSON)
        assert (response.status_code, response.json()["detail"]) == (
            400,
            "The body is empty: it must be an object.",
        )


def _operations_with_body(api: Api) -> Iterator[tuple[str, str]]:
    for path, operations in api.app.openapi()["paths"].items():
        for method, operation in operations.items():
            is_other = any(part in path for part in ("/tenants", "/commands/", "/id-tag-list", "-rows"))
            is_json = "application/json" in operation.get("requestBody", {}).get("content", {})
            if is_json and not is_other:
                filled = path.replace("{identity}", "A").replace("{connector_id}", "1")
                filled = filled.replace("{id_tag}", "A").replace("{charging_profile_id}", "1")
                filled = filled.replace("{job_id}", "7f8d1c52-0d53-4a90-9c3e-6f1d0f1c9a77")
                filled = filled.replace("{name}", "a")
                filled = filled.replace("{template_name}", "a").replace("{user_name}", "a")
                yield method.upper(), filled


def _patterns(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("pattern"), str):
            yield value["pattern"]
        for member in value.values():
            yield from _patterns(member)
    elif isinstance(value, list):
        for member in value:
            yield from _patterns(member)


async def test_every_pattern_of_our_own_inputs_has_words(api: Api) -> None:
    document = api.app.openapi()
    parameters = [
        resolved(document, parameter)
        for operations in document["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
    ]
    schemas = [
        schema for name, schema in document["components"]["schemas"].items() if not name.startswith("ocpp16_")
    ]
    found = set(_patterns([*parameters, *schemas]))
    assert len(found) >= 8
    assert found <= set(PATTERN_WORDS)
