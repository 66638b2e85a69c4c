"""`/v1/security-events` and `/v1/security-alarms`."""

from typing import Annotated

from fastapi import Depends, Path, Query
from pydantic import Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.security.records import SecurityAlarmFilter, SecurityAlarmRecord, SecurityEventFilter, Source
from app.security.schemas import (
    SecurityAlarm,
    SecurityAlarmAcknowledgement,
    SecurityAlarmPage,
    SecurityEvent,
    alarm_fields,
    count_fields,
    event_fields,
)
from app.security.service import ALARMS_PATH, SecurityEventService
from app.web.access import ReadAccess, WriteAccess
from app.web.conditional import IfNoneMatch, encoded_page_response, encoded_response, resource_response
from app.web.inputs import DIGITS, Identity, Paging, QueryBoolean, Time
from app.web.json_body import body_of, json_body
from app.web.pagination import LargeIntegerKey, Page, cut_page, decode_cursor
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.rows import encoded, encoded_page
from app.web.services import provided
from app.web.wording import LINE_PATTERN

router = api_router(
    prefix="/v1/security-events",
    tags=[
        Tag(
            "security-events",
            "What charge points report of their security, and what this server notices itself.",
        )
    ],
)
alarm_router = api_router(
    prefix=ALARMS_PATH,
    tags=[Tag("security-alarms", "Critical security events that wait for their acknowledgement.")],
)

SecurityEvents = Annotated[SecurityEventService, Depends(provided(SecurityEventService))]
EventType = Annotated[str, StringConstraints(pattern=LINE_PATTERN, min_length=1, max_length=255)]
_LARGEST = 2**63 - 1
EventIdPath = Annotated[
    int, Path(ge=1, le=_LARGEST, description="Number of the event.", examples=[8123]), DIGITS
]
AlarmIdPath = Annotated[
    int, Path(ge=1, le=_LARGEST, description="Number of the alarm.", examples=[77]), DIGITS
]


class SecurityEventQuery(Paging):
    """The query of the list of security events."""

    charge_point: Annotated[
        Identity | SkipJsonSchema[None], Field(description="Identity of the charge point.")
    ] = None
    type: Annotated[EventType | SkipJsonSchema[None], Field(description="Type, compared exactly.")] = None
    critical: QueryBoolean | SkipJsonSchema[None] = None
    source: Source | SkipJsonSchema[None] = None
    since: Annotated[Time | SkipJsonSchema[None], Field(description="Events that happened from then on.")] = (
        None
    )
    until: Annotated[Time | SkipJsonSchema[None], Field(description="Events that happened before then.")] = (
        None
    )


class SecurityAlarmQuery(Paging):
    """The query of the list of security alarms."""

    charge_point: Annotated[
        Identity | SkipJsonSchema[None], Field(description="Identity of the charge point.")
    ] = None
    type: Annotated[EventType | SkipJsonSchema[None], Field(description="Type, compared exactly.")] = None
    acknowledged: Annotated[
        QueryBoolean | SkipJsonSchema[None], Field(description="false: those that wait.")
    ] = None


@router.get("", response_model=Page[SecurityEvent], responses=problems())
async def list_security_events(
    access: ReadAccess, events: SecurityEvents, query: Annotated[SecurityEventQuery, Query()]
) -> Response:
    """List security events, the newest arrival first."""
    after = decode_cursor(query.cursor, LargeIntegerKey)
    filters = SecurityEventFilter(
        query.charge_point, query.type, query.critical, query.source, query.since, query.until
    )
    rows = await events.events(access.tenant_id, query.limit + 1, after, filters)
    page, next_cursor = cut_page(rows, query.limit, lambda row: row["id"])
    return encoded_page_response(encoded_page([event_fields(row) for row in page], next_cursor))


@router.get("/{event_id}", response_model=SecurityEvent, responses=problems(304, 404))
async def get_security_event(
    access: ReadAccess, events: SecurityEvents, event_id: EventIdPath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read one security event."""
    content = encoded(event_fields(await events.event(access.tenant_id, event_id)))
    return encoded_response(content, if_none_match=if_none_match)


@alarm_router.get("", response_model=SecurityAlarmPage, responses=problems())
async def list_security_alarms(
    access: ReadAccess, events: SecurityEvents, query: Annotated[SecurityAlarmQuery, Query()]
) -> Response:
    """List alarms, the newest first, and count those that wait.

    A critical event raises an alarm. If one of its type and charge point waits already, that one counts it.
    """
    after = decode_cursor(query.cursor, LargeIntegerKey)
    filters = SecurityAlarmFilter(query.charge_point, query.type, query.acknowledged)
    rows, counts = await events.alarms(access.tenant_id, query.limit + 1, after, filters)
    page, next_cursor = cut_page(rows, query.limit, lambda row: row["id"])
    content = {
        "items": [alarm_fields(row) for row in page],
        "next_cursor": next_cursor,
        "counts": count_fields(counts),
    }
    return encoded_page_response(encoded(content))


@alarm_router.get("/{alarm_id}", response_model=SecurityAlarm, responses=problems(304, 404))
async def get_security_alarm(
    access: ReadAccess, events: SecurityEvents, alarm_id: AlarmIdPath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read one alarm."""
    content = encoded(alarm_fields(await events.alarm(access.tenant_id, alarm_id)))
    return encoded_response(content, if_none_match=if_none_match)


@alarm_router.post(
    "/{alarm_id}/acknowledgement",
    response_model=SecurityAlarm,
    responses=problems(404, 409, body=True),
    openapi_extra=body_of(SecurityAlarmAcknowledgement),
)
async def acknowledge_security_alarm(
    access: WriteAccess,
    events: SecurityEvents,
    alarm_id: AlarmIdPath,
    body: Annotated[SecurityAlarmAcknowledgement, Depends(json_body(SecurityAlarmAcknowledgement))],
) -> Response:
    """Acknowledge an alarm. The audit keeps who did it, and why."""
    record = await events.acknowledge(access.tenant_id, alarm_id, access.issued_by, body.reason)
    return resource_response(_shown(record))


def _shown(record: SecurityAlarmRecord) -> SecurityAlarm:
    facts = {name: getattr(record, name) for name in SecurityAlarm.model_fields if name != "charge_point"}
    return SecurityAlarm(charge_point=record.identity, **facts)
