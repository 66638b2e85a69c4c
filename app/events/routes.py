"""`/v1/events`: the events of a tenant, as a stream or page by page."""

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import Depends, Header, Query, Request
from fastapi.sse import format_sse_event
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.database.text import json_text
from app.errors import AppError
from app.events.reader import EventReader, require_reached
from app.events.records import EventFilter
from app.events.responses import StreamResponse
from app.events.schemas import Event, Events, TypeName, event_text, page_text
from app.events.streams import EventStream, EventStreams, FeedBroken, ReaderTooSlow
from app.web.access import ReadAccess, check_again
from app.web.conditional import encoded_page_response
from app.web.inputs import DIGITS, CursorText, Identity
from app.web.negotiation import prefers
from app.web.pagination import (
    CURSOR_MAX_LENGTH,
    LIMIT_DEFAULT,
    LIMIT_MAXIMUM,
    LargeIntegerKey,
    decode_cursor,
    encode_cursor,
)
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.services import provided

_TAG = Tag("events", "What happens: every change, in an order without gaps, to be followed from any point.")
_STREAM: Final = "text/event-stream"
_RECONNECT_MS: Final = 1000
_CLOSED: Final = "stream.closed"
_LAST_EVENT_ID: Final = "Last-Event-ID"
_FILTER_LIMIT: Final = 50
_EXAMPLE: Final = format_sse_event(
    data_str=json_text(Event.example), event=Event.example["type"], id=Event.example["id"]
).decode()

router = api_router(prefix="/v1/events", tags=[_TAG])

Reader = Annotated[EventReader, Depends(provided(EventReader))]
Streams = Annotated[EventStreams, Depends(provided(EventStreams))]


class EventQuery(BaseModel):
    """The query of events."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: Annotated[
        CursorText | SkipJsonSchema[None],
        Field(
            description="The `id` of an event, or a `next_cursor`: go on behind it. Without it a page begins "
            "with the oldest event that is kept, and a stream with the next one that happens."
        ),
    ] = None
    limit: Annotated[
        int,
        Field(ge=1, le=LIMIT_MAXIMUM),
        DIGITS,
        Field(description="Maximum number of events on a page; a stream has no pages."),
    ] = LIMIT_DEFAULT
    type: Annotated[
        list[TypeName], Field(max_length=_FILTER_LIMIT, description="Only events of these types.")
    ] = []
    charge_point: Annotated[
        list[Identity], Field(max_length=_FILTER_LIMIT, description="Only events of these charge points.")
    ] = []

    def filters(self) -> EventFilter:
        """Return what narrows the events."""
        return EventFilter(frozenset(self.type), frozenset(self.charge_point))


@router.get(
    "",
    response_model=Events,
    responses={
        200: {"content": {_STREAM: {"schema": {"type": "string"}, "example": _EXAMPLE}}},
        **problems(410, 429),
    },
)
async def list_events(
    request: Request,
    access: ReadAccess,
    reader: Reader,
    streams: Streams,
    query: Annotated[EventQuery, Query()],
    last_event_id: Annotated[
        str,
        Header(
            alias=_LAST_EVENT_ID,
            max_length=CURSOR_MAX_LENGTH,
            description="As `after`; browsers send it when they connect again. Empty is as if absent.",
        ),
    ] = "",
) -> Response:
    """Follow the events of your tenant.

    With `Accept: text/event-stream` the answer is a stream of server-sent events that does not end: `event`
    is the type, `id` the cursor, and `data` the event. Otherwise it is a page, oldest first. An `id` without
    `data` comes first and with each heartbeat: keep it, too.
    The order of the events of one charge point is that in which they happened, and no event is skipped.
    The last event of a stream that the server closes is `stream.closed` with a `code`; connect again with the
    last `id`. 410 means that events behind the cursor were deleted because of their age.
    """
    after = _position(query, last_event_id)
    if not prefers(request.headers.get("accept", ""), _STREAM, "application/json"):
        page = await reader.read(access.tenant_id, after or 0, query.limit, query.filters())
        if not page.events and after:
            require_reached(after, await reader.newest(access.tenant_id))
        return encoded_page_response(page_text(page))
    stream = await streams.open(access.tenant_id, after, query.filters())
    return StreamResponse(_messages(request, stream), stream)


def _position(query: EventQuery, last_event_id: str) -> int | None:
    # A browser that connects again keeps its URL, and sends what it has seen since in the header.
    # Some clients send the header empty before the first event.
    if last_event_id:
        return decode_cursor(last_event_id, LargeIntegerKey, _LAST_EVENT_ID)
    return decode_cursor(query.after, LargeIntegerKey, "after")


async def _messages(request: Request, stream: EventStream) -> AsyncIterator[bytes]:
    """Yield the messages of a stream.

    The first message and each heartbeat have an id without data: a client that connects again goes on there,
    also if no event has come before, or none that its filter lets pass.
    """
    began = encode_cursor(stream.position)
    yield format_sse_event(comment="The events follow.", id=began, retry=_RECONNECT_MS)
    try:
        async for events in stream.events():
            if events:
                yield b"".join(
                    format_sse_event(
                        data_str=event_text(event).decode(),
                        event=event.type,
                        id=encode_cursor(event.position),
                    )
                    for event in events
                )
            if stream.takes_heartbeat():
                await check_again(request, "read")
                yield format_sse_event(comment="ping", id=encode_cursor(stream.position))
    except ReaderTooSlow:
        yield _closed("reader_too_slow", "You take events more slowly than they come. Go on behind the last.")
    except FeedBroken:
        yield _closed("internal_error", "The server has failed. Connect again behind the last.")
    except AppError as error:
        yield _closed(error.code, error.detail)
    else:
        yield _closed("server_stops", "The server stops. Connect again: another one goes on.")


def _closed(code: str, detail: str) -> bytes:
    return format_sse_event(data_str=json_text({"code": code, "detail": detail}), event=_CLOSED)
