"""The route that judges the frame or payload of a developer."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Body, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import Message

from app.catalog.catalog import ProtocolCatalog
from app.catalog.judgement import judge
from app.catalog.routes.answers import TAG, refusal
from app.catalog.schemas import QUESTION_EXAMPLES, Judgement, Question
from app.errors import FieldViolation, InvalidInput
from app.ocpp import Protocol
from app.web.json_body import read_bytes

# A frame as large as the gateway accepts (256 KiB), escaped as a JSON string in the worst usual case.
_BODY_LIMIT_BYTES = 1024 * 1024


class _BoundedRoute(APIRoute):
    """A route that refuses a body over the limit before FastAPI reads it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of requests, which raises BodyTooLarge."""
        handle = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            content = await read_bytes(request, _BODY_LIMIT_BYTES)

            async def receive() -> Message:
                return {"type": "http.request", "body": content, "more_body": False}

            return await handle(Request(request.scope, receive))

        return bounded


def validate_route(protocol: ProtocolCatalog, core: Protocol) -> APIRoute:
    """Make the route that takes a question and answers with a judgement. Nothing is stored or sent."""

    async def validate(question: Annotated[Question, Body(openapi_examples=QUESTION_EXAMPLES)]) -> Judgement:
        return judge(protocol, core, question)

    example = InvalidInput(
        [
            FieldViolation(
                "/action", "missing", "A payload needs `action`, because it does not name its action itself."
            )
        ]
    )
    return _BoundedRoute(
        f"{protocol.href}/validate",
        validate,
        methods=["POST"],
        response_model=Judgement,
        name=f"validate_{protocol.entry.slug.replace('-', '_')}",
        summary=f"Check a frame or a payload of {protocol.entry.name}",
        description=(
            "Returns what the running system would decide: the verdict, each violation with its OCPP-J "
            "code and JSON pointer, what would be repaired, and the CALLERROR that would be sent. Nothing is "
            "stored or sent. The pointer of a violation leads into the payload of the frame, or into the "
            "frame if the frame itself breaks a rule."
        ),
        tags=[TAG],
        responses={413: {"description": "The body is larger than 1 MiB."}, 422: refusal(example)},
    )
