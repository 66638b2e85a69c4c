"""Reads the head of an HTTP request before its application does."""

from typing import Any

from app.gateway.handshake import Headers
from app.gateway.path import belongs_here


def address_of(name: Any) -> tuple[str, int] | None:
    """Return host and port of a TCP address, None for any other address."""
    return (name[0], name[1]) if isinstance(name, tuple) else None


def content_length(headers: Headers) -> int | None:
    """Return the length of the body; None if it is chunked, or of unknown length."""
    fields = dict(headers)
    length = fields.get(b"content-length", b"0")
    return int(length) if b"transfer-encoding" not in fields and length.isdigit() else None


def lacks_connection(http_version: str, url: bytes, headers: Headers) -> bool:
    """Tell whether this is the handshake of a charge point but for the field `Connection`."""
    if http_version != "1.1" or all(name != b"upgrade" for name, _ in headers) or not belongs_here(url):
        return False
    fields = dict(headers)
    return (
        fields.get(b"upgrade", b"").lower() == b"websocket"
        and b"sec-websocket-key" in fields
        and b"connection" not in fields
    )
