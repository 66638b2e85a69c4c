"""The shapes of REST answers about connectors."""

from typing import ClassVar

from pydantic import Field

from app.charge_points.records import (
    LiveState,
)
from app.clock import utc_text
from app.database.prepared import Row
from app.web.resources import EXAMPLE_TIME, Instant, Json, Resource
from app.web.rows import Fields


class Connector(Resource):
    """The newest known state of a connector; 0 is the charge point itself (OCPP 1.6 4.9)."""

    connector_id: int
    status: str
    error_code: str
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    reported_at: Instant
    received_at: Instant

    example: ClassVar[Json] = {
        "connector_id": 1,
        "status": "Charging",
        "error_code": "NoError",
        "info": None,
        "vendor_id": None,
        "vendor_error_code": None,
        "reported_at": EXAMPLE_TIME,
        "received_at": EXAMPLE_TIME,
    }


class Connectors(Resource):
    """All connectors of a charge point."""

    items: list[Connector]

    example: ClassVar[Json] = {"items": [Connector.example]}


class FleetConnector(Connector):
    """A connector of one of all charge points."""

    identity: str = Field(description="Of its charge point.")
    connected: bool = Field(description="Whether the charge point is connected now.")
    stale: bool = Field(
        description="Not reported on the newest connection, or the charge point has been silent for long."
    )

    example: ClassVar[Json] = {
        **Connector.example,
        "identity": "RDAM-0123",
        "connected": True,
        "stale": False,
    }


class ConnectorCount(Resource):
    """How many connectors have one status."""

    status: str
    connectors: int
    stale: int = Field(description="How many of them are stale.")

    example: ClassVar[Json] = {"status": "Charging", "connectors": 7, "stale": 1}


class ConnectorCounts(Resource):
    """How many connectors there are, by status."""

    connectors: int
    stale: int
    items: list[ConnectorCount]

    example: ClassVar[Json] = {"connectors": 7, "stale": 1, "items": [ConnectorCount.example]}


def connector_fields(row: Row) -> Fields:
    """Return the members of a `Connector`."""
    return {
        "connector_id": row["connector_id"],
        "status": row["status"],
        "error_code": row["error_code"],
        "info": row["info"],
        "vendor_id": row["vendor_id"],
        "vendor_error_code": row["vendor_error_code"],
        "reported_at": utc_text(row["reported_at"]),
        "received_at": utc_text(row["received_at"]),
    }


def fleet_connector_fields(row: Row, live: LiveState) -> Fields:
    """Return the members of a `FleetConnector`."""
    return {
        **connector_fields(row),
        "identity": row["identity"],
        "connected": live.connected_since is not None,
        "stale": row["stale"],
    }
