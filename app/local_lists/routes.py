"""`/v1/local-lists`, and `/v1/charge-points/{identity}/local-list`: local authorization lists."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, Path, Query
from starlette.responses import Response

from app.charge_points.schemas import ChargePointSelector, ShownSelector
from app.local_lists.records import ListOverview, LocalListRecord, NewLocalList
from app.local_lists.schemas import (
    LIST_NAME_PATTERN,
    ChargePointLocalList,
    LastSentList,
    ListDifference,
    ListSyncChange,
    LocalList,
    LocalListChange,
    LocalListCreate,
)
from app.local_lists.service import LocalListService
from app.web.access import CommandAccess, ReadAccess, WriteAccess
from app.web.conditional import (
    IfMatch,
    IfNoneMatch,
    entity_tag,
    page_response,
    require_match,
    resource_response,
)
from app.web.inputs import IdentityPath, Paging
from app.web.json_body import body_of, json_body
from app.web.pagination import Page, TextKey, cut_page, decode_cursor
from app.web.paths import location
from app.web.problems import problems
from app.web.routers import Tag, api_router
from app.web.services import provided

_TAG = Tag(
    "local-lists",
    "Local authorization lists: the id tags that charge points let charge while they are offline, kept in "
    "step by the server.",
)
router = api_router(prefix="/v1/local-lists", tags=[_TAG])
charge_point_router = api_router(prefix="/v1/charge-points/{identity}/local-list", tags=["local-lists"])

_Lists = Annotated[LocalListService, Depends(provided(LocalListService))]
_NamePath = Annotated[
    str, Path(pattern=LIST_NAME_PATTERN, description="Name of the list.", examples=["fleet"])
]


@router.get("", response_model=Page[LocalList], responses=problems())
async def list_local_lists(access: ReadAccess, lists: _Lists, query: Annotated[Paging, Query()]) -> Response:
    """List the local authorization lists by name."""
    after = decode_cursor(query.cursor, TextKey)
    found = [one for one in await lists.all(access.tenant_id) if after is None or one.name > after]
    page, next_cursor = cut_page(found[: query.limit + 1], query.limit, lambda one: one.name)
    return page_response(Page[LocalList](items=[_shown(one) for one in page], next_cursor=next_cursor))


@router.post(
    "",
    response_model=LocalList,
    status_code=201,
    responses=problems(409, body=True),
    openapi_extra=body_of(LocalListCreate),
)
async def create_local_list(
    access: WriteAccess,
    lists: _Lists,
    body: Annotated[LocalListCreate, Depends(json_body(LocalListCreate))],
) -> Response:
    """Create a local authorization list, and bring its charge points in step.

    A charge point has one list: one that has its identity, else one that selects it, else one for all charge
    points; of several the first by name. At most 100.
    """
    made = await lists.create(access.tenant_id, NewLocalList(**_columns(dict(body))), access.issued_by)
    headers = {"Location": location("/v1/local-lists", made.name)}
    return resource_response(_shown(made), status_code=201, headers=headers)


@router.get("/{list_name}", response_model=LocalList, responses=problems(304, 404))
async def get_local_list(
    access: ReadAccess, lists: _Lists, list_name: _NamePath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read one local authorization list."""
    found = await lists.get(access.tenant_id, list_name)
    return resource_response(_shown(found), if_none_match=if_none_match)


@router.patch(
    "/{list_name}",
    response_model=LocalList,
    responses=problems(404, 412, body=True),
    openapi_extra=body_of(LocalListChange),
)
async def change_local_list(
    access: WriteAccess,
    lists: _Lists,
    list_name: _NamePath,
    body: Annotated[LocalListChange, Depends(json_body(LocalListChange))],
    if_match: IfMatch = None,
) -> Response:
    """Change a local authorization list, and bring its charge points in step."""

    def compare(found: LocalListRecord) -> None:
        require_match(if_match, entity_tag(_shown(found)))

    changes = _columns(body.changes())
    changed = await lists.change(access.tenant_id, list_name, changes, access.issued_by, compare)
    return resource_response(_shown(changed))


@router.delete("/{list_name}", status_code=204, responses=problems(404))
async def delete_local_list(access: WriteAccess, lists: _Lists, list_name: _NamePath) -> Response:
    """Delete a local authorization list. Charge points keep what they have: to empty it, change it first."""
    await lists.delete(access.tenant_id, list_name, access.issued_by)
    return Response(status_code=204)


@charge_point_router.get("", response_model=ChargePointLocalList, responses=problems(304, 404))
async def get_charge_point_local_list(
    access: ReadAccess, lists: _Lists, identity: IdentityPath, if_none_match: IfNoneMatch = None
) -> Response:
    """Compare the list of a charge point with the one that it should have."""
    found = await lists.overview(access.tenant_id, identity)
    return resource_response(_overview(found), if_none_match=if_none_match)


@charge_point_router.patch(
    "",
    response_model=ChargePointLocalList,
    responses=problems(404, body=True),
    openapi_extra=body_of(ListSyncChange),
)
async def switch_local_list_sync(
    access: WriteAccess,
    lists: _Lists,
    identity: IdentityPath,
    body: Annotated[ListSyncChange, Depends(json_body(ListSyncChange))],
) -> Response:
    """Switch the synchronization of a charge point on or off. Raw commands still go out."""
    changes = body.changes()
    if not changes:
        found = await lists.overview(access.tenant_id, identity)
    else:
        found = await lists.switch(access.tenant_id, identity, changes["sync"], access.issued_by)
    return resource_response(_overview(found))


@charge_point_router.post(
    "/sync", response_model=ChargePointLocalList, status_code=202, responses=problems(404, 409)
)
async def synchronize_local_list(access: CommandAccess, lists: _Lists, identity: IdentityPath) -> Response:
    """Ask the charge point for its version now, and bring its list in step, whatever failed before."""
    found = await lists.synchronize(access.tenant_id, identity)
    return resource_response(_overview(found), status_code=202)


def _columns(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _column(value) for name, value in fields.items()}


def _column(value: Any) -> Any:
    if isinstance(value, ChargePointSelector):
        return value.stored()
    return tuple(value) if isinstance(value, list) else value


def _shown(found: LocalListRecord) -> LocalList:
    fields = asdict(found)
    for name in ("groups", "id_tags"):
        fields[name] = list(fields[name])
    selector = None if found.selector is None else ShownSelector.model_validate(found.selector)
    return LocalList(**{**fields, "selector": selector})


def _overview(found: ListOverview) -> ChargePointLocalList:
    known = found.known
    believed = known.believed
    return ChargePointLocalList(
        list_name=found.list_name,
        state=found.state,
        sync=found.sync,
        desired_version=found.desired_version,
        desired_entries=found.desired_entries,
        known_version=believed.version,
        known_entries=None if believed.entries is None else len(believed.entries),
        reported_version=known.reported_version,
        reported_at=known.reported_at,
        status=believed.status,
        status_at=known.status_at,
        reason=found.reason,
        last_sent=None if known.last_sent is None else LastSentList.model_validate(known.last_sent),
        differences=[ListDifference.model_validate(one) for one in found.differences],
        left_out=list(found.left_out),
    )
