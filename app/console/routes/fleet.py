"""The fleet: figures of all charge points, and a live page of them."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.charge_points.records import ChargePointFilter, LabelTerm
from app.console.access import ConsoleRoute, Viewer
from app.console.fleet import KINDS, FleetScreen
from app.console.rendering import ROOT, page, query_text
from app.errors import FieldViolation, InvalidInput
from app.types import IDENTITY_PATTERN
from app.users.records import SignedIn
from app.web.services import provided

router = APIRouter(prefix=f"{ROOT}/fleet", route_class=ConsoleRoute)

_Screen = Annotated[FleetScreen, Depends(provided(FleetScreen))]
_PAGE_SIZE: Final = 60
_IDENTITY: Final = re.compile(IDENTITY_PATTERN)
_CONNECTED: Final[dict[str, bool | None]] = {"": None, "true": True, "false": False}
_Text = Annotated[str, Query(max_length=255, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True, slots=True)
class FleetQuery:
    """The parameters that narrow the screen. after: identity of the last charge point of the page before."""

    search: _Text = ""
    label: _Text = ""
    connected: _Text = ""
    status: _Text = ""
    after: _Text = ""

    def filters(self) -> ChargePointFilter:
        """Return the filter that services understand.

        Raises:
            InvalidInput: `connected` or `after` is not one that a page has written.
        """
        if self.connected not in _CONNECTED:
            raise InvalidInput([FieldViolation("connected", "unknown_value", "is not true or false")])
        if self.after and not _IDENTITY.fullmatch(self.after):
            raise InvalidInput([FieldViolation("after", "not_an_identity", "is not an identity")])
        return ChargePointFilter(
            search=self.search.strip() or None,
            labels=(LabelTerm.of(self.label.strip()),) if self.label.strip() else (),
            connected=_CONNECTED[self.connected],
            connector_status=self.status or None,
        )

    def values(self) -> dict[str, str]:
        """Return the parameters that narrow, without the place."""
        return {
            "search": self.search,
            "label": self.label,
            "connected": self.connected,
            "status": self.status,
        }


@router.get("")
async def fleet_page(
    request: Request, person: Viewer, screen: _Screen, query: Annotated[FleetQuery, Depends()]
) -> Response:
    """Show the fleet."""
    narrowed = query.values()
    values = {
        **await _points(person, screen, query),
        "summary": await screen.summary(person.tenant_id),
        **narrowed,
        "statuses": ["", *KINDS],
        "live_address": f"{ROOT}/fleet/points?{query_text({**narrowed, 'after': query.after})}",
        "curl_path": f"/v1/charge-points?{query_text({**narrowed, 'status': '', 'limit': _PAGE_SIZE})}",
    }
    return page(request, "fleet.html", person, values)


@router.get("/tiles")
async def fleet_tiles(request: Request, person: Viewer, screen: _Screen) -> Response:
    """Show the figures alone."""
    return page(request, "fleet_tiles.html", person, {"summary": await screen.summary(person.tenant_id)})


@router.get("/points")
async def fleet_points(
    request: Request, person: Viewer, screen: _Screen, query: Annotated[FleetQuery, Depends()]
) -> Response:
    """Show one page of charge points alone."""
    return page(request, "fleet_points.html", person, await _points(person, screen, query))


async def _points(person: SignedIn, screen: FleetScreen, query: FleetQuery) -> dict[str, Any]:
    points, next_after = await screen.points(
        person.tenant_id, _PAGE_SIZE, query.after or None, query.filters()
    )
    next_query = query_text({**query.values(), "after": next_after})
    return {
        "points": points,
        "filtered": any(query.values().values()),
        "page_size": _PAGE_SIZE,
        "next_address": None if next_after is None else f"{ROOT}/fleet?{next_query}",
    }
