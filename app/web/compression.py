"""Compresses answers that are made for one request. Documents are compressed once, by `documents`.

A strong entity tag names bytes, and the compressed bytes differ. So the tag of a compressed answer ends with
the name of its coding. Clients send that tag back, and routes see the tag that they have made.
"""

import re
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_compress import CompressMiddleware, add_compress_type, remove_compress_type

from app.errors import PROBLEM_MEDIA_TYPE

MINIMUM_BYTES: Final = 1024
"""Bytes below which an answer is sent as it is: it fits into one packet anyway."""

_CODED_TAG: Final = re.compile(rb'("[\x21\x23-\x7e\x80-\xff]*)\.(br|gzip|zstd)"')
_CONDITIONS: Final = frozenset({b"if-none-match", b"if-match"})
# Events must arrive at once, and one by one.
remove_compress_type("text/event-stream")
add_compress_type(PROBLEM_MEDIA_TYPE)
add_compress_type("application/schema+json")


class Compression:
    """ASGI middleware that compresses by Zstandard, Brotli or gzip what a client accepts."""

    def __init__(self, app: ASGIApp) -> None:
        self._compressing = CompressMiddleware(app, minimum_size=MINIMUM_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, and compress its answer."""
        if scope["type"] != "http":
            await self._compressing(scope, receive, send)
            return
        named = {}
        for place, (name, value) in enumerate(scope["headers"]):
            if name in _CONDITIONS and (coded := _CODED_TAG.findall(value)):
                named.update({plain.decode("latin-1") + '"': coding.decode() for plain, coding in coded})
                scope["headers"][place] = (name, _CODED_TAG.sub(rb'\1"', value))

        async def send_tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                _name_coding(message, named)
            await send(message)

        await self._compressing(scope, receive, send_tagged)


def _name_coding(message: Message, named: dict[str, str]) -> None:
    """Add the coding of an answer to its strong tag. named: codings of the tags that the client has."""
    headers = MutableHeaders(raw=message["headers"])
    tag = headers.get("etag", "")
    coding = named.get(tag) if message["status"] == 304 else headers.get("content-encoding")
    if tag.startswith('"') and coding and not tag.endswith(f'-{coding}"'):
        headers["etag"] = f'{tag[:-1]}.{coding}"'
