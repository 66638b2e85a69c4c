"""Documents: bytes that are encoded once and sent many times as ASGI messages, plain or compressed.

A document never changes after it is built, and its entity tag is the hash of its bytes. JSON, pages and style
sheets are all sent by `Document.send`.
"""

import asyncio
import gzip
from collections.abc import Callable, Mapping
from functools import cache, partial
from hashlib import sha256
from typing import Any, Final

import brotli
import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.web.conditional import matching_tag
from app.web.negotiation import coding_of

# Content changes only with a release. So clients see a release soon, and ask again at the price of a 304.
MAX_AGE_S = 300
JSON_MEDIA_TYPE = b"application/json"
_CODINGS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    # Smaller than gzip at its best, and faster to make.
    "br": partial(brotli.compress, quality=5),
    "gzip": partial(gzip.compress, compresslevel=9, mtime=0),
}
_OFFERED: Final = tuple(_CODINGS)
_GAIN_BYTES: Final = 64
"""Bytes that hardly shrink are sent plain: the additional header would outweigh the gain."""

Headers = tuple[tuple[bytes, bytes], ...]


class Document:
    """One content, ready to send to GET and HEAD, by `If-None-Match` and `Accept-Encoding`.

    Args:
        body: the plain bytes.
        media_type: value of `Content-Type`.
        extra: further headers of every answer.
        max_age_s: seconds for which a cache may serve it without asking.
        status: of the answer. With any other than 200 it is neither cached nor conditional.
    """

    __slots__ = (
        "_caching",
        "_coded",
        "_plain_headers",
        "_status",
        "body",
        "etag",
        "etags",
    )

    def __init__(
        self,
        body: bytes,
        media_type: bytes = JSON_MEDIA_TYPE,
        *,
        extra: Headers = (),
        max_age_s: int = MAX_AGE_S,
        status: int = 200,
    ) -> None:
        self.body = body
        digest = sha256(media_type + b"\0" + body).hexdigest()[:32]
        # A strong tag names the bytes, and the compressed bytes differ.
        self.etags = (f'"{digest}"', *(f'"{digest}-{coding}"' for coding in _OFFERED))
        self.etag = self.etags[0]
        self._status = status
        cache_control = b"public, max-age=%d" % max_age_s if status == 200 else b"no-store"
        self._caching: Headers = ((b"cache-control", cache_control), (b"vary", b"Accept-Encoding"), *extra)
        self._plain_headers = self._headers(media_type, body, self.etag)
        self._coded: dict[str, tuple[bytes, Headers, str]] = {}
        for coding, tag in zip(_OFFERED, self.etags[1:], strict=True):
            coded = _CODINGS[coding](body)
            if len(coded) + _GAIN_BYTES < len(body):
                headers = (*self._headers(media_type, coded, tag), (b"content-encoding", coding.encode()))
                self._coded[coding] = (coded, headers, tag)

    def _headers(self, media_type: bytes, body: bytes, etag: str) -> Headers:
        return (
            (b"content-type", media_type),
            (b"content-length", str(len(body)).encode()),
            *(((b"etag", etag.encode()),) if self._status == 200 else ()),
            (b"x-content-type-options", b"nosniff"),
            *self._caching,
        )

    async def send(self, scope: Scope, send: Send) -> None:
        """Answer one HTTP request, whose method is GET or HEAD."""
        accept_encoding = if_none_match = b""
        for name, value in scope["headers"]:
            if name == b"accept-encoding":
                accept_encoding = accept_encoding + b"," + value if accept_encoding else value
            elif name == b"if-none-match":
                if_none_match = if_none_match + b"," + value if if_none_match else value
        coding = coding_of(accept_encoding.decode("latin-1"), _OFFERED)
        coded = None if coding is None else self._coded.get(coding)
        if if_none_match and self._status == 200:
            # The first one that fits is answered: that of the form which this client gets.
            tags = self.etags if coded is None else (coded[2], *self.etags)
            tag = matching_tag(if_none_match.decode("latin-1"), tags)
            if tag is not None:
                # A new list each time, since middleware may change the headers that it passes on.
                headers = [(b"etag", tag.encode()), *self._caching]
                await send({"type": "http.response.start", "status": 304, "headers": headers})
                await send({"type": "http.response.body", "body": b""})
                return
        body, chosen = (self.body, self._plain_headers) if coded is None else coded[:2]
        await send({"type": "http.response.start", "status": self._status, "headers": list(chosen)})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class LazyDocument(Document):
    """A document that is made when it is first used, for documents that few will ask for.

    A request makes it in a thread: the largest takes a second, and others must not wait for a stranger.

    make: makes it, with the same result each time.
    """

    __slots__ = ("_made", "_making")

    def __init__(self, make: Callable[[], Document]) -> None:
        self._made = cache(make)
        self._making: asyncio.Future[Document] | None = None

    async def send(self, scope: Scope, send: Send) -> None:
        """Answer one HTTP request, as the document itself does."""
        # What failed, for instance because no thread could be had, is tried again.
        if self._making is None or (self._making.done() and self._making.exception() is not None):
            self._making = asyncio.ensure_future(asyncio.to_thread(self._made))
        # Shielded: one client that leaves must not end the making for the others.
        document = await asyncio.shield(self._making)
        await document.send(scope, send)

    def __getattr__(self, name: str) -> Any:
        """Make the document, because an attribute of it is not set yet."""
        if name not in Document.__slots__:
            raise AttributeError(name)
        made = self._made()
        for slot in Document.__slots__:
            setattr(self, slot, getattr(made, slot))
        return getattr(self, name)


def json_document(value: Any, media_type: bytes = JSON_MEDIA_TYPE) -> Document:
    """Make a document of a JSON value, compact, in the order of its keys."""
    return Document(orjson.dumps(value), media_type)


class DocumentResponse(Response):
    """A document as the answer of an ordinary endpoint."""

    def __init__(self, document: Document) -> None:
        super().__init__()
        self._document = document

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the document by the same rules as `DocumentRoute`."""
        await self._document.send(scope, send)
