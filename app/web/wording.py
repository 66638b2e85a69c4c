"""The words for a broken rule: one mistake has one wording, whether pydantic, core or server found it."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from app.errors import FieldViolation
from app.types import (
    CONFIGURATION_KEY_PATTERN,
    IDENTITY_PATTERN,
    QUIRK_PROFILE_PATTERN,
    SLUG_PATTERN,
    SOURCE_PATTERN,
    USER_NAME_PATTERN,
    ZONE_PATTERN,
)

ID_TAG_PATTERN: Final = r"^[!-\-0-~][ -.0-~]{0,35}$"
"""Printable ASCII, without '/' and leading dot, as it is a path segment.

Charge points send more than the 20 characters of an IdToken (OCPP 1.6 7.28), such as an eMAID.
"""
PARENT_ID_TAG_PATTERN: Final = r"^[!-\-0-~][ -.0-~]{0,19}$"
"""As an id tag, of up to 20 characters, because answers to charge points name it."""
LINE_PATTERN: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"
NOTE_PATTERN: Final = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
IDEMPOTENCY_KEY_PATTERN: Final = r"^[!-~]{1,255}$"
ACTION_PATTERN: Final = r"^[A-Za-z]{1,50}$"
CODE_PATTERN: Final = r"^[a-z0-9_]{1,48}$"
FILE_ID_PATTERN: Final = r"^[A-Za-z0-9-]{1,64}$"
CURSOR_PATTERN: Final = r"^[A-Za-z0-9_-]+$"
SHA256_PATTERN: Final = r"^[0-9A-Fa-f]{64}$"
TIME_OF_DAY_PATTERN: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
PEM_PATTERN: Final = r"^[\t\n\r -~]+$"
SERIAL_PATTERN: Final = r"^[0-9A-Fa-f]{1,40}$"
INSTALLED_ID_PATTERN: Final = r"^[0-9a-f]{32}$"
LABEL_KEY_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$"
# Names of sites are written in all scripts.
LABEL_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}(:[^\x00-\x1f\x7f-\x9f]{1,255})?$"
CREDENTIAL_HEADER_PATTERN: Final = r"^(Authorization|Ocp-Apim-Subscription-Key|X-[A-Za-z0-9-]{1,60})$"
PRINTABLE_PATTERN: Final = r"^[ -~]+$"
HASH_PATTERN: Final = r"^[!-~]{1,128}$"
"""A hash, or a serial number, as a charge point writes it."""
END_OF_DAY_PATTERN: Final = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
ORIGIN_PATTERN: Final = (
    r"^(\*|https?://[a-z0-9.-]{1,180}(:[0-9]{1,5})?|https?://\[[0-9a-f:.]{2,45}\](:[0-9]{1,5})?)$"
)

PATTERN_WORDS: Final[Mapping[str, str]] = {
    ID_TAG_PATTERN: "must be 1 to 36 printable ASCII characters without '/', not beginning with blank or '.'",
    PARENT_ID_TAG_PATTERN: (
        "must be 1 to 20 printable ASCII characters without '/', not beginning with blank or '.'"
    ),
    LINE_PATTERN: "must be one line without control characters",
    NOTE_PATTERN: "must not have control characters, except line breaks and tabs",
    IDEMPOTENCY_KEY_PATTERN: "must be 1 to 255 printable ASCII characters without blanks",
    ACTION_PATTERN: "must be 1 to 50 letters of A-Z and a-z",
    CODE_PATTERN: "must be 1 to 48 of a-z, 0-9 and '_'",
    FILE_ID_PATTERN: "must be 1 to 64 of A-Z, a-z, 0-9 and '-'",
    CURSOR_PATTERN: "is not a cursor of this listing",
    SHA256_PATTERN: "must be 64 hexadecimal digits",
    TIME_OF_DAY_PATTERN: "must be a time of day from 00:00 to 23:59",
    PEM_PATTERN: "must be PEM: printable ASCII characters and line breaks",
    SERIAL_PATTERN: "must be 1 to 40 hexadecimal digits",
    INSTALLED_ID_PATTERN: "must be 32 hexadecimal digits in lower case",
    CREDENTIAL_HEADER_PATTERN: "must be Authorization, Ocp-Apim-Subscription-Key, or begin with X-",
    PRINTABLE_PATTERN: "must be printable ASCII characters",
    HASH_PATTERN: "must be 1 to 128 printable ASCII characters without blanks",
    END_OF_DAY_PATTERN: "must be a time of day from 00:00 to 24:00",
    ORIGIN_PATTERN: "must be * or an origin in lower case without a path, such as https://dashboard.example",
    LABEL_KEY_PATTERN: "must be 1 to 63 of A-Z, a-z, 0-9 and ._/-, beginning with a letter or digit",
    LABEL_PATTERN: "must be key:value, or key: 1 to 63 of A-Z, a-z, 0-9 and ._/-, then up to 255 characters",
    rf"^{IDENTITY_PATTERN}$": "must be 1 to 48 of A-Z, a-z, 0-9, blank and *+=|@._-, not beginning with '.'",
    rf"^{SLUG_PATTERN}$": "must be 1 to 40 of a-z, 0-9 and '-'",
    rf"^{USER_NAME_PATTERN}$": "must be 1 to 100 of a-z, 0-9 and ._@+-, beginning with a letter or digit",
    rf"^{QUIRK_PROFILE_PATTERN}$": "must be 1 to 48 of a-z, 0-9 and '-', not beginning with '-'",
    rf"^{CONFIGURATION_KEY_PATTERN}$": "must be 1 to 50 printable ASCII characters without blanks",
    rf"^{SOURCE_PATTERN}$": "must be 1 to 500 printable ASCII characters",
    rf"^{ZONE_PATTERN}$": "must be 1 to 60 of A-Z, a-z, 0-9 and +_/-",
}
"""The words for a text, by the pattern that it has to match. A test finds patterns that are missing here."""

INTEGER_DIGITS: Final = 18
"""An integer with at most so many digits is read as one."""
_BODY: Final = "the body must be an object"
_INTEGER: Final = "is not an integer"
_NUMBER: Final = "is not a number"
_BOOLEAN: Final = "is neither true nor false"
_OBJECT: Final = "is not an object"
WORDS: Final[Mapping[str, str]] = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "unknown_field": "is not a known field",
    "duplicate_field": "is given twice in its object",
    "int_type": _INTEGER,
    "int_parsing": _INTEGER,
    "int_from_float": _INTEGER,
    "int_parsing_size": "is too large",
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "is not a finite number",
    "bool_type": _BOOLEAN,
    "bool_parsing": _BOOLEAN,
    "string_type": "is not a string",
    "list_type": "is not an array",
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "not_an_object": _OBJECT,
    "uuid_type": "is not a UUID",
    "uuid_parsing": "is not a UUID",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "string_too_short": "has fewer than {min_length} characters",
    "string_too_long": "has more than {max_length} characters",
    "too_short": "has fewer than {min_length} items",
    "too_long": "has more than {max_length} items",
    "greater_than": "is not more than {gt}",
    "greater_than_equal": "is less than {ge}",
    "less_than": "is not less than {lt}",
    "less_than_equal": "is more than {le}",
}
"""The words for a broken rule, by its name: of pydantic, or of the core."""

_CORE_WORDS: Final = (
    (re.compile(r"expected a boolean"), _BOOLEAN),
    (re.compile(r"expected (an? .+)"), r"is not \1"),
    (re.compile(r"expected at most (\d+ \w+)"), r"has more than \1"),
    (re.compile(r"expected at least (\d+ \w+)"), r"has fewer than \1"),
    (re.compile(r"the number is too large|does not fit 64 bits"), "is too large"),
    (re.compile(r"(not (?:an?|one of) .+)"), r"is \1"),
    (re.compile(r"(outside the allowed range|below the least allowed value)"), r"is \1"),
)
"""Details of the core without a code of their own."""


def words_of(fault: Mapping[str, Any]) -> str:
    """Return what is wrong by a finding of pydantic, without the value itself, which may be a secret.

    fault: with `ctx` and `input`.
    """
    rule: str = fault["type"]
    context: Mapping[str, Any] = fault.get("ctx") or {}
    if rule == "string_pattern_mismatch":
        return PATTERN_WORDS.get(context["pattern"], "has characters that are not allowed here")
    if _is_huge(fault):
        return WORDS["int_parsing_size"]
    # A rule of ours has its words in the message.
    words = WORDS.get(rule)
    return fault["msg"].removeprefix("Value error, ") if words is None else words.format_map(context)


def reworded(violation: FieldViolation) -> FieldViolation:
    """Return a violation of ours or of the core in the words for its rule."""
    detail = _of_core(violation)
    if not violation.pointer and (detail == _OBJECT or violation.code == "missing"):
        detail = _BODY
    return FieldViolation(violation.pointer, violation.code, detail)


def _of_core(violation: FieldViolation) -> str:
    if violation.detail in ("a required field is missing", "unknown field", "duplicate field") or (
        violation.code == "not_an_object"
    ):
        return WORDS[violation.code]
    for form, words in _CORE_WORDS:
        if match := form.fullmatch(violation.detail):
            return match.expand(words)
    return violation.detail


def _is_huge(fault: Mapping[str, Any]) -> bool:
    """Say whether an integer has so many digits that it was read as a decimal (`exact_json`)."""
    given = fault.get("input")
    if fault["type"] != "int_type" or not isinstance(given, Decimal) or not given.is_finite():
        return False
    return given.adjusted() >= INTEGER_DIGITS
