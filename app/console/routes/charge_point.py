"""One charge point: its facts, its connectors, its deviations, and the timeline of what happened."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response, StreamingResponse

from app.charge_points.service import LiveChargePoint
from app.clock import optional_moment, utc_text
from app.console.access import ConsoleRoute, Viewer
from app.console.charge_point import ChargePointScreen, Place
from app.console.rendering import HEADERS, ROOT, page, query_text
from app.frame_log.records import FrameFilter, FrameRecord
from app.spreadsheets import CSV_TYPE, protected_line
from app.users.records import SignedIn
from app.web.inputs import IdentityPath
from app.web.pagination import NumberedMoment, decode_cursor, encode_cursor
from app.web.paths import location
from app.web.services import provided

router = APIRouter(prefix=f"{ROOT}/charge-points/{{identity}}", route_class=ConsoleRoute)

_Screen = Annotated[ChargePointScreen, Depends(provided(ChargePointScreen))]
_PAGE_SIZE: Final = 100
_EXPORT_LIMIT: Final = 5000
_EXPORT_COLUMNS: Final = ("at", "direction", "connection_id", "text", "deviations")
_FACTS: Final = {
    "name": "Name",
    "registration_status": "Registration",
    "vendor": "Vendor",
    "model": "Model",
    "serial_number": "Serial number",
    "firmware_version": "Firmware",
    "meter_type": "Meter",
    "iccid": "ICCID",
    "security_profile": "Security profile",
    "heartbeat_interval_s": "Heartbeat interval (s)",
    "clock_skew_s": "Its clock minus ours (s)",
}
_TIMES: Final = {"booted_at_us": "Booted", "last_seen_at_us": "Last seen", "connected_at_us": "Connected"}
_Text = Annotated[str, Query(max_length=255, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True, slots=True)
class TimelineQuery:
    """The parameters that narrow the timeline. cursor: where the page before ended."""

    message_id: _Text = ""
    action: _Text = ""
    cursor: Annotated[str, Query(max_length=400)] = ""

    def filters(self) -> FrameFilter:
        """Return the filter that the service understands."""
        return FrameFilter(action=self.action.strip() or None, message_id=self.message_id.strip() or None)

    def values(self) -> dict[str, str]:
        """Return the parameters that narrow, without the place."""
        return {"message_id": self.message_id, "action": self.action}

    def place(self) -> Place | None:
        """Return where the page begins.

        Raises:
            InvalidInput: the cursor is not one that a page has written.
        """
        key = decode_cursor(self.cursor or None, NumberedMoment)
        return None if key is None else (key.at, key.number)


@router.get("")
async def charge_point_page(
    request: Request,
    person: Viewer,
    screen: _Screen,
    identity: IdentityPath,
    query: Annotated[TimelineQuery, Depends()],
) -> Response:
    """Show one charge point."""
    found = await screen.facts(person.tenant_id, identity)
    address = location(f"{ROOT}/charge-points", identity)
    narrowed = query.values()
    values = {
        **await _head(person, screen, found),
        **await _timeline(person, screen, identity, query),
        **narrowed,
        "facts": {name: found.row[key] for key, name in _FACTS.items() if found.row[key] is not None},
        "times": {name: optional_moment(found.row[key]) for key, name in _TIMES.items()},
        "labels": orjson.loads(found.row["labels"]),
        "deviations": await screen.deviations(person.tenant_id, identity),
        "address": address,
        # Only the newest page grows, so only it keeps itself up to date.
        "live_address": None if query.cursor else f"{address}/timeline?{query_text(narrowed)}",
        "export_query": query_text(narrowed),
        "curl_path": location("/v1/charge-points", identity),
        "frames_path": f"{location('/v1/charge-points', identity, 'frames')}?{query_text(narrowed)}",
    }
    return page(request, "charge_point.html", person, values)


@router.get("/now")
async def charge_point_now(
    request: Request, person: Viewer, screen: _Screen, identity: IdentityPath
) -> Response:
    """Show the connection and the connectors alone."""
    found = await screen.facts(person.tenant_id, identity)
    return page(request, "charge_point_now.html", person, await _head(person, screen, found))


@router.get("/timeline")
async def charge_point_timeline(
    request: Request,
    person: Viewer,
    screen: _Screen,
    identity: IdentityPath,
    query: Annotated[TimelineQuery, Depends()],
) -> Response:
    """Show one page of the timeline alone."""
    return page(request, "timeline.html", person, await _timeline(person, screen, identity, query))


@router.get("/frames.{form}")
async def export_frames(
    person: Viewer,
    screen: _Screen,
    identity: IdentityPath,
    form: Literal["json", "csv"],
    query: Annotated[TimelineQuery, Depends()],
) -> Response:
    """Download the newest frames that fit, as JSON or CSV."""
    frames = await screen.frames_of(person.tenant_id, identity, _EXPORT_LIMIT, query.filters())
    name = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in identity)
    disposition = f'attachment; filename="frames-{name}.{form}"'
    media_type, content = (
        ("application/json", _as_json(frames)) if form == "json" else (CSV_TYPE, _as_csv(frames))
    )
    headers = {**HEADERS, "Content-Disposition": disposition}
    return StreamingResponse(content, media_type=media_type, headers=headers)


async def _head(person: SignedIn, screen: ChargePointScreen, found: LiveChargePoint) -> dict[str, Any]:
    return {
        "identity": found.row["identity"],
        "online_since": found.live.connected_since,
        "flapping": found.live.flapping,
        "seen_at": optional_moment(found.row["last_seen_at_us"]),
        "connectors": await screen.connectors(person.tenant_id, found.row),
    }


async def _timeline(
    person: SignedIn, screen: ChargePointScreen, identity: str, query: TimelineQuery
) -> dict[str, Any]:
    found = await screen.timeline(person.tenant_id, identity, _PAGE_SIZE, query.place(), query.filters())
    address = location(f"{ROOT}/charge-points", identity)
    cursor = None if found.next_after is None else encode_cursor(found.next_after)
    next_query = query_text({**query.values(), "cursor": cursor})
    return {
        "entries": found.entries,
        "next_address": None if cursor is None else f"{address}?{next_query}#timeline",
    }


def _row(frame: FrameRecord) -> dict[str, Any]:
    return {**{name: getattr(frame, name) for name in _EXPORT_COLUMNS}, "at": utc_text(frame.at)}


def _as_json(frames: list[FrameRecord]) -> Iterator[bytes]:
    yield b"["
    for index, frame in enumerate(frames):
        yield (b",\n" if index else b"\n") + orjson.dumps(_row(frame))
    yield b"\n]\n"


def _as_csv(frames: list[FrameRecord]) -> Iterator[str]:
    yield protected_line(_EXPORT_COLUMNS)
    for frame in frames:
        deviations = "" if not frame.deviations else orjson.dumps(frame.deviations).decode()
        yield protected_line([*map(str, list(_row(frame).values())[:-1]), deviations])
