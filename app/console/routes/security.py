"""Security alarms that wait for a person, and all security events."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Request
from pydantic import Field
from starlette.responses import Response

from app.console.access import ConsoleRoute, Operator, Viewer, field_of, go_to
from app.console.forms import Cursor, QueryText, Refusal, input_of, refusal_of
from app.console.rendering import ROOT, page, query_text
from app.errors import InvalidInput
from app.security.records import SecurityAlarmFilter, SecurityEventFilter
from app.security.schemas import SecurityAlarmAcknowledgement
from app.security.service import SecurityEventService
from app.users.records import SignedIn
from app.web.inputs import DIGITS
from app.web.pagination import LargeIntegerKey, cut_page, decode_cursor
from app.web.services import provided

router = APIRouter(prefix=f"{ROOT}/security", route_class=ConsoleRoute)

_Events = Annotated[SecurityEventService, Depends(provided(SecurityEventService))]
_AlarmId = Annotated[int, Field(ge=1, le=2**63 - 1), DIGITS, Path()]
_ADDRESS: Final = f"{ROOT}/security"
_PAGE_SIZE: Final = 50
_ALARMS: Final = 50
"""Alarms that a page shows; the count is of all."""


@dataclass(frozen=True, slots=True)
class SecurityQuery:
    """The parameters that narrow the list of events. An empty one does not."""

    charge_point: QueryText = ""
    type: QueryText = ""
    critical: Literal["", "true", "false"] = ""
    cursor: Cursor = None

    @property
    def filters(self) -> SecurityEventFilter:
        """The filter that services understand."""
        critical = None if not self.critical else self.critical == "true"
        return SecurityEventFilter(self.charge_point.strip() or None, self.type.strip() or None, critical)


@router.get("")
async def security_page(
    request: Request, person: Viewer, events: _Events, query: Annotated[SecurityQuery, Depends()]
) -> Response:
    """Show the alarms that wait, and the events."""
    return await _security_page(request, person, events, query, Refusal())


@router.post("/alarms/{alarm_id}/acknowledge")
async def acknowledge_alarm(
    request: Request, person: Operator, events: _Events, alarm_id: _AlarmId
) -> Response:
    """Acknowledge an alarm, with the reason for the audit."""
    try:
        body = input_of(SecurityAlarmAcknowledgement, {"reason": (await field_of(request, "reason")).strip()})
    except InvalidInput as error:
        await events.alarm(person.tenant_id, alarm_id)
        refusal = refusal_of(error, [])
        return await _security_page(request, person, events, SecurityQuery(), refusal)
    await events.acknowledge(person.tenant_id, alarm_id, person.actor, body.reason)
    return go_to(_ADDRESS)


async def _security_page(
    request: Request, person: SignedIn, events: SecurityEventService, query: SecurityQuery, refusal: Refusal
) -> Response:
    after = decode_cursor(query.cursor, LargeIntegerKey)
    waiting = SecurityAlarmFilter(acknowledged=False)
    alarms, counts = await events.alarms(person.tenant_id, _ALARMS, None, waiting)
    rows = await events.events(person.tenant_id, _PAGE_SIZE + 1, after, query.filters)
    shown, cursor = cut_page(rows, _PAGE_SIZE, lambda row: row["id"])
    narrowed = {"charge_point": query.charge_point, "type": query.type, "critical": query.critical}
    values: dict[str, Any] = {
        "alarms": alarms,
        "counts": counts,
        "events": shown,
        "narrowed": narrowed,
        "next_address": f"{_ADDRESS}?{query_text({**narrowed, 'cursor': cursor})}" if cursor else None,
        "refusal": refusal,
        "curl_path": f"/v1/security-events?{query_text({**narrowed, 'limit': _PAGE_SIZE})}",
    }
    return page(request, "security.html", person, values, refusal.status)
