"""The OpenAPI 3.1 document: what the framework knows of the routes, completed with what it cannot know.

Capabilities say the rest where it belongs: `Resource.example`, `Input.example`, `Tag` and `DescribedRoute`.
"""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from starlette.responses import Response
from starlette.routing import BaseRoute

from app.web.documents import DocumentResponse, LazyDocument, json_document
from app.web.inputs import Change, Input
from app.web.problems import Problem, documented
from app.web.resources import Resource
from app.web.routers import DescribedRoute, Tag
from app.web.shared_components import operations_in, prune_schemas, share_parameters, share_responses

Json = dict[str, Any]

_DESCRIPTION = """Send `Authorization: Bearer sm_...`. The tenant comes from the key. What belongs to another
tenant answers with status 404. Each operation names the scope that it needs (`read`, `write`, `command`,
`admin`); no scope contains another.

Errors are `application/problem+json` (RFC 9457). Programs should look at `code`; `errors` names each field
that breaks a rule. Listings take `limit` (1 to 200) and `cursor`, and answer with `next_cursor`. Times are
RFC 3339 UTC. Single resources have an `ETag`. Our own fields are snake_case; OCPP payloads keep the names of
the standard.

Each answer has a `Request-Id`, which the log of the server has, too; one that you send is kept. Every web
page may call the public operations. Others may be called by the pages that `/v1/allowed-origins` lists.
Requests are limited by key and by address. `RateLimit-Policy` and `RateLimit` of each answer tell the state
of the limits, as draft-ietf-httpapi-ratelimit-headers does; 429 has `Retry-After`.
"""
_SCHEMAS = "#/components/schemas/"


def _subclasses(model: type[BaseModel]) -> list[type[BaseModel]]:
    return [found for child in model.__subclasses__() for found in (child, *_subclasses(child))]


def _routes(app: FastAPI) -> list[BaseRoute]:
    """List the routes, those of included routers among them."""
    return [context.original_route for context in iter_route_contexts(app.routes)]


def _tags(routes: list[BaseRoute]) -> list[Json]:
    tags = (tag for route in routes for tag in getattr(route, "tags", ()) if isinstance(tag, Tag))
    return [{"name": tag, "description": tag.description} for tag in dict.fromkeys(tags)]


def _input_schemas() -> Json:
    models: list[type[BaseModel]] = [model for model in _subclasses(Input) if model is not Change]
    found: Json = {}
    models.append(Problem)
    for model in models:
        schema = model.model_json_schema(ref_template=f"{_SCHEMAS}{{model}}")
        found.update(schema.pop("$defs", {}))
        found[model.__name__] = schema
    return found


def _replace_framework_errors(document: Json) -> None:
    """Describe the framework's own refusals as what they are here: problem details."""
    for operation in operations_in(document):
        if "HTTPValidationError" in str(operation["responses"].get("422")):
            operation["responses"]["422"] = documented(422)
        if "requestBody" in operation:
            operation["responses"].setdefault("400", documented(400))
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)


def _success_examples(document: Json) -> None:
    """Give each successful answer the example of its resource."""
    by_reference: Json = {}
    for model in _subclasses(Resource):
        if (example := vars(model).get("example")) is not None:
            by_reference[f"{_SCHEMAS}{model.__name__}"] = example
            by_reference[f"{_SCHEMAS}Page_{model.__name__}_"] = {"items": [example], "next_cursor": None}
    for operation in operations_in(document):
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
        headers["Location"] = {**text, "description": "Path of the new resource."}
    if any(
        parameter["name"] in ("if-none-match", "if-match") for parameter in operation.get("parameters", ())
    ):
        headers["ETag"] = {**text, "description": "Version of the resource, for If-None-Match and If-Match."}
    if headers:
        response["headers"] = {**headers, **response.get("headers", {})}


def _untitle(value: Any) -> None:
    """Remove the titles that the framework makes of names: they say nothing, and pages show them instead."""
    if isinstance(value, list):
        for element in value:
            _untitle(element)
    if not isinstance(value, dict):
        return
    if "schema" in value and "in" in value:
        value["schema"].pop("title", None)
    if isinstance(properties := value.get("properties"), dict):
        for schema in properties.values():
            if isinstance(schema, dict) and isinstance(schema.get("title"), str):
                del schema["title"]
    for member in value.values():
        _untitle(member)


def build_openapi(app: FastAPI) -> Json:
    """Build the whole document from the routes of an application."""
    routes = _routes(app)
    document: Json = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version="3.1.0",
        summary=app.summary,
        description=_DESCRIPTION,
        routes=app.routes,
        tags=_tags(routes),
        servers=[{"url": "/", "description": "The server that this document comes from."}],
        contact={"name": "The operator of this server"},
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    schemas: Json = document["components"]["schemas"]
    for route in routes:
        if isinstance(route, DescribedRoute):
            document["paths"] |= route.operations()
            schemas |= route.schemas()
    for name, schema in _input_schemas().items():
        schemas.setdefault(name, schema)
    _replace_framework_errors(document)
    _success_examples(document)
    _untitle(document)
    for operation in operations_in(document):
        # Otherwise tools cannot tell a public operation from one whose security was forgotten.
        operation.setdefault("security", [])
    share_responses(document)
    share_parameters(document)
    prune_schemas(document)
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

    encoded = LazyDocument(lambda: json_document(document()))

    async def serve(_: Request) -> Response:
        return DocumentResponse(encoded)

    app.add_route("/openapi.json", serve, methods=["GET"], include_in_schema=False)
