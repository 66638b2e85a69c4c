"""`/v1/charge-points/{identity}/configuration`: the configuration that it last reported."""

from typing import Annotated

from fastapi import Depends
from starlette.responses import Response

from app.configuration.schemas import Configuration, ConfigurationKey
from app.configuration.service import ConfigurationService
from app.web.access import ReadAccess
from app.web.conditional import IfNoneMatch, resource_response
from app.web.inputs import IdentityPath
from app.web.problems import problems
from app.web.routers import api_router
from app.web.services import provided

router = api_router(prefix="/v1/charge-points/{identity}", tags=["charge-points"])

Configurations = Annotated[ConfigurationService, Depends(provided(ConfigurationService))]


@router.get("/configuration", response_model=Configuration, responses=problems(304, 404))
async def get_configuration(
    access: ReadAccess,
    configurations: Configurations,
    identity: IdentityPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read the configuration that was last reported. The command GetConfiguration refreshes it."""
    rows = await configurations.of_charge_point(access.tenant_id, identity)
    items = [ConfigurationKey.model_validate(row) for row in rows]
    return resource_response(Configuration(items=items), if_none_match=if_none_match)
