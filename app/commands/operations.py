"""The OpenAPI operations of the route that issues commands: one for each action of the central system.

Bodies and examples come from the definition of the protocol that the route is made for.
"""

import copy
from typing import Any, Final

import orjson
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from app.commands.expected_effects import effect_windows
from app.commands.rules import default_timeout_s
from app.commands.schemas import Command, effect_text
from app.ocpp import Protocol, messages_of
from app.settings import Settings
from app.web.problems import problems
from app.web.resources import Json
from app.web.routers import DescribedRoute


def _component(protocol: Protocol, name: str) -> str:
    return f"ocpp{protocol.version.replace('.', '')}_{name}"


def _with_component_references(protocol: Protocol, value: Any) -> Any:
    """Turn references of a schema to its own `$defs` into references to the document's components."""
    if isinstance(value, list):
        return [_with_component_references(protocol, element) for element in value]
    if not isinstance(value, dict):
        return value
    return {
        name: f"#/components/schemas/{_component(protocol, member.removeprefix('#/$defs/'))}"
        if name == "$ref" and isinstance(member, str)
        else _with_component_references(protocol, member)
        for name, member in value.items()
    }


def _component_schemas(protocol: Protocol) -> Json:
    """Collect the schemas of all requests and of the types that they use, by the name of their component."""
    components: Json = {}
    for message in messages_of(protocol, "central_system"):
        schema: Json = orjson.loads(protocol.json_schema(message["action"], "request"))
        types = schema.pop("$defs", {})
        for keyword in ("$schema", "$id"):
            schema.pop(keyword, None)
        for name, definition in {**types, f"{message['action']}Request": schema}.items():
            components[_component(protocol, name)] = _with_component_references(protocol, definition)
    return components


def _snake_case(action: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in action).lstrip("_")


def _request_body(protocol: Protocol, message: Json) -> Json:
    component = _component(protocol, f"{message['action']}Request")
    return {
        "required": bool(any(field["required"] for field in message["request"]["fields"])),
        "description": "The OCPP request, with the names of the standard.",
        "content": {
            "application/json": {
                "schema": {"$ref": f"#/components/schemas/{component}"},
                "example": message["examples"]["request"],
            }
        },
    }


def _command_response(description: str, example: Json) -> Json:
    return {
        "description": description,
        "headers": {
            "Location": {"schema": {"type": "string"}, "description": "Path of the command."},
            "ETag": {"schema": {"type": "string"}, "description": "State of the command."},
        },
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Command"}, "example": example}
        },
    }


_OF_REMOTE_STARTS: Final = frozenset({"charging_profile_id", "nominal_voltage", "supply"})
"""Parameters that only RemoteStartTransaction has."""

_DEFAULTS: Final = Settings.model_construct()
"""The document is the same for every server."""


def _parameters(action: str, pattern: Json) -> list[Json]:
    hidden = {"action"} if action == "RemoteStartTransaction" else {"action", *_OF_REMOTE_STARTS}
    return [parameter for parameter in pattern["parameters"] if parameter["name"] not in hidden]


def _described(message: Json, source: str) -> str:
    action = message["action"]
    effect = effect_text(action, effect_windows(_DEFAULTS).get(action))
    timeout = f"Default of `timeout_s`: {default_timeout_s(action, _DEFAULTS):g}."
    return f"{message['summary']} {message['errorBehaviour']} ({source}) {effect} {timeout}"


def _operation(protocol: Protocol, message: Json, pattern: Json) -> Json:
    """Describe one operation. pattern: what the framework says of the route behind it."""
    action = message["action"]
    queued = {**Command.example, "action": action, "payload": message["examples"]["request"]}
    done = {**queued, "state": "accepted", "result": message["examples"]["response"]}
    responses = {str(status): text for status, text in problems(404, 409, body=True).items()}
    source = f"OCPP {protocol.version} {', '.join(message['sections'])}"
    return {
        "tags": ["commands"],
        "operationId": f"issue_{_snake_case(action)}",
        "summary": action,
        "description": _described(message, source),
        "security": pattern["security"],
        "parameters": _parameters(action, pattern),
        "requestBody": _request_body(protocol, message),
        "responses": {
            "200": _command_response("With `wait`: the command has reached a final state.", done),
            "202": _command_response("The command was sent, or waits to be sent.", queued),
            **responses,
        },
    }


def command_route(protocol: Protocol) -> type[DescribedRoute]:
    """Make the class of the route that issues the commands of a protocol."""

    class CommandRoute(DescribedRoute):
        def operations(self) -> Json:
            """Return a path item for each action, by path."""
            pattern = _pattern(self)
            return {
                self.path.replace("{action}", message["action"]): {
                    "post": copy.deepcopy(_operation(protocol, message, pattern))
                }
                for message in messages_of(protocol, "central_system")
            }

        def schemas(self) -> Json:
            """Return the schemas of the requests of all actions, and of the types that they use."""
            return _component_schemas(protocol)

    return CommandRoute


def _pattern(route: APIRoute) -> Json:
    """Return what the framework would say of a route, if it were shown as it is."""
    shown = APIRoute(
        route.path, route.endpoint, methods=["POST"], response_model=None, operation_id="issue_command"
    )
    operation: Json = get_openapi(title="", version="", routes=[shown])["paths"][route.path]["post"]
    return operation
