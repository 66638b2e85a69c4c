"""The route that judges the frame or payload of a developer.

It needs no key, so nothing of it runs on the event loop but the reading of its small body.
"""

import json
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any, Final

from fastapi import Body, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from app.catalog.catalog import ProtocolCatalog
from app.catalog.judgement import judge
from app.catalog.routes.answers import TAG, refusal
from app.catalog.schemas import QUESTION_EXAMPLES, Judgement, Question
from app.clock import Clock, SystemClock
from app.computation import PUBLIC, compute
from app.errors import FieldViolation, InvalidInput, TooManyRequests
from app.metrics import LIMITS_HIT
from app.ocpp import Protocol
from app.token_buckets import TokenBuckets
from app.web.json_body import read_bytes, require_json
from app.web.problems import MalformedBody, documented

# A frame of 128 KiB in which each second character is escaped. Real messages have a few KB.
_BODY_LIMIT_BYTES: Final = 256 * 1024
_BYTES_PER_TOKEN: Final = 16 * 1024
_ADDRESSES: Final = 50_000
_WAITING_LIMIT: Final = 16
_QUESTION: Final = TypeAdapter(Question)
_SHAPE: Final = 'must be an object: {"frame": ...}, or {"action": ..., "payload": ...}'
_FRAME: Final = "must be the text of a frame, or its JSON array"


class ValidationLimit:
    """Bounds what strangers may have validated: by address, and in all.

    Args:
        per_minute: of one address; a body of more than 16 KiB counts several times.
        address_of: from the peer and the value of X-Forwarded-For to the address that counts.
        clock: the time.
    """

    def __init__(
        self,
        per_minute: int = 300,
        address_of: Callable[[str, str], str] = lambda peer, forwarded_for: peer,
        clock: Clock | None = None,
    ) -> None:
        self._buckets = TokenBuckets(per_minute, _ADDRESSES)
        self._address_of = address_of
        self._clock = clock or SystemClock()
        self._waiting = 0

    def take(self, request: Request) -> None:
        """Count one question.

        Raises:
            TooManyRequests: the address has no token.
        """
        key, now = self._key(request), self._clock.monotonic()
        if (wait_s := self._buckets.retry_after_s(key, now)) > 0.0:
            LIMITS_HIT.labels("validations").inc()
            raise TooManyRequests("Too many questions from this address.", int(wait_s) + 1)
        self._buckets.take(key, now)

    async def run(self, request: Request, size_bytes: int, work: Callable[[], bytes]) -> bytes:
        """Run work next to the event loop. size_bytes: of the body; a large one counts as several.

        Raises:
            TooManyRequests: too many questions wait.
        """
        if size_bytes > _BYTES_PER_TOKEN:
            self._buckets.take(
                self._key(request), self._clock.monotonic(), size_bytes / _BYTES_PER_TOKEN - 1.0
            )
        if self._waiting >= _WAITING_LIMIT:
            LIMITS_HIT.labels("validations_waiting").inc()
            raise TooManyRequests("Too many questions wait.")
        self._waiting += 1
        try:
            return await compute(PUBLIC, work)
        finally:
            self._waiting -= 1

    def _key(self, request: Request) -> tuple[str, ...]:
        peer = request.client.host if request.client else ""
        return (self._address_of(peer, ",".join(request.headers.getlist("x-forwarded-for"))),)


class _ComputedRoute(APIRoute):
    """A route whose body is bounded, and parsed, judged and encoded next to the event loop."""

    def __init__(
        self, path: str, endpoint: Callable[..., Any], *, limit: ValidationLimit, **options: Any
    ) -> None:
        self._limit = limit
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of requests; it raises BodyTooLarge, UnsupportedMediaType, TooManyRequests."""

        async def handle(request: Request) -> Response:
            self._limit.take(request)
            content = await read_bytes(request, _BODY_LIMIT_BYTES)
            require_json(request)
            work = partial(_answer_to, self.endpoint, content)
            answer = await self._limit.run(request, len(content), work)
            return Response(answer, media_type="application/json")

        return handle


def _answer_to(judging: Callable[[Question], Judgement], content: bytes) -> bytes:
    """Read a question and answer it."""
    return judging(_read(content)).model_dump_json().encode()


def _read(content: bytes) -> Question:
    """Return the question that a body holds.

    Raises:
        MalformedBody: it is not JSON.
        InvalidInput: it is another object, or none.
    """
    try:
        value: Any = json.loads(content)
    except (ValueError, RecursionError):
        raise MalformedBody(content) from None
    if not isinstance(value, dict):
        raise InvalidInput([FieldViolation("", "type", _SHAPE)])
    try:
        return _QUESTION.validate_python(value)
    except ValidationError as error:
        faults = error.errors(include_url=False)
    if any(fault["loc"][:1] == ("frame",) for fault in faults):
        # One for each form that a frame may have would name types of ours.
        raise InvalidInput([FieldViolation("/frame", "type", _FRAME)])
    raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults])


def validate_route(protocol: ProtocolCatalog, core: Protocol, limit: ValidationLimit) -> APIRoute:
    """Make the route that takes a question and answers with a judgement. Nothing is stored or sent."""

    def validate(question: Annotated[Question, Body(openapi_examples=QUESTION_EXAMPLES)]) -> Judgement:
        return judge(protocol, core, question)

    example = InvalidInput(
        [
            FieldViolation(
                "/action", "missing", "A payload needs `action`, because it does not name its action itself."
            )
        ]
    )
    return _ComputedRoute(
        f"{protocol.href}/validate",
        validate,
        limit=limit,
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
        responses={
            400: documented(400),
            415: documented(415),
            413: {"description": "The body is larger than 256 KiB."},
            422: refusal(example),
            429: documented(429),
        },
    )
