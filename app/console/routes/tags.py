"""Id tags: find, add, block and delete them."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.console.access import ConsoleRoute, Operator, Viewer, field_of, go_to
from app.console.forms import Cursor, QueryText, Refusal, input_of, refusal_of, time_of
from app.console.rendering import ROOT, page, query_text
from app.errors import AppError
from app.id_tags.records import IdTagFilter, IdTagStatus, NewIdTag
from app.id_tags.schemas import IdTagChange, IdTagCreate
from app.id_tags.service import IdTagService
from app.users.records import SignedIn
from app.web.inputs import IdTagPath
from app.web.pagination import TextKey, cut_page, decode_cursor
from app.web.services import provided

router = APIRouter(prefix=f"{ROOT}/tags", route_class=ConsoleRoute)

_Tags = Annotated[IdTagService, Depends(provided(IdTagService))]
_ADDRESS: Final = f"{ROOT}/tags"
_PAGE_SIZE: Final = 50
_STATUSES: Final[tuple[IdTagStatus, ...]] = get_args(IdTagStatus)
_FIELDS: Final = ("id_tag", "parent_id_tag", "expires_at", "note")


@dataclass(frozen=True, slots=True)
class TagQuery:
    """The parameters that narrow the list. An empty one does not."""

    prefix: QueryText = ""
    status: IdTagStatus | Literal[""] = ""
    cursor: Cursor = None


@router.get("")
async def tags_page(
    request: Request, person: Viewer, tags: _Tags, query: Annotated[TagQuery, Depends()]
) -> Response:
    """Show the tags."""
    return await _tags_page(request, person, tags, query)


@router.post("")
async def create_tag(request: Request, person: Operator, tags: _Tags) -> Response:
    """Add a tag."""
    given = {name: (await field_of(request, name)).strip() for name in _FIELDS}
    values = {
        "id_tag": given["id_tag"],
        "parent_id_tag": given["parent_id_tag"] or None,
        "expires_at": time_of(given["expires_at"]),
        "note": given["note"] or None,
    }
    try:
        made = input_of(IdTagCreate, values)
        await tags.create(person.tenant_id, NewIdTag(**dict(made)))
    except AppError as error:
        refusal = refusal_of(error, _FIELDS)
        return await _tags_page(request, person, tags, TagQuery(), given, refusal)
    return go_to(f"{_ADDRESS}?{query_text({'prefix': made.id_tag})}")


@router.post("/{id_tag}/status")
async def set_tag_status(request: Request, person: Operator, tags: _Tags, id_tag: IdTagPath) -> Response:
    """Block a tag, or let it charge again."""
    change = input_of(IdTagChange, {"status": await field_of(request, "status")})
    await tags.change(person.tenant_id, id_tag, change.changes(), lambda record: None)
    return go_to(f"{_ADDRESS}?{query_text({'prefix': id_tag})}")


@router.post("/{id_tag}/delete")
async def delete_tag(person: Operator, tags: _Tags, id_tag: IdTagPath) -> Response:
    """Delete a tag."""
    await tags.delete(person.tenant_id, id_tag)
    return go_to(_ADDRESS)


async def _tags_page(
    request: Request,
    person: SignedIn,
    tags: IdTagService,
    query: TagQuery,
    given: dict[str, str] | None = None,
    refusal: Refusal | None = None,
) -> Response:
    after = decode_cursor(query.cursor, TextKey)
    filters = IdTagFilter(query.prefix or None, query.status or None)
    rows = await tags.page(person.tenant_id, _PAGE_SIZE + 1, after, filters)
    shown, cursor = cut_page(rows, _PAGE_SIZE, lambda row: row.id_tag_key)
    narrowed = {"prefix": query.prefix, "status": query.status}
    values: dict[str, Any] = {
        "tags": shown,
        "statuses": _STATUSES,
        "narrowed": narrowed,
        "next_address": f"{_ADDRESS}?{query_text({**narrowed, 'cursor': cursor})}" if cursor else None,
        "given": given or dict.fromkeys(_FIELDS, ""),
        "refusal": refusal or Refusal(),
        "curl_path": f"/v1/id-tags?{query_text({**narrowed, 'limit': _PAGE_SIZE})}",
    }
    return page(request, "tags.html", person, values, values["refusal"].status)
