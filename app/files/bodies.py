"""Reads the content of a file from the body of a request, part by part: plain, or as a multipart form."""

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import unquote

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from app.errors import FieldViolation, InvalidInput
from app.files.errors import TransferCutOff, TransferTooLarge
from app.files.records import UploadFacts
from app.files.rules import coded_media_type, is_whole, name_of_disposition

_PARTS_LIMIT: Final = 50
"""Parts of a form. A form with a file has a few."""
_FORM_BYTES: Final = 65_536
"""Bytes of a form that may be no part of its file."""


class FileBody:
    """The content of a file in the body of a request."""

    def __init__(self, request: Request, name: str | None, limit_bytes: int) -> None:
        """name: of the file if the body does not tell another one.

        Raises:
            TransferTooLarge: the request announces a longer body.
            InvalidInput: it is a form without a boundary, or brings a part of a file only.
        """
        if not is_whole(request.headers.get("content-range")):
            detail = "a part of a file is not taken: send the whole file"
            raise InvalidInput([FieldViolation("Content-Range", "not_whole", detail)])
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > limit_bytes + _form_bytes(request):
            raise TransferTooLarge(limit_bytes)
        self._request = request
        self._limit_bytes = limit_bytes
        disposition = request.headers.get("content-disposition", "")
        media_type = coded_media_type(
            request.headers.get("content-type"), request.headers.get("content-encoding", "")
        )
        self._facts = UploadFacts(name or name_of_disposition(disposition), media_type)
        self._boundary: bytes | None = None
        if is_form(request):
            _, options = parse_options_header(request.headers["content-type"])
            self._boundary = options.get(b"boundary")
            if not self._boundary:
                raise _malformed("the form has no boundary")

    def facts(self) -> UploadFacts:
        """Return the name and the media type. Those of a form are known when it was read."""
        return self._facts

    async def content(self) -> AsyncIterator[bytes]:
        """Yield the content, in parts.

        Raises:
            TransferCutOff: the client has gone away.
            TransferTooLarge: a form holds much more than its file.
            InvalidInput: it is not the form that it says, or a form without a file.
        """
        try:
            if self._boundary is None:
                async for chunk in self._request.stream():
                    if chunk:
                        yield chunk
                return
            form, received = _Form(self._boundary), 0
            async for chunk in self._request.stream():
                received += len(chunk)
                if received > self._limit_bytes + _FORM_BYTES:
                    raise TransferTooLarge(self._limit_bytes)
                for piece in form.pieces(chunk):
                    yield piece
            form.require_whole()
        except ClientDisconnect:
            raise TransferCutOff from None
        self._facts = UploadFacts(form.name or self._facts.name, form.media_type)


class _Form:
    """Finds the file in a multipart form (RFC 7578): the first part that has a file name."""

    def __init__(self, boundary: bytes) -> None:
        self.name: str | None = None
        self.media_type: str | None = None
        self._pieces: list[bytes] = []
        self._field, self._value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._parts = 0
        self._is_in_file = self._has_file = self._is_whole = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begins,
                    "on_header_field": self._field_comes,
                    "on_header_value": self._value_comes,
                    "on_header_end": self._header_ends,
                    "on_headers_finished": self._content_begins,
                    "on_part_data": self._data_comes,
                    "on_part_end": self._part_ends,
                    "on_end": self._form_ends,
                },
            )
        except FormParserError:
            raise _malformed("the boundary of the form is too long") from None

    def pieces(self, chunk: bytes) -> list[bytes]:
        """Return what a part of the body holds of the file.

        Raises:
            InvalidInput: it is not a form, or has too many parts.
        """
        self._pieces = []
        if chunk:
            try:
                self._parser.write(chunk)
            except FormParserError:
                raise _malformed("the body is not the form that Content-Type says") from None
        return self._pieces

    def require_whole(self) -> None:
        """Check the form at the end of the body.

        Raises:
            InvalidInput: it does not end, or has no file.
        """
        if not self._is_whole:
            raise _malformed("the form does not end")
        if not self._has_file:
            raise _malformed("the form has no file")

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > _PARTS_LIMIT:
            raise _malformed(f"the form has more than {_PARTS_LIMIT} parts")
        self._headers = {}

    def _field_comes(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _value_comes(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        self._headers[bytes(self._field).strip().lower()] = bytes(self._value)
        self._field, self._value = bytearray(), bytearray()

    def _content_begins(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"").decode("utf-8", "replace")
        name = name_of_disposition(disposition)
        if name is None or self._has_file:
            return
        self._is_in_file = self._has_file = True
        self.name = unquote(name)
        self.media_type = self._headers.get(b"content-type", b"").decode("latin-1")

    def _data_comes(self, data: bytes, start: int, end: int) -> None:
        if self._is_in_file:
            self._pieces.append(data[start:end])

    def _part_ends(self) -> None:
        self._is_in_file = False

    def _form_ends(self) -> None:
        self._is_whole = True


def is_form(request: Request) -> bool:
    """Tell whether a request says that its body is a multipart form."""
    return request.headers.get("content-type", "").lower().lstrip().startswith("multipart/form-data")


def _form_bytes(request: Request) -> int:
    """Return how many bytes of a body may be no part of the file."""
    return _FORM_BYTES if is_form(request) else 0


def _malformed(detail: str) -> InvalidInput:
    return InvalidInput([FieldViolation("body", "malformed_form", detail)])
