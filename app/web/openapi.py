"""The OpenAPI 3.1 document: what the framework knows of the routes, completed with what it cannot know."""

from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.responses import Response

from app.commands import routes as commands
from app.commands.operations import PATH, component_schemas, operations
from app.web.conditional import content_tag, matching_tag
from app.web.examples import COMMAND, PAGED, RESOURCE_EXAMPLES, SITE_DISTRIBUTED
from app.web.inputs import Change, Input
from app.web.problems import Problem, documented

Json = dict[str, Any]

_TAGS: tuple[tuple[str, str], ...] = (
    ("charge-points", "Charge points: what you set, what they report, whether they are connected now."),
    ("commands", "CALLs to charge points as resources: issue, wait, observe the effect, take back."),
    ("transactions", "Billing records, meter values and what fits no transaction, to read."),
    ("id-tags", "Who may charge."),
    ("charging-profiles", "Limits over time: stored, installed, known to be accepted, and cleared."),
    ("smart-charging", "Dry runs: what charging profiles come to, with pictures, and a site's power shared."),
    ("frames", "What went over the socket."),
    ("api-keys", "Keys: hashed, scoped, expiring. A token is shown once."),
    ("tenants", "Operators on this platform. For keys of the platform."),
    ("Protocol catalog", "What the protocols are, message by message. Public: no key is needed."),
)
_DESCRIPTION = """Send `Authorization: Bearer sm_...`. The tenant comes from the key; what belongs to another
tenant answers with status 404. Each operation names the scope it needs (`read`, `write`, `command`, `admin`);
no scope contains another.

Errors are `application/problem+json` (RFC 9457): look at `code`; `errors` names each field at fault. Listings
take `limit` (1 to 200) and `cursor`, and answer `next_cursor`. Times are RFC 3339 UTC. Single resources have
an `ETag`. Our own fields are snake_case; OCPP payloads keep their wire names.
"""


def _subclasses(model: type[BaseModel]) -> list[type[BaseModel]]:
    return [found for child in model.__subclasses__() for found in (child, *_subclasses(child))]


def _input_schemas() -> Json:
    models: list[type[BaseModel]] = [model for model in _subclasses(Input) if model is not Change]
    found: Json = {}
    models.append(Problem)
    for model in models:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        found.update(schema.pop("$defs", {}))
        found[model.__name__] = schema
    return found


def _command_pattern() -> Json:
    """What the framework would say of the one route that issues commands."""
    route = next(route for route in commands.router.routes if getattr(route, "path", None) == PATH)
    if not isinstance(route, APIRoute):
        raise TypeError(f"{PATH} is served by something else")
    shown = APIRoute(
        route.path, route.endpoint, methods=["POST"], response_model=None, operation_id="issue_command"
    )
    operation: Json = get_openapi(title="", version="", routes=[shown])["paths"][PATH]["post"]
    return operation


def _replace_framework_errors(document: Json) -> None:
    """Describe the framework's own refusals as what they are here: problem details."""
    for path_item in document["paths"].values():
        for operation in path_item.values():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                operation["responses"]["422"] = documented(422)
            if "requestBody" in operation:
                operation["responses"].setdefault("400", documented(400))


def _success_examples(document: Json) -> None:
    """Give each successful answer the example of its resource."""
    by_reference = {f"#/components/schemas/{name}": text for name, text in RESOURCE_EXAMPLES.items()}
    by_reference["#/components/schemas/SiteDistributed"] = SITE_DISTRIBUTED
    by_reference |= {
        f"#/components/schemas/Page_{name}_": {"items": [RESOURCE_EXAMPLES[name]], "next_cursor": None}
        for name in PAGED
    }
    for path_item in document["paths"].values():
        for operation in path_item.values():
            for status, response in operation["responses"].items():
                content = response.get("content", {}).get("application/json", {})
                example = by_reference.get(content.get("schema", {}).get("$ref"))
                if status.startswith("2") and example is not None:
                    content.setdefault("example", example)
                    _document_headers(response, operation, status)


def _document_headers(response: Json, operation: Json, status: str) -> None:
    headers: Json = {}
    text = {"schema": {"type": "string"}}
    if status == "201":
        headers["Location"] = {**text, "description": "Path of what was created."}
    if any(
        parameter["name"] in ("if-none-match", "if-match") for parameter in operation.get("parameters", ())
    ):
        headers["ETag"] = {**text, "description": "For If-None-Match and If-Match."}
    if headers:
        response["headers"] = {**headers, **response.get("headers", {})}


def build_openapi(app: FastAPI) -> Json:
    """The whole document, from the routes of the application and the protocol's definition."""
    document: Json = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version="3.1.0",
        summary=app.summary,
        description=_DESCRIPTION,
        routes=app.routes,
        tags=[*({"name": name, "description": text} for name, text in _TAGS), *(app.openapi_tags or [])],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    paths = operations(_command_pattern(), COMMAND)
    document["paths"] |= paths
    schemas: Json = document["components"]["schemas"]
    schemas |= component_schemas()
    for name, schema in _input_schemas().items():
        schemas.setdefault(name, schema)
    _replace_framework_errors(document)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    _success_examples(document)
    return document


def install_openapi(app: FastAPI) -> None:
    """Serve the document at `/openapi.json`, built once, with a strong ETag.

    The application must be made with `openapi_url=None, docs_url=None, redoc_url=None`.
    """

    def document() -> Json:
        if app.openapi_schema is None:
            app.openapi_schema = build_openapi(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # the way FastAPI documents for extending OpenAPI
    encoded: list[bytes] = []

    async def serve(request: Request) -> Response:
        if not encoded:
            encoded.append(orjson.dumps(document()))
        tag = content_tag(encoded[0])
        headers = {"ETag": tag, "Cache-Control": "public, max-age=300"}
        if matching_tag(request.headers.get("if-none-match", ""), (tag,)):
            return Response(status_code=304, headers=headers)
        return Response(encoded[0], headers=headers, media_type="application/json")

    app.add_route("/openapi.json", serve, methods=["GET"], include_in_schema=False)
