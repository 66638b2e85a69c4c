"""The places of requests to certificate servers: bounded in a worker, and for each tenant."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from app.metrics import LIMITS_HIT
from app.plug_and_charge.records import PlugAndChargeFault
from app.types import TenantId


class RequestPlaces:
    """The places of one worker. Nothing waits for one: a car gives up after some seconds."""

    def __init__(self, limit: int, limit_of_tenant: int) -> None:
        self._limit = limit
        self._limit_of_tenant = limit_of_tenant
        self._taken: Counter[TenantId] = Counter()

    @contextmanager
    def one(self, tenant_id: TenantId) -> Iterator[None]:
        """Hold a place.

        Raises:
            PlugAndChargeFault: busy.
        """
        if self._taken[tenant_id] >= self._limit_of_tenant or self._taken.total() >= self._limit:
            LIMITS_HIT.labels("plug_and_charge_requests").inc()
            raise PlugAndChargeFault("busy", "Too many requests to certificate servers are under way.")
        self._taken[tenant_id] += 1
        try:
            yield
        finally:
            self._taken[tenant_id] -= 1
            if not self._taken[tenant_id]:
                del self._taken[tenant_id]
