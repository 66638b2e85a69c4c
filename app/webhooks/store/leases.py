"""SQL of the leases: each webhook is sent by one worker, which renews its lease.

A worker writes about a webhook only while it has the lease.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Float, Interval, bindparam, literal_column, select, text, update
from sqlalchemy.sql.expression import ColumnElement

from app.database.unit_of_work import PlatformWork, TenantWork
from app.webhooks import tables
from app.webhooks.records import EventWebhookRecord, Leased
from app.webhooks.store.webhooks import WEBHOOK_COLUMNS, record_of

_WEBHOOKS = tables.webhooks

_TAKE: Final = text(
    """
    update webhooks set lease_worker = :worker, lease_until = now() + :lease
    from (
        select tenant_id, id from webhooks
        where state = 'active' and (lease_until is null or lease_until < now())
            and lease_worker is distinct from :worker
        limit :limit for update skip locked
    ) as free
    where webhooks.tenant_id = free.tenant_id and webhooks.id = free.id
    """
).bindparams(bindparam("lease", type_=Interval))
# Not each time: an update writes the row again.
_RENEW: Final = text(
    """
    update webhooks set lease_until = now() + :lease
    where lease_worker = :worker and state = 'active' and lease_until < now() + :lease / 2
    """
).bindparams(bindparam("lease", type_=Interval))
_MINE: Final = select(
    literal_column("extract(epoch from lease_until - now())::float8", Float).label("left_s"),
    *WEBHOOK_COLUMNS,
).where(_WEBHOOKS.c.state == "active", _WEBHOOKS.c.lease_worker == bindparam("worker"))
_RELEASE: Final = text(
    "update webhooks set lease_worker = null, lease_until = null where lease_worker = :worker"
)


class LeaseStore:
    """The leases of one worker."""

    def __init__(self, work: PlatformWork, worker: str) -> None:
        self._connection = work.connection
        self._worker = worker

    async def take(self, lease: timedelta, limit: int) -> list[Leased]:
        """Take active webhooks that no worker has, renew the leases of this one, and return what it has."""
        await self._connection.execute(_TAKE, {"worker": self._worker, "lease": lease, "limit": limit})
        await self._connection.execute(_RENEW, {"worker": self._worker, "lease": lease})
        return [
            Leased(record_of(row), row.left_s)
            for row in await self._connection.execute(_MINE, {"worker": self._worker})
        ]

    async def release(self) -> None:
        """Let other workers take all webhooks of this one at once."""
        await self._connection.execute(_RELEASE, {"worker": self._worker})


class LeasedWebhook:
    """A webhook as the worker changes it that has its lease."""

    def __init__(self, work: TenantWork, worker: str, webhook: EventWebhookRecord) -> None:
        self._connection = work.connection
        self._worker = worker
        self._webhook = webhook

    async def note(self, columns: Mapping[str, Any], *, same_revision: bool = False) -> bool:
        """Set columns, and keep the lease locked. False: another worker has it, or the webhook is gone.

        same_revision: also False if an operator has changed the webhook since it was read.
        """
        conditions: list[ColumnElement[bool]] = [
            _WEBHOOKS.c.tenant_id == self._webhook.tenant_id,
            _WEBHOOKS.c.id == self._webhook.id,
            _WEBHOOKS.c.lease_worker == self._worker,
        ]
        if same_revision:
            conditions.append(_WEBHOOKS.c.revision == self._webhook.revision)
        statement = update(_WEBHOOKS).where(*conditions).values(dict(columns)).returning(_WEBHOOKS.c.id)
        return (await self._connection.execute(statement)).one_or_none() is not None
