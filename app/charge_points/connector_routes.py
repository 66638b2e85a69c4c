"""What a charge point reported: its connectors, and its configuration as far as it is known."""

from starlette.responses import Response

from app.charge_points.routes import existing_charge_point, known
from app.charge_points.schemas import Connector, Connectors
from app.charge_points.store import ChargePointReads
from app.configuration.schemas import Configuration, ConfigurationKey
from app.configuration.store import ConfigurationStore
from app.errors import NotFound
from app.web import hot_reads
from app.web.access import ReadAccess, ServicesDependency
from app.web.conditional import IfNoneMatch, encoded_response, resource_response
from app.web.hot_reads import encoded
from app.web.inputs import ConnectorIdPath, IdentityPath
from app.web.problems import problems
from app.web.routers import api_router

router = api_router(prefix="/v1/charge-points/{identity}", tags=["charge-points"])


@router.get("/connectors", response_model=Connectors, responses=problems(304, 404))
async def list_connectors(
    access: ReadAccess,
    services: ServicesDependency,
    identity: IdentityPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """List the connectors a charge point has reported, 0 (the charge point itself) included."""
    rows = known(await ChargePointReads(services.database.reads, access.tenant_id).connectors(identity))
    content = encoded({"items": [hot_reads.connector(row) for row in rows]})
    return encoded_response(content, if_none_match=if_none_match)


@router.get("/connectors/{connector_id}", response_model=Connector, responses=problems(304, 404))
async def get_connector(
    access: ReadAccess,
    services: ServicesDependency,
    identity: IdentityPath,
    connector_id: ConnectorIdPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read the newest known state of one connector."""
    for row in known(await ChargePointReads(services.database.reads, access.tenant_id).connectors(identity)):
        if row["connector_id"] == connector_id:
            return encoded_response(encoded(hot_reads.connector(row)), if_none_match=if_none_match)
    raise NotFound("The charge point has not reported this connector.", "connector_id")


@router.get("/configuration", response_model=Configuration, responses=problems(304, 404))
async def get_configuration(
    access: ReadAccess,
    services: ServicesDependency,
    identity: IdentityPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read the configuration as last reported. Send the command GetConfiguration to refresh it."""
    async with services.database.tenant(access.tenant_id) as work:
        record = await existing_charge_point(work, identity)
        rows = await ConfigurationStore(work).for_charge_point(record.id)
    items = [ConfigurationKey.model_validate(row) for row in rows]
    return resource_response(Configuration(items=items), if_none_match=if_none_match)
