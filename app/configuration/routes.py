"""`/v1/configuration-templates`, and the known and desired configuration of a charge point."""

from typing import Annotated

from fastapi import Depends, Path, Query
from starlette.responses import Response

from app.charge_points.schemas import ShownSelector
from app.configuration.records import StoredTemplate
from app.configuration.schemas import (
    TEMPLATE_NAME_PATTERN,
    Configuration,
    ConfigurationKey,
    ConfigurationTemplateReplacement,
    ConfigurationTemplateShown,
    DesiredConfiguration,
    DesiredConfigurationReplacement,
)
from app.configuration.sealing import shown_value
from app.configuration.service import ConfigurationService
from app.web.access import ReadAccess, WriteAccess
from app.web.conditional import IfNoneMatch, page_response, resource_response
from app.web.inputs import IdentityPath, Paging
from app.web.json_body import body_of, json_body
from app.web.pagination import Page, TextKey, cut_page, decode_cursor
from app.web.paths import location
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.services import provided

router = api_router(prefix="/v1/charge-points/{identity}", tags=["charge-points"])
template_router = api_router(
    prefix="/v1/configuration-templates",
    tags=[Tag("configuration-templates", "Configuration that many charge points should have.")],
)

Configurations = Annotated[ConfigurationService, Depends(provided(ConfigurationService))]
TemplateNamePath = Annotated[
    str, Path(pattern=TEMPLATE_NAME_PATTERN, description="Name of the template.", examples=["north"])
]


@router.get("/configuration", response_model=Configuration, responses=problems(304, 404))
async def get_configuration(
    access: ReadAccess,
    configurations: Configurations,
    identity: IdentityPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read the configuration that was last reported, and what is desired of it.

    The command GetConfiguration refreshes what is known.
    """
    rows = await configurations.of_charge_point(access.tenant_id, identity)
    items = [ConfigurationKey.model_validate(row) for row in rows]
    return resource_response(Configuration(items=items), if_none_match=if_none_match)


@router.get("/desired-configuration", response_model=DesiredConfiguration, responses=problems(304, 404))
async def get_desired_configuration(
    access: ReadAccess,
    configurations: Configurations,
    identity: IdentityPath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read what a charge point should have by itself, without what templates say."""
    keys = await configurations.own_keys(access.tenant_id, identity)
    return resource_response(DesiredConfiguration(keys=_shown_keys(keys)), if_none_match=if_none_match)


@router.put(
    "/desired-configuration",
    response_model=DesiredConfiguration,
    responses=problems(404, body=True),
    openapi_extra=body_of(DesiredConfigurationReplacement),
)
async def put_desired_configuration(
    access: WriteAccess,
    configurations: Configurations,
    identity: IdentityPath,
    body: Annotated[DesiredConfigurationReplacement, Depends(json_body(DesiredConfigurationReplacement))],
) -> Response:
    """Replace what a charge point should have by itself. It is changed when it is connected.

    A key that is not given keeps the value that it has. The AuthorizationKey and read-only keys are refused.
    """
    keys = await configurations.put_own_keys(access.tenant_id, identity, body.keys)
    return resource_response(DesiredConfiguration(keys=_shown_keys(keys)))


@template_router.get("", response_model=Page[ConfigurationTemplateShown], responses=problems())
async def list_configuration_templates(
    access: ReadAccess, configurations: Configurations, query: Annotated[Paging, Query()]
) -> Response:
    """List configuration templates by name. A tenant has at most 200."""
    after = decode_cursor(query.cursor, TextKey)
    found = [
        item
        for item in await configurations.templates(access.tenant_id)
        if after is None or item.name > after
    ]
    page, next_cursor = cut_page(found[: query.limit + 1], query.limit, lambda item: item.name)
    items = [_shown(item) for item in page]
    return page_response(Page[ConfigurationTemplateShown](items=items, next_cursor=next_cursor))


@template_router.get(
    "/{template_name}", response_model=ConfigurationTemplateShown, responses=problems(304, 404)
)
async def get_configuration_template(
    access: ReadAccess,
    configurations: Configurations,
    template_name: TemplateNamePath,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one configuration template."""
    template = await configurations.template(access.tenant_id, template_name)
    return resource_response(_shown(template), if_none_match=if_none_match)


@template_router.put(
    "/{template_name}",
    response_model=ConfigurationTemplateShown,
    responses={
        201: {"model": ConfigurationTemplateShown, "description": "It is new."},
        **problems(409, body=True),
    },
    openapi_extra=body_of(ConfigurationTemplateReplacement),
)
async def put_configuration_template(
    access: WriteAccess,
    configurations: Configurations,
    template_name: TemplateNamePath,
    body: Annotated[ConfigurationTemplateReplacement, Depends(json_body(ConfigurationTemplateReplacement))],
) -> Response:
    """Create a configuration template, or replace it. Charge points are changed when they are connected.

    What a charge point should have by itself comes first, then the template with the highest priority, then
    the first by name. The AuthorizationKey and read-only keys of the standard are refused.
    """
    template, is_new = await configurations.put_template(
        access.tenant_id, template_name, body.priority, body.selector.stored(), body.keys
    )
    headers = {"Location": location("/v1/configuration-templates", template_name)} if is_new else None
    return resource_response(_shown(template), status_code=201 if is_new else 200, headers=headers)


@template_router.delete("/{template_name}", status_code=204, responses=problems(404))
async def delete_configuration_template(
    access: WriteAccess, configurations: Configurations, template_name: TemplateNamePath
) -> Response:
    """Delete a configuration template. Charge points keep the values that they have."""
    await configurations.delete_template(access.tenant_id, template_name)
    return Response(status_code=204)


def _shown(template: StoredTemplate) -> ConfigurationTemplateShown:
    return ConfigurationTemplateShown(
        name=template.name,
        priority=template.priority,
        selector=ShownSelector.model_validate(template.selector),
        keys=_shown_keys(template.keys),
        created_at=template.created_at,
        updated_at=template.updated_at,
    )


def _shown_keys(keys: dict[str, str]) -> dict[str, str]:
    return {key: shown_value(key, value) for key, value in keys.items()}
