"""The webhooks of all tenants in the memory of a worker, so that messages of other tenants cost nothing."""

import contextlib
from collections.abc import Container
from typing import Final

from app.authorization_webhooks.records import WebhookRecord
from app.authorization_webhooks.store import all_webhooks, webhooks_fingerprint
from app.database.database import Database
from app.errors import AppError
from app.tasks import PeriodicTask
from app.types import TenantId

_INTERVAL_S: Final = 2.0


class WebhookDirectory:
    """The webhooks as they were up to two seconds ago. While the database is away they stay as they were."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._webhooks: dict[int, WebhookRecord] = {}
        self.tenants: Container[int] = self._webhooks.keys()
        """The tenants that have a webhook, as they are now."""
        self._fingerprint: tuple[int, int] | None = None
        self._task: PeriodicTask | None = None

    async def start(self) -> None:
        """Read all webhooks, and look for changes from now on.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        await self.refresh()
        self._task = PeriodicTask(self._step, "authorization_webhooks")

    async def close(self) -> None:
        """Look for changes no longer."""
        if self._task is not None:
            await self._task.stop()

    def get(self, tenant_id: TenantId) -> WebhookRecord | None:
        """Return the webhook of a tenant, None: it has none."""
        return self._webhooks.get(tenant_id)

    async def refresh(self) -> None:
        """Read the webhooks if one has changed.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        async with self._database.platform() as work:
            # The fingerprint first: a change after it is seen with the next one.
            fingerprint = await webhooks_fingerprint(work)
            if fingerprint == self._fingerprint:
                return
            webhooks = await all_webhooks(work)
        self._webhooks.clear()
        self._webhooks.update((webhook.tenant_id, webhook) for webhook in webhooks)
        self._fingerprint = fingerprint

    async def _step(self) -> float:
        # While the database is away, other parts of the worker say so.
        with contextlib.suppress(AppError):
            await self.refresh()
        return _INTERVAL_S
