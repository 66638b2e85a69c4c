"""Shows what a charge point wrote without the secrets in it: passwords, keys, and the tokens of URLs."""

import json
from typing import Any

from app.ocpp import redact, redact_fault_text


def shown_json(value: Any) -> Any:
    """Return a value of JSON without secrets; a note instead of one that is too large or too deep."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    shown = redact(text)
    if shown == text:
        return value
    try:
        return json.loads(shown)
    except ValueError:
        return shown


def shown_text(text: str) -> str:
    """Return a text without secrets."""
    wrapped = {"data": text.encode("utf-8", "replace").decode()}
    shown = shown_json(wrapped)
    if shown is wrapped:
        return text
    found: str = shown["data"] if isinstance(shown, dict) else shown
    return found


def shown_fault_text(text: str) -> str:
    """Return a text of a status or of a security event without secrets; words about a fault stay."""
    return redact_fault_text(text.encode("utf-8", "replace").decode())
