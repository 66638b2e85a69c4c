"""`/v1/files`: files of a tenant, such as firmware, and what its charge points have uploaded."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Path, Query, Request
from starlette.responses import Response

from app.errors import FieldViolation, InvalidInput
from app.files.bodies import FileBody, is_form
from app.files.content import FileResponse, RangeNotSatisfiable
from app.files.errors import StorageFull, TransferCutOff, TransferTooLarge
from app.files.records import FileFilter
from app.files.schemas import File, FileQuery, FileUploadQuery
from app.files.service import FileService
from app.long_transfers import begin_long_transfer
from app.web.access import ReadAccess, WriteAccess
from app.web.conditional import IfNoneMatch, page_response, resource_response
from app.web.pagination import IdentifiedMoment, Page, cut_page, decode_cursor
from app.web.paths import location
from app.web.problems import documented_error, problems
from app.web.routers import Tag, api_router
from app.web.services import provided

router = api_router(
    prefix="/v1/files",
    tags=[Tag("files", "Files: your own, such as firmware, and those that charge points have uploaded.")],
)

Files = Annotated[FileService, Depends(provided(FileService))]
FileIdPath = Annotated[UUID, Path(description="Id of the file.")]

_PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
_BINARY: Final[dict[str, Any]] = {
    "schema": {"type": "string", "format": "binary"},
    "example": "the bytes of the file",
}
_UPLOAD: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "The content itself, or a form with one file.",
        "content": {
            "application/octet-stream": _BINARY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                },
                "example": {"file": "the bytes of the file"},
            },
        },
    }
}
_UPLOAD_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    400: documented_error("The content has not come whole.", TransferCutOff(), _PROBLEM),
    413: documented_error("The content is too long.", TransferTooLarge(536_870_912), _PROBLEM),
    507: documented_error("No room is left.", StorageFull("The disk of the server is full."), _PROBLEM),
}
_CONTENT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The whole content.", "content": {"application/octet-stream": _BINARY}},
    206: {"description": "A part of it.", "content": {"application/octet-stream": _BINARY}},
    416: documented_error(
        "The part begins behind the end of the file.", RangeNotSatisfiable(18_874_368), _PROBLEM
    ),
}


@router.get("", response_model=Page[File], responses=problems())
async def list_files(access: ReadAccess, files: Files, query: Annotated[FileQuery, Query()]) -> Response:
    """List files, the newest first."""
    key = decode_cursor(query.cursor, IdentifiedMoment)
    filters = FileFilter(query.origin, query.charge_point, query.name)
    after = None if key is None else (key.at, key.id)
    rows = await files.page(access.tenant_id, query.limit + 1, after, filters)
    page, next_cursor = cut_page(rows, query.limit, lambda row: (row.created_at, row.id))
    items = [File.model_validate(row) for row in page]
    return page_response(Page[File](items=items, next_cursor=next_cursor))


@router.post(
    "",
    response_model=File,
    status_code=201,
    responses={**problems(), **_UPLOAD_ERRORS},
    openapi_extra=_UPLOAD,
)
async def upload_file(
    request: Request, access: WriteAccess, files: Files, query: Annotated[FileUploadQuery, Query()]
) -> Response:
    """Upload a file, such as firmware. It is there when its content has come whole, or not at all.

    The name is that of `name`, or that of the form. What is not safe in a name of a file is replaced.
    """
    body = FileBody(request, query.name, files.settings.file_limit_bytes)
    if query.name is None and not is_form(request) and body.facts().name is None:
        raise InvalidInput([FieldViolation("name", "missing", "is required")])
    begin_long_transfer(request.scope)
    stored = await files.receive(
        access.tenant_id, body.content(), body.facts, created_by=access.issued_by, sha256=query.sha256
    )
    headers = {"Location": location("/v1/files", str(stored.id))}
    return resource_response(File.model_validate(stored), status_code=201, headers=headers)


@router.get("/{file_id}", response_model=File, responses=problems(304, 404))
async def get_file(
    access: ReadAccess, files: Files, file_id: FileIdPath, if_none_match: IfNoneMatch = None
) -> Response:
    """Read the facts about a file."""
    stored = await files.get(access.tenant_id, file_id)
    return resource_response(File.model_validate(stored), if_none_match=if_none_match)


@router.delete("/{file_id}", status_code=204, responses=problems(404))
async def delete_file(access: WriteAccess, files: Files, file_id: FileIdPath) -> Response:
    """Delete a file, and the URLs by which charge points may download it. Running downloads may end."""
    await files.delete(access.tenant_id, file_id)
    return Response(status_code=204)


@router.head("/{file_id}/content", include_in_schema=False)
@router.get(
    "/{file_id}/content",
    response_class=Response,
    responses={**problems(304, 404), **_CONTENT},
)
async def get_file_content(
    request: Request, access: ReadAccess, files: Files, file_id: FileIdPath
) -> Response:
    """Download the content of a file. Range, If-Range and If-None-Match are understood."""
    begin_long_transfer(request.scope)
    stored = await files.get(access.tenant_id, file_id)
    return FileResponse(files, stored, request)
