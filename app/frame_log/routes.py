"""`/v1/charge-points/{identity}/frames`: the frames of a charge point, as long as the log keeps them."""

from typing import Annotated

from fastapi import Depends, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.frame_log.records import Direction, FrameFilter
from app.frame_log.schemas import Frame
from app.frame_log.service import FrameLogService
from app.web.access import ReadAccess
from app.web.conditional import page_response
from app.web.inputs import ActionText, IdentityPath, Line, Paging, Time
from app.web.pagination import NumberedMoment, Page, cut_page, decode_cursor
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.services import provided

router = api_router(
    prefix="/v1/charge-points/{identity}/frames",
    tags=[Tag("frames", "The messages that were sent to charge points and received from them.")],
)

Frames = Annotated[FrameLogService, Depends(provided(FrameLogService))]


class FrameQuery(Paging):
    """The query of the list of frames."""

    direction: Annotated[
        Direction | SkipJsonSchema[None], Field(description="`in`: from the charge point.")
    ] = None
    action: Annotated[
        ActionText | SkipJsonSchema[None],
        Field(description="Only CALLs of this action. Answers do not have an action."),
    ] = None
    from_at: Annotated[
        Time | SkipJsonSchema[None], Field(alias="from", description="Frames of this time or later.")
    ] = None
    to_at: Annotated[
        Time | SkipJsonSchema[None], Field(alias="to", description="Frames before this time.")
    ] = None
    message_id: Annotated[
        Annotated[Line, Field(min_length=1, max_length=255)] | SkipJsonSchema[None],
        Field(description="Only the CALL with this unique id, and its answer."),
    ] = None


@router.get("", response_model=Page[Frame], responses=problems(404))
async def list_frames(
    access: ReadAccess,
    frames: Frames,
    identity: IdentityPath,
    query: Annotated[FrameQuery, Query()],
) -> Response:
    """List frames, the newest first. Secrets are removed before a frame is stored.

    If two connections overlapped in time, their frames may not be in the order of time.
    A search that takes longer than five seconds is answered 503: narrow it by `from` and `to`.
    """
    key = decode_cursor(query.cursor, NumberedMoment)
    filters = FrameFilter(query.direction, query.action, query.from_at, query.to_at, query.message_id)
    after = None if key is None else (key.at, key.number)
    rows = await frames.page(access.tenant_id, identity, query.limit + 1, after, filters)
    page, next_cursor = cut_page(rows, query.limit, lambda row: (row.run_at, row.id))
    items = [Frame.model_validate(row) for row in page]
    return page_response(Page[Frame](items=items, next_cursor=next_cursor))
