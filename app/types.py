"""The identifiers of the domain, as types of their own so that they cannot be mixed up."""

from typing import Any, NewType

TenantId = NewType("TenantId", int)
"""Primary key of a tenant. Repositories and key builders cannot be made without one."""

ChargePointId = NewType("ChargePointId", int)
"""Primary key of a charge point over all tenants. The `identity` is what it calls itself."""

WorkerId = NewType("WorkerId", str)
"""One server process, from its start to its end."""

CommandId = NewType("CommandId", str)
"""UUID text (36 characters): id of the command resource and unique id of its CALL on the wire."""


Json = dict[str, Any]
