"""Answers with the content of a file, whole or a part of it, in bounded memory."""

import asyncio
from email.utils import format_datetime
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.errors import AppError
from app.files.records import ByteRange, StoredFile
from app.files.rules import content_disposition, entity_tag, is_range_current, requested_range
from app.files.service import FileService
from app.files.storage import ContentReader
from app.logs import get_logger
from app.web.conditional import matching_tag

_LOG = get_logger(__name__)


class RangeNotSatisfiable(AppError):
    """The part that a client wants begins behind the end of the file."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(
            "range_not_satisfiable",
            416,
            "Range not satisfiable",
            f"The file has {size_bytes} bytes.",
            "Range",
        )
        self._size_bytes = size_bytes

    @property
    def headers(self) -> dict[str, str]:
        """Tell the size (RFC 9110 14.4)."""
        return {"Content-Range": f"bytes */{self._size_bytes}", "Accept-Ranges": "bytes"}


class FileResponse(Response):
    """Sends a file. The next part is read when the client has taken the one before."""

    def __init__(
        self,
        files: FileService,
        file: StoredFile,
        request: Request,
        link_id: UUID | None = None,
    ) -> None:
        """link_id: of the URL by which a charge point downloads it.

        Raises:
            RangeNotSatisfiable: the part that the client wants begins behind the end.
        """
        self._files = files
        self._file = file
        self._link_id = link_id
        self._part = ByteRange(0, file.size_bytes)
        headers = file_headers(file)
        status = 200
        # A range counts for GET only (RFC 9110 14.2).
        wanted = request.headers.get("range") if request.method == "GET" else None
        if_none_match = request.headers.get("if-none-match")
        if if_none_match is not None and matching_tag(if_none_match, (headers["ETag"],)):
            status, self._part = 304, ByteRange(0, 0)
            del headers["Content-Type"], headers["Content-Disposition"]
        elif wanted is not None and is_range_current(
            request.headers.get("if-range"), headers["ETag"], file.created_at
        ):
            part = requested_range(wanted, file.size_bytes)
            if part == "unsatisfiable":
                raise RangeNotSatisfiable(file.size_bytes)
            if part is not None:
                status, self._part = 206, part
                headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{file.size_bytes}"
        if status != 304:
            headers["Content-Length"] = str(self._part.end - self._part.start)
        super().__init__(None, status, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, and the content unless the method is HEAD.

        Raises:
            Unavailable: before the head is sent: too many transfers, or the storage does not answer.
        """
        if scope["method"] == "HEAD" or self._part.start == self._part.end:
            await self._send_head(send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        with self._files.slots.slot(self._file.tenant_id, self._link_id):
            content = await self._files.open(self._file)
            watch = asyncio.create_task(_until_gone(receive))
            try:
                await self._send_head(send)
                await self._send_part(content, send, watch)
            finally:
                watch.cancel()
                content.close()

    async def _send_head(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})

    async def _send_part(self, content: ContentReader, send: Send, watch: "asyncio.Task[None]") -> None:
        """Send the part. watch: done when the client has gone away, which `send` does not tell."""
        place, end = self._part
        chunk_bytes = self._files.storage.chunk_bytes
        while place < end and not watch.done():
            size = min(chunk_bytes, end - place)
            await self._files.pace.turn(size)
            chunk = await content.read(place, size)
            if not chunk:
                _LOG.error("file_content_short", file=str(self._file.id), at=place)
                raise RuntimeError("the content of a file is shorter than it was")
            place += len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": place < end})


async def _until_gone(receive: Receive) -> None:
    """Wait until the client has gone away, or has got everything."""
    while (await receive())["type"] != "http.disconnect":
        pass


def file_headers(file: StoredFile) -> dict[str, str]:
    """Return the headers of a file. A browser saves it, and never runs or shows it."""
    return {
        "Content-Type": file.media_type,
        "Content-Disposition": content_disposition(file.name),
        "ETag": entity_tag(file.sha256),
        "Last-Modified": format_datetime(file.created_at.replace(microsecond=0), usegmt=True),
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, no-cache",
    }
