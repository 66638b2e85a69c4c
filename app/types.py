"""Types that all packages share: identifiers that cannot be confused, patterns of names, scopes, JSON."""

from typing import Any, Final, Literal, NewType

SLUG_PATTERN: Final = r"[a-z0-9-]{1,40}"
"""The name of a tenant, or of a protocol, in URLs. Like each pattern here it has no anchors."""

IDENTITY_PATTERN: Final = r"[A-Za-z0-9*+=|@_ -][A-Za-z0-9*+=|@._ -]{0,47}"
"""The identity of a charge point: the last segment of its URL (OCPP-J 3.1.1, OCPP 2.0.1 part 4 3.1.1).

No colon: Basic authentication splits there. No leading dot: `.` and `..` would be steps of a path. No slash,
no percent sign, no control character, nothing outside ASCII.
"""

TenantId = NewType("TenantId", int)
"""Primary key of a tenant. No store and no key builder can be made without one."""

ChargePointId = NewType("ChargePointId", int)
"""Primary key of a charge point over all tenants. The `identity` is what it calls itself."""

WorkerId = NewType("WorkerId", str)
"""One server process, from its start to its end."""

CommandId = NewType("CommandId", str)
"""UUID text (36 characters): id of the command resource and unique id of its CALL on the wire."""

Scope = Literal["read", "command", "write", "admin"]
"""A permission of an API key. No scope contains another."""

Json = dict[str, Any]
"""A JSON object."""
