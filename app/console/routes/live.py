"""The stream that tells a page when to ask for its parts again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.sse import format_sse_event
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.console.access import COOKIE, ConsoleRoute, Viewer
from app.console.live import Pulses
from app.console.rendering import ROOT
from app.errors import AppError, FieldViolation, InvalidInput
from app.events.payloads import event_types
from app.events.records import EventFilter
from app.events.responses import StreamResponse
from app.events.streams import EventStream, EventStreams, FeedBroken, ReaderTooSlow
from app.users.service import LoginService
from app.web.inputs import Identity
from app.web.services import provided

router = APIRouter(prefix=f"{ROOT}/live", route_class=ConsoleRoute)

_Streams = Annotated[EventStreams, Depends(provided(EventStreams))]
_Logins = Annotated[LoginService, Depends(provided(LoginService))]
_RECONNECT_MS: Final = 1000
_CHANGED: Final = format_sse_event(data_str="{}", event="changed")
"""The message on which each live part asks for its new state."""


class LiveQuery(BaseModel):
    """The events that a page looks at. subject: the part of a type before the dot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: Annotated[list[str], Field(max_length=20)] = []
    charge_point: Annotated[list[Identity], Field(max_length=1)] = []

    def filters(self) -> EventFilter:
        """Return the filter that the stream understands.

        Raises:
            InvalidInput: there are no events of a subject.
        """
        subjects = {name: name.partition(".")[0] for name in event_types()}
        if not set(self.subject) <= set(subjects.values()):
            raise InvalidInput([FieldViolation("subject", "unknown_value", "is not a subject of events")])
        types = frozenset(name for name, subject in subjects.items() if subject in self.subject)
        return EventFilter(types, frozenset(self.charge_point))


@router.get("")
async def follow(
    request: Request,
    person: Viewer,
    streams: _Streams,
    logins: _Logins,
    query: Annotated[LiveQuery, Query()],
) -> Response:
    """Tell a page when something has changed, without saying what."""
    stream = await streams.open(person.tenant_id, None, query.filters())
    return StreamResponse(_messages(request.cookies[COOKIE], stream, logins), stream)


async def _messages(token: str, stream: EventStream, logins: LoginService) -> AsyncIterator[bytes]:
    """Yield the messages of a stream, until it ends, or the session of a cookie does."""
    pulses = Pulses(asyncio.get_running_loop().time)
    # Something may have changed since the page was made.
    pulses.note()
    pages = stream.events()
    coming = asyncio.ensure_future(anext(pages))
    yield format_sse_event(comment="The page is live.", retry=_RECONNECT_MS)
    try:
        while True:
            await asyncio.wait([coming], timeout=pulses.wait_s())
            if coming.done():
                if coming.result():
                    pulses.note()
                coming = asyncio.ensure_future(anext(pages))
            is_heartbeat = stream.takes_heartbeat()
            if is_heartbeat and await logins.signed_in(token) is None:
                return
            # What has no event, for instance a Heartbeat.req, is seen with the next heartbeat of the stream.
            if pulses.take() or is_heartbeat:
                yield _CHANGED
    except (StopAsyncIteration, FeedBroken, ReaderTooSlow, AppError):
        return
    finally:
        coming.cancel()
