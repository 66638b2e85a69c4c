"""Text that PostgreSQL can hold: NUL characters and lone surrogates become U+FFFD.

Both are legal in JSON and impossible in `text` and `jsonb`: without this, one such message would fail for
ever.
"""

import re
from dataclasses import fields, is_dataclass
from typing import Any

import orjson

_IMPOSSIBLE = re.compile("[\x00\ud800-\udfff]")


def clean_text(value: str) -> str:
    """Return the text with what PostgreSQL cannot hold replaced."""
    return _IMPOSSIBLE.sub("\ufffd", value)


def clean_optional(value: str | None) -> str | None:
    """Return `clean_text` of a text, None of None."""
    return None if value is None else _IMPOSSIBLE.sub("\ufffd", value)


def clean_json(value: Any) -> Any:
    """Return JSON with each text cleaned; dataclasses as objects, integers beyond 64 bits as texts."""
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

    The common value is encoded as it is and only searched for the one escape that `jsonb` refuses.
    """
    try:
        text = orjson.dumps(value).decode()
    except TypeError:
        return orjson.dumps(clean_json(value)).decode()
    if "\\u0000" in text:
        return orjson.dumps(clean_json(value)).decode()
    return text
