"""Why so slow?: what limits a connector, what was beaten, and what the charge point itself says."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, get_args
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.console.access import ConsoleRoute, Operator, Viewer, go_to
from app.console.fleet import ShownConnector
from app.console.limits import VERDICT_TEXTS, Unit
from app.console.limits_screen import ANSWER_WAIT_S, LimitsQuestion, LimitsScreen
from app.console.rendering import HEADERS, ROOT, page, query_text
from app.errors import FieldViolation, InvalidInput
from app.web.inputs import DIGITS, INTEGER_MAXIMUM, IdentityPath
from app.web.paths import location
from app.web.services import provided

router = APIRouter(prefix=f"{ROOT}/charge-points/{{identity}}/limits", route_class=ConsoleRoute)

_Screen = Annotated[LimitsScreen, Depends(provided(LimitsScreen))]
_HOURS: Final = (3, 12, 48)
_MOST_ROWS: Final = 50
_Number = Annotated[int | None, Query(ge=1, le=INTEGER_MAXIMUM), DIGITS]


@dataclass(frozen=True, slots=True)
class LimitsQuery:
    """The parameters of the page. connector None: one that charges; command: that asked the charge point."""

    connector: _Number = None
    unit: Unit = "W"
    hours: Annotated[int, Query(), DIGITS] = _HOURS[0]
    command: UUID | None = None

    def question(self, identity: str, connectors: list[ShownConnector]) -> LimitsQuestion:
        """Return the question of the page.

        Raises:
            InvalidInput: it is about another time than pages offer.
        """
        if self.hours not in _HOURS:
            raise InvalidInput([FieldViolation("hours", "unknown_value", "is not 3, 12 or 48")])
        return LimitsQuestion(identity, self.connector or _first(connectors), self.unit, self.hours)


_Asked = Annotated[LimitsQuery, Depends()]


@router.get("")
async def limits_page(
    request: Request, person: Viewer, screen: _Screen, identity: IdentityPath, query: _Asked
) -> Response:
    """Show what limits a connector."""
    connectors = await screen.connectors(person.tenant_id, identity)
    asked = query.question(identity, connectors)
    shown = await screen.limits(person.tenant_id, asked, query.command)
    address = location(f"{ROOT}/charge-points", identity, "limits")
    narrowed = _narrowed(asked)
    in_api = location("/v1/charge-points", identity, "connectors", str(asked.connector_id))
    in_query = {"chargingRateUnit": asked.unit, "duration": asked.hours * 3600}
    values: dict[str, Any] = {
        "identity": identity,
        "asked": asked,
        "connectors": connectors,
        "shown": shown,
        "rows": shown.limits[:_MOST_ROWS],
        "more": max(len(shown.limits) - _MOST_ROWS, 0),
        "verdict_text": VERDICT_TEXTS[shown.verdict],
        "units": get_args(Unit),
        "hours": _HOURS,
        "wait_s": ANSWER_WAIT_S,
        "address": address,
        "query": query_text(narrowed),
        "picture": f"{address}/picture.svg?{query_text({**narrowed, 'command': query.command})}",
        "curl_path": f"{in_api}/composite-schedule?{query_text(in_query)}",
    }
    return page(request, "limits.html", person, values)


@router.get("/picture.svg")
async def limits_picture(person: Viewer, screen: _Screen, identity: IdentityPath, query: _Asked) -> Response:
    """Draw the limits, the profiles, the charge point's own answer and the measured values."""
    asked = query.question(identity, await screen.connectors(person.tenant_id, identity))
    text = await screen.picture(person.tenant_id, asked, query.command)
    return Response(text, media_type="image/svg+xml", headers=dict(HEADERS))


@router.post("")
async def ask_charge_point(
    person: Operator, screen: _Screen, identity: IdentityPath, query: _Asked
) -> Response:
    """Ask the charge point for its own schedule, and compare."""
    asked = query.question(identity, await screen.connectors(person.tenant_id, identity))
    command = await screen.ask(person, asked)
    # The charge point may take the other unit only.
    unit = command.payload.get("chargingRateUnit", asked.unit)
    values = query_text({**_narrowed(asked), "unit": unit, "command": command.id})
    return go_to(f"{location(f'{ROOT}/charge-points', identity, 'limits')}?{values}#answer")


def _first(connectors: list[ShownConnector]) -> int:
    """Return a connector that charges, else the first one."""
    charging = [one.connector_id for one in connectors if one.status.startswith(("Charging", "Suspended"))]
    every = [one.connector_id for one in connectors]
    return next(iter([*sorted(charging), *sorted(every), 1]))


def _narrowed(asked: LimitsQuestion) -> dict[str, Any]:
    return {"connector": asked.connector_id, "unit": asked.unit, "hours": asked.hours}
