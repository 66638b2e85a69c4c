"""Limits requests by key and by address, and the commands of a tenant. All workers share the buckets."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Final

from app.errors import TooManyRequests
from app.live.shared_buckets import Bucket, SharedBuckets
from app.metrics import LIMITS_HIT
from app.settings import Settings
from app.types import TenantId
from app.web.rate_limits import LimitState, limit_headers

COMMANDS: Final = "commands"
_REFUSALS: Final = {
    "key": "Too many requests with this API key.",
    "address": "Too many requests from this address.",
    COMMANDS: "Too many commands of this tenant.",
}


@dataclass(frozen=True, slots=True)
class CountedRequest:
    """A request to count.

    key: the prefix of the API key; address: of the client, of IPv6 its network; commanding: the tenant whose
    charge points it makes do something, if it does.
    """

    key: str
    address: str
    commanding: TenantId | None = None


class RequestLimits:
    """The limits of one worker."""

    def __init__(
        self, shared: SharedBuckets, settings: Settings, quota_reached: Callable[[TenantId, str], None]
    ) -> None:
        """Make the limits. quota_reached: told of the tenant and the name of a limit of tenants."""
        self._shared = shared
        self._settings = settings
        self._quota_reached = quota_reached

    async def take(self, request: CountedRequest) -> dict[str, str]:
        """Count one request. Return the headers that tell the state of its limits.

        Raises:
            TooManyRequests: there were too many within a minute.
        """
        settings = self._settings
        buckets = [
            Bucket(("key", request.key), settings.requests_of_key_per_minute),
            Bucket(("address", request.address), settings.requests_of_address_per_minute),
        ]
        if request.commanding is not None:
            key = (COMMANDS, str(request.commanding))
            buckets.append(Bucket(key, settings.commands_of_tenant_per_minute))
        taken = await self._shared.take(buckets)
        states = [
            LimitState(bucket.key[0], bucket.per_minute, found.remaining)
            for bucket, found in zip(buckets, taken, strict=True)
        ]
        headers = limit_headers(states)
        for state, found in zip(states, taken, strict=True):
            if not found.is_allowed:
                self._tell(state.name, request)
                raise TooManyRequests(_REFUSALS[state.name], max(1, ceil(state.wait_s)), headers)
        return headers

    def _tell(self, name: str, request: CountedRequest) -> None:
        LIMITS_HIT.labels("commands_of_tenant" if name == COMMANDS else f"requests_of_{name}").inc()
        if name == COMMANDS and request.commanding is not None:
            self._quota_reached(request.commanding, name)
