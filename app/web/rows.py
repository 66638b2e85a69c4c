"""Writes rows of the database as JSON without a model in between, for what dashboards read again and again.

Each capability has the functions that turn its rows into `Fields`, next to the model of the same resource in
`schemas`. A test compares what both write.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from app.clock import utc_text, utc_text_of

Fields = dict[str, Any]
"""The members of a resource, ready to be written."""


def encoded(fields: Fields) -> bytes:
    """Write one resource."""
    return orjson.dumps(fields)


def encoded_page(items: Sequence[Fields], next_cursor: str | None) -> bytes:
    """Write a `Page`."""
    return orjson.dumps({"items": items, "next_cursor": next_cursor})


def optional_time(moment: datetime | None) -> str | None:
    """Return the text of a time that may be absent."""
    return None if moment is None else utc_text(moment)


def optional_time_of(moment_us: int | None) -> str | None:
    """Return the text of microseconds since 1970 that may be absent."""
    return None if moment_us is None else utc_text_of(moment_us)


def optional_json(text: str | None) -> orjson.Fragment | None:
    """Return a JSON column that may be null; its text is copied as PostgreSQL gives it."""
    return None if text is None else orjson.Fragment(text)
