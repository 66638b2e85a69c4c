"""Paths of resources, percent-encoded, for the Location header."""

from urllib.parse import quote


def location(collection: str, *segments: str) -> str:
    """The path of a resource: each segment encoded whole, so that none can become two."""
    return "/".join([collection, *(quote(segment, safe="") for segment in segments)])
