"""`/transfers/{token}`: where charge points download and upload files. The token is their only credential.

Charge points append names of files to URLs, so everything behind the token counts as the name.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from app.errors import AppError
from app.files.bodies import FileBody
from app.files.content import FileResponse
from app.files.links import PATH
from app.files.service import FileService
from app.long_transfers import begin_long_transfer
from app.web.services import provided

router = APIRouter(prefix=PATH, include_in_schema=False)

Files = Annotated[FileService, Depends(provided(FileService))]


@router.api_route("/{token}", methods=["GET", "HEAD"])
@router.api_route("/{token}/{name:path}", methods=["GET", "HEAD"])
async def download(request: Request, files: Files, token: str, name: str = "") -> Response:
    """Send the file of a download link. Range and If-Range are understood, so a charge point may go on."""
    link, file = await files.begin_download(token)
    begin_long_transfer(request.scope)
    return FileResponse(files, file, request, link.id)


@router.api_route("/{token}", methods=["PUT", "POST"])
@router.api_route("/{token}/{name:path}", methods=["PUT", "POST"])
async def upload(request: Request, files: Files, token: str, name: str = "") -> Response:
    """Receive the upload of a charge point: the content itself, or a form with one file."""
    link = await files.begin_upload(token)
    try:
        body = FileBody(request, name or None, files.settings.upload_limit_bytes)
    except AppError as error:
        await files.upload_failed(link, error)
        raise
    begin_long_transfer(request.scope)
    stored = await files.receive_upload(link, body.content(), body.facts)
    shown = {"name": stored.name, "size_bytes": stored.size_bytes, "sha256": stored.sha256}
    return JSONResponse(shown, 201, {"Cache-Control": "no-store"})
