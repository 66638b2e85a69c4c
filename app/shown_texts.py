"""Shows what a charge point wrote in free text without the secrets in it."""

import orjson

from app.ocpp import redact, redact_fault_text


def shown_text(text: str) -> str:
    """Return a text without secrets: passwords, keys, and the tokens of its URLs."""
    wrapped = orjson.dumps({"data": text.encode("utf-8", "replace").decode()}).decode()
    shown = redact(wrapped)
    if shown == wrapped:
        return text
    try:
        found: str = orjson.loads(shown)["data"]
    except ValueError:
        # Too large to be looked at: then it is hidden as a whole.
        return shown
    return found


def shown_fault_text(text: str) -> str:
    """Return a text of a status or of a security event without secrets; words about a fault stay."""
    return redact_fault_text(text.encode("utf-8", "replace").decode())
