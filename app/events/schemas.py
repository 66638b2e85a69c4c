"""Events as the REST API shows them, and the list of their types."""

from typing import Annotated, Any, ClassVar, Final
from urllib.parse import quote

import orjson
from pydantic import AfterValidator, Field, StringConstraints

from app.clock import moment_of, utc_text
from app.events.payloads import Payload, event_types
from app.events.records import BatchReadings, EventPage, StoredEvent
from app.near_names import near_names
from app.web.pagination import encode_cursor
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource

TYPES_ROOT: Final = "/v1/event-types"


def _known_type(name: str) -> str:
    if name not in event_types():
        near = near_names(name, event_types(), 1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; {TYPES_ROOT} lists them"
        raise ValueError(f"is not a type of events{hint}")
    return name


TypeName = Annotated[str, StringConstraints(max_length=100), AfterValidator(_known_type)]


class Event(Resource):
    """One event. Events of a charge point are in the order in which they happened."""

    id: str = Field(description="Also the cursor: send it as `after` or `Last-Event-ID` to go on behind it.")
    type: str
    version: int = Field(description="Of `data`. Fields may be added to a version; a change makes a new one.")
    charge_point: str | None = Field(
        description="Identity of the charge point; null: it is about several, or that one was deleted."
    )
    occurred_at: Instant = Field(description="When the server did it, or was told of it.")
    recorded_at: Instant
    data: Json = Field(description=f"As the schema of the type says: `{TYPES_ROOT}/{{type}}`.")

    example: ClassVar[Json] = {
        "id": "NDE",
        "type": "connector.status_changed",
        "version": 1,
        "charge_point": "RDAM-0123",
        "occurred_at": EXAMPLE_TIME,
        "recorded_at": EXAMPLE_TIME,
        "data": event_types()["connector.status_changed"].example,
    }


class Events(Resource):
    """Events in their order, the oldest first."""

    items: list[Event]
    next_cursor: str = Field(description="Send it as `after` to go on, also if nothing has come so far.")
    has_more: bool = Field(description="Whether there were more events already.")

    example: ClassVar[Json] = {"items": [Event.example], "next_cursor": "NDE", "has_more": False}


class EventType(Resource):
    """A type of events. `json_schema` is that of `data`, in JSON Schema 2020-12."""

    type: str
    version: int
    summary: str
    href: str
    json_schema: Json
    example_data: Json

    example: ClassVar[Json] = {
        "type": "connection.closed",
        "version": 1,
        "summary": "A connection ended.",
        "href": f"{TYPES_ROOT}/connection.closed",
        "json_schema": {"type": "object"},
        "example_data": event_types()["connection.closed"].example,
    }


class EventTypes(Resource):
    """All types of events."""

    count: int
    event_types: list[EventType]

    example: ClassVar[Json] = {"count": 1, "event_types": [EventType.example]}


def event_type_of(payload: type[Payload]) -> EventType:
    """Return the description of a type of events."""
    schema = payload.model_json_schema(mode="serialization")
    return EventType(
        type=payload.type,
        version=payload.version,
        summary=" ".join((payload.__doc__ or "").split()),
        href=f"{TYPES_ROOT}/{payload.type}",
        json_schema={"$schema": "https://json-schema.org/draft/2020-12/schema", **schema},
        example_data=payload.example,
    )


def event_text(event: StoredEvent) -> bytes:
    """Return an event as JSON text."""
    return orjson.dumps(_fields(event))


def page_text(page: EventPage) -> bytes:
    """Return a page of events as JSON text."""
    return orjson.dumps(
        {
            "items": [_fields(event) for event in page.events],
            "next_cursor": encode_cursor(page.position),
            "has_more": page.has_more,
        }
    )


def _fields(event: StoredEvent) -> dict[str, Any]:
    batch = {"readings": [_readings(one) for one in event.batch]}
    return {
        "id": encode_cursor(event.position),
        "type": event.type,
        "version": event.version,
        "charge_point": event.charge_point,
        "occurred_at": utc_text(event.occurred_at),
        "recorded_at": utc_text(event.recorded_at),
        "data": orjson.Fragment(event.data) if event.data else batch,
    }


def _readings(one: BatchReadings) -> dict[str, Any]:
    since, until = (
        utc_text(moment_of(at_ms * 1000)) for at_ms in (min(one.sampled_at_ms), max(one.sampled_at_ms) + 1)
    )
    path = f"/v1/charge-points/{quote(one.charge_point, safe='')}/meter-values"
    return {
        "charge_point": one.charge_point,
        "connector_id": one.connector_id,
        "transaction_id": one.transaction_id,
        "sampled_at": [utc_text(moment_of(at_ms * 1000)) for at_ms in one.sampled_at_ms],
        "href": f"{path}?connector_id={one.connector_id}&from={since}&to={until}",
    }
