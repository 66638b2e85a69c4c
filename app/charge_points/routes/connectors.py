"""The connectors of a charge point, and `/v1/connectors`: those of the whole fleet."""

from typing import Annotated

import msgspec
from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.charge_points.fleet_view import FleetView
from app.charge_points.records import LabelTerm
from app.charge_points.routes.charge_points import ChargePoints
from app.charge_points.schemas import (
    Connector,
    ConnectorCounts,
    Connectors,
    DeviceText,
    FleetConnector,
    LabelText,
    connector_fields,
    fleet_connector_fields,
)
from app.errors import NotFound
from app.web.access import ReadAccess
from app.web.conditional import IfNoneMatch, encoded_page_response, encoded_response
from app.web.inputs import ConnectorIdPath, IdentityPath, Paging, QueryBoolean
from app.web.pagination import IntegerKey, LargeIntegerKey, Page, cut_page, decode_cursor
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.rows import encoded, encoded_page
from app.web.services import provided

router = api_router(prefix="/v1/charge-points", tags=["charge-points"])
fleet_router = api_router(
    prefix="/v1/connectors", tags=[Tag("connectors", "The connectors of all charge points.")]
)

FleetViews = Annotated[FleetView, Depends(provided(FleetView))]


class ConnectorNarrowing(BaseModel):
    """How to narrow the list of all connectors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Annotated[
        DeviceText | SkipJsonSchema[None], Field(description="As reported.", examples=["Faulted"])
    ] = None
    error_code: Annotated[
        DeviceText | SkipJsonSchema[None], Field(description="As reported.", examples=["GroundFailure"])
    ] = None
    label: Annotated[
        tuple[LabelText, ...],
        Field(max_length=16, description="Of the charge point. Given several times, all must hold."),
    ] = ()
    stale: Annotated[
        QueryBoolean | SkipJsonSchema[None],
        Field(
            description="True: the charge point has not reported the connector on its newest connection, or "
            "has been silent for an hour (`STATIONMASTER_CONNECTOR_STALE_AFTER_S`)."
        ),
    ] = None

    @property
    def terms(self) -> tuple[LabelTerm, ...]:
        """The labels that the charge point must have."""
        return tuple(LabelTerm.of(text) for text in self.label)


class ConnectorQuery(ConnectorNarrowing, Paging):
    """The query of the list of all connectors."""


class ConnectorCursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Sort key of the list of all connectors."""

    charge_point_id: LargeIntegerKey
    connector_id: IntegerKey


@fleet_router.get("", response_model=Page[FleetConnector], responses=problems())
async def list_fleet_connectors(
    access: ReadAccess, fleet: FleetViews, query: Annotated[ConnectorQuery, Query()]
) -> Response:
    """List the connectors of all charge points, those of the charge point that was created first at first."""
    after = decode_cursor(query.cursor, ConnectorCursor)
    place = None if after is None else (after.charge_point_id, after.connector_id)
    filters = fleet.connector_filter(query.status, query.error_code, query.terms, query.stale)
    found = await fleet.fleet_connectors(access.tenant_id, query.limit + 1, place, filters)
    page, next_cursor = cut_page(
        found, query.limit, lambda item: [item.row["charge_point_id"], item.row["connector_id"]]
    )
    items = [fleet_connector_fields(item.row, item.live) for item in page]
    return encoded_page_response(encoded_page(items, next_cursor))


@fleet_router.get("/counts", response_model=ConnectorCounts, responses=problems(304))
async def count_fleet_connectors(
    access: ReadAccess,
    fleet: FleetViews,
    query: Annotated[ConnectorNarrowing, Query()],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Count the connectors of all charge points by their status. Connector 0 counts as one."""
    filters = fleet.connector_filter(query.status, query.error_code, query.terms, query.stale)
    rows = await fleet.connector_counts(access.tenant_id, filters)
    items = [dict(zip(("status", "connectors", "stale"), row.values(), strict=True)) for row in rows]
    fields = {
        "connectors": sum(row["connectors"] for row in rows),
        "stale": sum(row["stale"] for row in rows),
        "items": items,
    }
    return encoded_response(encoded(fields), if_none_match=if_none_match)


@router.get("/{identity}/connectors", response_model=Connectors, responses=problems(304, 404))
async def list_connectors(
    access: ReadAccess,
    charge_points: ChargePoints,
    identity: IdentityPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """List the connectors that a charge point has reported. Connector 0 is the charge point itself."""
    rows = await charge_points.connectors(access.tenant_id, identity)
    content = encoded({"items": [connector_fields(row) for row in rows]})
    return encoded_response(content, if_none_match=if_none_match)


@router.get("/{identity}/connectors/{connector_id}", response_model=Connector, responses=problems(304, 404))
async def get_connector(
    access: ReadAccess,
    charge_points: ChargePoints,
    identity: IdentityPath,
    connector_id: ConnectorIdPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read the newest known state of one connector."""
    for row in await charge_points.connectors(access.tenant_id, identity):
        if row["connector_id"] == connector_id:
            return encoded_response(encoded(connector_fields(row)), if_none_match=if_none_match)
    raise NotFound("The charge point has not reported this connector.", "connector_id")
