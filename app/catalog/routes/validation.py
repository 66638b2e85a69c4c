"""The route that judges the frame or payload of a developer.

It needs no key, so nothing of it runs on the event loop but the reading of its small body.
"""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any, Final, TypeVar

from fastapi import Body, Query, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from app.catalog.catalog import API_ROOT, Catalog
from app.catalog.judgement import judge
from app.catalog.routes.answers import refusal
from app.catalog.routes.documents import misspelt_protocol, no_such_protocol, operation, slug_parameter
from app.catalog.routes.questions import PLAIN_TEXT, RawQuestion, read_question
from app.catalog.schemas import QUESTION_EXAMPLES, Judgement, Question, Sender
from app.clock import Clock, SystemClock
from app.computation import PUBLIC, compute
from app.errors import FieldViolation, InvalidInput, TooManyRequests
from app.metrics import LIMITS_HIT
from app.token_buckets import TokenBuckets
from app.web.json_body import read_bytes, require_json, skip_body
from app.web.problems import documented
from app.web.rate_limits import DOCUMENTED_RATE_LIMIT, rate_limit_headers

# A frame of 128 KiB in which each second character is escaped. Real messages have a few KB.
BODY_LIMIT_BYTES: Final = 256 * 1024
_BYTES_PER_TOKEN: Final = 16 * 1024
_ADDRESSES: Final = 50_000
_WAITING_LIMIT: Final = 16
_READING_LIMIT: Final = 64
"""Bodies that are read at the same time. Each may take its size twice."""

_TOO_MANY_WAIT: Final = "Too many questions wait."
Made = TypeVar("Made")
_PLAIN_CONTENT: Final = {
    "schema": {"type": "string", "description": "An OCPP-J frame, as it is sent."},
    "example": '[2,"19223203","Heartbeat",{}]',
}


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
        self._reading = 0

    def take(self, request: Request) -> None:
        """Count one question.

        Raises:
            TooManyRequests: the address has no token.
        """
        key, now = self._key(request), self._clock.monotonic()
        if (wait_s := self._buckets.retry_after_s(key, now)) > 0.0:
            LIMITS_HIT.labels("validations").inc()
            raise TooManyRequests(
                "Too many questions from this address.", int(wait_s) + 1, self.state(request)
            )
        self._buckets.take(key, now)

    async def read(self, request: Request) -> bytes:
        """Count one question, and read its body.

        Raises:
            TooManyRequests: the address has no token, or too many bodies are being read.
            BodyTooLarge: it is longer than allowed.
        """
        try:
            self.take(request)
            if self._reading >= _READING_LIMIT:
                LIMITS_HIT.labels("validations_waiting").inc()
                raise TooManyRequests(_TOO_MANY_WAIT)
        except TooManyRequests:
            # The connection ends after the refusal, and a client that still sends would not read that.
            await skip_body(request, BODY_LIMIT_BYTES)
            raise
        self._reading += 1
        try:
            return await read_bytes(request, BODY_LIMIT_BYTES)
        finally:
            self._reading -= 1

    def state(self, request: Request) -> dict[str, str]:
        """Return the headers that tell what is left for the address."""
        return rate_limit_headers("validations", self._buckets, self._key(request), self._clock.monotonic())

    async def run(self, request: Request, size_bytes: int, work: Callable[[], Made]) -> Made:
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
            raise TooManyRequests(_TOO_MANY_WAIT)
        self._waiting += 1
        try:
            return await compute(PUBLIC, work)
        finally:
            self._waiting -= 1

    def _key(self, request: Request) -> tuple[str, ...]:
        peer = request.client.host if request.client else ""
        return (self._address_of(peer, ",".join(request.headers.getlist("x-forwarded-for"))),)


class ComputedRoute(APIRoute):
    """A route whose body is bounded, and parsed, judged and encoded next to the event loop.

    Args:
        path: of the route.
        endpoint: what OpenAPI describes.
        limit: of the questions of strangers.
        answer: from what was sent to the bytes of the answer.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        limit: ValidationLimit,
        answer: Callable[[RawQuestion], bytes],
        **options: Any,
    ) -> None:
        self._limit = limit
        self._answer = answer
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of requests; it raises BodyTooLarge, UnsupportedMediaType, TooManyRequests."""

        async def handle(request: Request) -> Response:
            content = await self._limit.read(request)
            media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if media_type != PLAIN_TEXT:
                require_json(request)
            raw = RawQuestion(request.path_params, request.query_params, media_type, content)
            work = partial(self._answer, raw)
            answer = await self._limit.run(request, len(content), work)
            headers = {"Cache-Control": "no-store", **self._limit.state(request)}
            return Response(answer, headers=headers, media_type="application/json")

        return handle


def validate_route(catalog: Catalog, limit: ValidationLimit) -> APIRoute:
    """Make the route that takes a question and answers with a judgement. Nothing is stored or sent."""

    def judging(slug: str, question: Question) -> Judgement:
        protocol = catalog.described.get(slug)
        if protocol is None or protocol.core is None:
            raise no_such_protocol(catalog, slug, catalog.described)
        return judge(protocol, protocol.core, question)

    def validate(
        slug: Annotated[str, slug_parameter(catalog.described)],
        question: Annotated[Question | list[Any], Body(openapi_examples=QUESTION_EXAMPLES)],
        sender: Annotated[
            Sender, Query(description="Which side would send the frame, if the body is a frame itself.")
        ] = "charge_point",
        strict: Annotated[
            bool, Query(description="As `strict` of the body, if the body is a frame itself.")
        ] = False,
    ) -> Judgement:
        """Only describe the operation: `ComputedRoute` reads the body itself, as the text that was sent."""
        raise NotImplementedError

    example = InvalidInput(
        [
            FieldViolation(
                "/action", "missing", "A payload needs `action`, because it does not name its action itself."
            )
        ]
    )

    def answer(raw: RawQuestion) -> bytes:
        return judging(raw.path["slug"], read_question(raw)).model_dump_json().encode()

    return ComputedRoute(
        f"{API_ROOT}/{{slug}}/validate",
        validate,
        limit=limit,
        answer=answer,
        methods=["POST"],
        response_model=Judgement,
        summary="Check a frame or a payload of a protocol",
        description=(
            "Returns what the running system would decide: the verdict, each violation with its OCPP-J "
            "code and JSON pointer, what would be repaired, and the CALLERROR that would be sent. Nothing is "
            "stored or sent. The body is an object, or the frame itself: as a JSON array, or as `text/plain` "
            "for a frame that is not JSON. The pointer of a violation leads into the payload of the frame, "
            "or into the frame if the frame itself breaks a rule."
        ),
        openapi_extra={"requestBody": {"content": {PLAIN_TEXT: _PLAIN_CONTENT}}},
        responses={
            200: {"headers": DOCUMENTED_RATE_LIMIT},
            400: documented(400),
            404: refusal(misspelt_protocol(catalog)),
            415: documented(415),
            413: documented(413),
            422: refusal(example),
            429: documented(429),
        },
        **operation("validate_protocol_message"),
    )
