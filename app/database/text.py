"""Makes text that PostgreSQL can store: NUL characters and lone surrogates become U+FFFD.

Both are legal in JSON, but impossible in `text` and `jsonb`. Without this, such a message would fail at each
try.
"""

import re
from dataclasses import fields, is_dataclass
from typing import Any

import orjson

_IMPOSSIBLE = re.compile("[\x00\ud800-\udfff]")


def clean_text(value: str) -> str:
    """Replace the characters that PostgreSQL cannot store."""
    return _IMPOSSIBLE.sub("\ufffd", value)


def clean_optional(value: str | None) -> str | None:
    """Do as `clean_text`, and return None for None."""
    return None if value is None else _IMPOSSIBLE.sub("\ufffd", value)


def clean_json(value: Any) -> Any:
    """Clean all texts in JSON. Dataclasses become objects, and integers beyond 64 bits become texts."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(key): clean_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean_json(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: clean_json(getattr(value, field.name)) for field in fields(value)}
    return value


def json_text(value: Any) -> str:
    """Return the JSON text of a value, safe for `jsonb`.

    Most values are encoded as they are. The text is then searched for the one escape that `jsonb` refuses.
    """
    try:
        text = orjson.dumps(value).decode()
    except TypeError:
        return orjson.dumps(clean_json(value)).decode()
    if "\\u0000" in text:
        return orjson.dumps(clean_json(value)).decode()
    return text
