"""Types that all packages share: identifiers that cannot be mixed up, scopes, JSON objects."""

from typing import Any, Literal, NewType

TenantId = NewType("TenantId", int)
"""Primary key of a tenant. No store and no key builder can be made without one."""

ChargePointId = NewType("ChargePointId", int)
"""Primary key of a charge point over all tenants. The `identity` is what it calls itself."""

WorkerId = NewType("WorkerId", str)
"""One server process, from its start to its end."""

CommandId = NewType("CommandId", str)
"""UUID text (36 characters): id of the command resource and unique id of its CALL on the wire."""

Scope = Literal["read", "command", "write", "admin"]
"""What an API key may do. No scope contains another."""

Json = dict[str, Any]
"""A JSON object."""
