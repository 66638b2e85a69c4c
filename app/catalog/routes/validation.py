"""The route that judges a developer's frame or payload."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Body, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import Message

from app.catalog.catalog import ProtocolCatalog
from app.catalog.judgement import Judgement, Question, judge
from app.catalog.routes.answers import TAG, refusal
from app.errors import FieldViolation, InvalidInput
from app.web.json_body import read_bytes

# A frame as large as the gateway takes (256 KiB), escaped as a JSON string in the worst usual case.
_BODY_LIMIT_BYTES = 1024 * 1024

_QUESTIONS: dict[str, Any] = {
    "frame_text": {
        "summary": "A frame as it stands on the wire",
        "value": {
            "frame": '[2,"19223201","BootNotification",{"chargePointVendor":"VendorX"}]',
            "sender": "charge_point",
            "strict": False,
        },
    },
    "frame_array": {
        "summary": "A frame as a JSON array",
        "value": {"frame": [2, "19223202", "Heartbeat", {}], "sender": "charge_point"},
    },
    "payload": {
        "summary": "A payload alone",
        "value": {
            "action": "ChangeConfiguration",
            "direction": "request",
            "payload": {"key": "HeartbeatInterval", "value": "300"},
            "strict": True,
        },
    },
}


class _BoundedRoute(APIRoute):
    """A route that refuses a body over the limit before FastAPI reads it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of requests.

        Raises:
            BodyTooLarge: by the handler.
        """
        handle = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            content = await read_bytes(request, _BODY_LIMIT_BYTES)

            async def receive() -> Message:
                return {"type": "http.request", "body": content, "more_body": False}

            return await handle(Request(request.scope, receive))

        return bounded


def validate_route(protocol: ProtocolCatalog) -> APIRoute:
    """POST: a question in, a judgement out; nothing is stored or sent."""

    async def validate(question: Annotated[Question, Body(openapi_examples=_QUESTIONS)]) -> Judgement:
        return judge(protocol, question)

    return _BoundedRoute(
        f"{protocol.href}/validate",
        validate,
        methods=["POST"],
        response_model=Judgement,
        name=f"validate_{protocol.entry.slug.replace('-', '_')}",
        summary=f"Judge a frame or a payload of {protocol.entry.name}",
        description=(
            "Answers what the running system would say of it: the verdict, each violation with its OCPP-J "
            "code and JSON pointer, what would be mended, and the CALLERROR that would be sent. Nothing is "
            "stored or sent. Pointers of a frame's violations lead into its payload, or into the frame "
            "where the frame itself is at fault."
        ),
        tags=[TAG],
        responses={
            413: {"description": "The body is larger than 1 MiB."},
            422: refusal(InvalidInput([FieldViolation("/action", "missing", "A payload needs its action.")])),
        },
    )
