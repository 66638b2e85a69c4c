"""The subscriptions of all tenants in the memory of a worker, so that most messages are answered at once."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Final

from app.data_transfer.records import SubscriptionRecord
from app.data_transfer.store import all_subscriptions, subscriptions_fingerprint
from app.database.database import Database
from app.errors import AppError, StoreUnavailable
from app.tasks import PeriodicTask
from app.types import TenantId

_INTERVAL_S: Final = 2.0
_FIRST_READ_S: Final = 10.0

_Vendors = dict[str, dict[str, SubscriptionRecord]]


class SubscriptionDirectory:
    """The subscriptions as they were up to two seconds ago. While the database is away they stay."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tenants: dict[int, _Vendors] = {}
        self._fingerprint: tuple[int, int] | None = None
        self._read = asyncio.Event()
        self._task: PeriodicTask | None = None

    def start(self) -> None:
        """Read all subscriptions, and look for changes from now on."""
        self._task = PeriodicTask(self._step, "data_transfer_subscriptions")

    async def close(self) -> None:
        """Look for changes no longer."""
        if self._task is not None:
            await self._task.stop()
            self._task = None

    @property
    def is_read(self) -> bool:
        """Tell whether the subscriptions were read at least once. Before the start there are none."""
        return self._task is None or self._read.is_set()

    async def read(self) -> None:
        """Wait until the subscriptions were read once.

        Raises:
            StoreUnavailable: the database has not answered for ten seconds.
        """
        try:
            async with asyncio.timeout(_FIRST_READ_S):
                await self._read.wait()
        except TimeoutError:
            raise StoreUnavailable from None

    def of_vendor(self, tenant_id: TenantId, vendor_key: str) -> Mapping[str, SubscriptionRecord]:
        """Return the subscriptions of a vendor, by the folded id of the message; empty: there are none."""
        return self._tenants.get(tenant_id, {}).get(vendor_key, {})

    async def refresh(self) -> None:
        """Read the subscriptions if one has changed.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        async with self._database.platform() as work:
            # The fingerprint first: a change after it is seen with the next one.
            fingerprint = await subscriptions_fingerprint(work)
            if fingerprint == self._fingerprint:
                return
            found = await all_subscriptions(work)
        tenants: dict[int, _Vendors] = {}
        for one in found:
            tenants.setdefault(one.tenant_id, {}).setdefault(one.vendor_key, {})[one.message_key] = one
        self._tenants, self._fingerprint = tenants, fingerprint
        self._read.set()

    async def _step(self) -> float:
        # While the database is away, other parts of the worker say so.
        with contextlib.suppress(AppError):
            await self.refresh()
        return _INTERVAL_S
