"""Local authorization lists: make, switch and delete them, and show which charge points drift from theirs."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.charge_points.records import ChargePointFilter
from app.charge_points.service import ChargePointService
from app.console.access import ConsoleRoute, Operator, Viewer, field_of, go_to
from app.console.forms import QueryText, Refusal, input_of, lines_of, refusal_of
from app.console.rendering import ROOT, page, query_text
from app.errors import AppError
from app.local_lists.records import ListOverview, NewLocalList
from app.local_lists.schemas import LIST_NAME_PATTERN, LocalListCreate
from app.local_lists.service import LocalListService
from app.types import TenantId
from app.users.records import SignedIn
from app.web.inputs import Identity
from app.web.services import provided

router = APIRouter(prefix=f"{ROOT}/local-lists", route_class=ConsoleRoute)

_Lists = Annotated[LocalListService, Depends(provided(LocalListService))]
_Points = Annotated[ChargePointService, Depends(provided(ChargePointService))]
_Name = Annotated[str, Path(pattern=LIST_NAME_PATTERN)]
_ADDRESS: Final = f"{ROOT}/local-lists"
_PAGE_SIZE: Final = 20
"""Charge points of one page: each one is compared with its list."""
_TEXTS: Final = ("name", "note", "groups", "id_tags", "selector")


@dataclass(frozen=True, slots=True)
class ShownDrift:
    """A charge point, compared with the list that it should have."""

    identity: str
    overview: ListOverview


@router.get("")
async def local_lists_page(request: Request, person: Viewer, lists: _Lists) -> Response:
    """Show the lists."""
    return await _lists_page(request, person, lists, {}, Refusal())


@router.post("")
async def create_local_list(request: Request, person: Operator, lists: _Lists) -> Response:
    """Make a list."""
    given = {name: (await field_of(request, name)).strip() for name in _TEXTS}
    given["all_id_tags"] = await field_of(request, "all_id_tags")
    labels = lines_of(given["selector"])
    values = {
        "name": given["name"],
        "note": given["note"] or None,
        "all_id_tags": given["all_id_tags"] == "true",
        "groups": lines_of(given["groups"]),
        "id_tags": lines_of(given["id_tags"]),
        "selector": {"labels": labels} if labels else {},
    }
    try:
        made = input_of(LocalListCreate, values)
        selector = None if made.selector is None else made.selector.stored()
        new = NewLocalList(
            name=made.name,
            note=made.note,
            all_id_tags=made.all_id_tags,
            groups=tuple(made.groups),
            id_tags=tuple(made.id_tags),
            selector=selector,
        )
        await lists.create(person.tenant_id, new, person.actor)
    except AppError as error:
        return await _lists_page(request, person, lists, given, refusal_of(error, _TEXTS))
    return go_to(f"{_ADDRESS}/{made.name}")


@router.get("/{list_name}")
async def local_list_page(
    request: Request, person: Viewer, lists: _Lists, points: _Points, list_name: _Name, after: QueryText = ""
) -> Response:
    """Show a list, and what its charge points have of it."""
    found = await lists.get(person.tenant_id, list_name)
    drifts, next_after = await _drifts(person.tenant_id, lists, points, found.filters, after)
    values = {
        "list": found,
        "drifts": drifts,
        "next_address": None
        if next_after is None
        else f"{_ADDRESS}/{list_name}?{query_text({'after': next_after})}",
        "curl_path": f"/v1/local-lists/{list_name}",
    }
    return page(request, "local_list.html", person, values)


@router.post("/{list_name}/enabled")
async def switch_local_list(request: Request, person: Operator, lists: _Lists, list_name: _Name) -> Response:
    """Keep the charge points of a list in step with it, or not any more."""
    enabled = await field_of(request, "enabled") == "true"
    await lists.change(person.tenant_id, list_name, {"enabled": enabled}, person.actor, lambda record: None)
    return go_to(f"{_ADDRESS}/{list_name}")


@router.post("/{list_name}/delete")
async def delete_local_list(person: Operator, lists: _Lists, list_name: _Name) -> Response:
    """Delete a list. Charge points keep what they have."""
    await lists.delete(person.tenant_id, list_name, person.actor)
    return go_to(_ADDRESS)


@router.post("/{list_name}/charge-points/{identity}/sync")
async def synchronize_charge_point(
    person: Operator, lists: _Lists, list_name: _Name, identity: Annotated[Identity, Path()]
) -> Response:
    """Ask a charge point for its version now, and bring it in step."""
    await lists.synchronize(person.tenant_id, identity)
    return go_to(f"{_ADDRESS}/{list_name}")


async def _drifts(
    tenant_id: TenantId,
    lists: LocalListService,
    points: ChargePointService,
    filters: ChargePointFilter | None,
    after: str,
) -> tuple[list[ShownDrift], str | None]:
    """Return a page of the charge points of a list, and the identity after which the next one begins."""
    if filters is None or filters.is_impossible:
        return [], None
    found = await points.narrowed_page(tenant_id, _PAGE_SIZE, after or None, filters)
    identities = [item.row["identity"] for item in found.items]
    shown = [ShownDrift(identity, await lists.overview(tenant_id, identity)) for identity in identities]
    return shown, found.next_after


async def _lists_page(
    request: Request, person: SignedIn, lists: LocalListService, given: dict[str, str], refusal: Refusal
) -> Response:
    values: dict[str, Any] = {
        "lists_of_tenant": await lists.all(person.tenant_id),
        "given": {**dict.fromkeys((*_TEXTS, "all_id_tags"), ""), **given},
        "refusal": refusal,
        "curl_path": "/v1/local-lists",
    }
    return page(request, "local_lists.html", person, values, refusal.status)
