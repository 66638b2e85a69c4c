"""Types that all packages share: identifiers, patterns of names, scopes, JSON."""

from typing import Any, Final, Literal, NamedTuple, NewType

SLUG_PATTERN: Final = r"[a-z0-9-]{1,40}"
"""The name of a tenant, or of a protocol, in URLs. Like each pattern here it has no anchors."""

IDENTITY_PATTERN: Final = r"[A-Za-z0-9*+=|@_ -][A-Za-z0-9*+=|@._ -]{0,47}"
"""The identity of a charge point: the last segment of its URL (OCPP-J 3.1.1, OCPP 2.0.1 part 4 3.1.1).

It has no colon, because Basic authentication splits there. It has no leading dot, because `.` and `..` are
steps of a path. It has no slash, percent sign or control character, and nothing outside ASCII.
"""

QUIRK_PROFILE_PATTERN: Final = r"[a-z0-9][a-z0-9-]{0,47}"
"""The name of a quirk profile."""

CONFIGURATION_KEY_PATTERN: Final = r"[!-~]{1,50}"
"""The name of a configuration key (OCPP 1.6 7.29)."""

SOURCE_PATTERN: Final = r"[ -~]{1,500}"
"""Where a habit is known from: a URL, or a few words."""

ZONE_PATTERN: Final = r"[A-Za-z0-9+_/-]{1,60}"
"""The name of a time zone. A name that matches may still not exist."""

USER_NAME_PATTERN: Final = r"[a-z0-9][a-z0-9._@+-]{0,99}"
"""The name of a user, which may be a mail address. It is unique within the tenant."""

TenantId = NewType("TenantId", int)
"""Primary key of a tenant. Every store and every builder of Redis keys needs one."""

ChargePointId = NewType("ChargePointId", int)
"""Primary key of a charge point, unique over all tenants. Its name in OCPP is the `identity`."""


class ChargePointKey(NamedTuple):
    """A charge point and its tenant: what rows of charge points are found by."""

    tenant_id: int
    charge_point_id: int


WorkerId = NewType("WorkerId", str)
"""Id of one server process, from its start to its end."""

CommandId = NewType("CommandId", str)
"""UUID text (36 characters): the id of a command, and the unique id of its CALL."""

Scope = Literal["read", "command", "write", "admin", "metrics"]
"""A permission of an API key. No scope contains another. `metrics` is for keys of the platform."""

Json = dict[str, Any]
"""A JSON object."""
