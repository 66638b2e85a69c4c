"""SQL of the webhooks of one tenant."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text, update

from app.database.repository import Repository, columns_of
from app.webhooks import tables
from app.webhooks.records import EventWebhookRecord, NewEventWebhook

_WEBHOOKS = tables.webhooks
WEBHOOK_COLUMNS: Final = columns_of(EventWebhookRecord, _WEBHOOKS)
_DEFAULT = text("default")


class EventWebhookStore(Repository):
    """The webhooks of one tenant."""

    async def lock_tenant(self) -> None:
        """Let changes of the number of webhooks of a tenant wait for each other."""
        await self.connection.execute(
            text("select pg_advisory_xact_lock(hashtext('webhooks'), :key)"), {"key": self.tenant_id % 2**31}
        )

    async def all(self) -> list[EventWebhookRecord]:
        """Return all webhooks, the oldest first."""
        statement = (
            select(*WEBHOOK_COLUMNS)
            .where(_WEBHOOKS.c.tenant_id == self.tenant_id)
            .order_by(_WEBHOOKS.c.created_at, _WEBHOOKS.c.id)
        )
        return [record_of(row) for row in await self.connection.execute(statement)]

    async def get(self, webhook_id: UUID, *, to_change: bool = False) -> EventWebhookRecord | None:
        """Return one webhook, None: there is none. to_change: lock it until the end of this transaction."""
        statement = select(*WEBHOOK_COLUMNS).where(
            _WEBHOOKS.c.tenant_id == self.tenant_id, _WEBHOOKS.c.id == webhook_id
        )
        if to_change:
            statement = statement.with_for_update()
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else record_of(row)

    async def create(
        self, webhook_id: UUID, new: NewEventWebhook, secret: bytes, position: int
    ) -> EventWebhookRecord:
        """Store a webhook that begins behind a position."""
        values = {
            **asdict(new),
            "event_types": list(new.event_types),
            "charge_points": list(new.charge_points),
            "tenant_id": self.tenant_id,
            "id": webhook_id,
            "state": "active",
            "position": position,
            "secret": secret,
            "created_at": func.now(),
            "updated_at": func.now(),
        }
        stored = await self.connection.execute(insert(_WEBHOOKS).values(values).returning(*WEBHOOK_COLUMNS))
        return record_of(stored.one())

    async def change(self, webhook_id: UUID, columns: Mapping[str, Any]) -> EventWebhookRecord:
        """Change columns of a webhook that exists."""
        values = {**columns, "updated_at": func.now(), "revision": _DEFAULT}
        statement = (
            update(_WEBHOOKS)
            .where(_WEBHOOKS.c.tenant_id == self.tenant_id, _WEBHOOKS.c.id == webhook_id)
            .values(values)
            .returning(*WEBHOOK_COLUMNS)
        )
        return record_of((await self.connection.execute(statement)).one())

    async def replace_secret(
        self, webhook_id: UUID, secret: bytes, previous_until: datetime
    ) -> EventWebhookRecord:
        """Store a new secret of a webhook that exists, and keep the one before it for a while."""
        changes = {
            "secret": secret,
            "previous_secret": _WEBHOOKS.c.secret,
            "previous_secret_until": previous_until,
        }
        return await self.change(webhook_id, changes)

    async def delete(self, webhook_id: UUID) -> bool:
        """Remove a webhook and its deliveries. False: there is none."""
        statement = delete(_WEBHOOKS).where(
            _WEBHOOKS.c.tenant_id == self.tenant_id, _WEBHOOKS.c.id == webhook_id
        )
        return (await self.connection.execute(statement.returning(_WEBHOOKS.c.id))).one_or_none() is not None


def record_of(row: Any) -> EventWebhookRecord:
    """Return the record of a row with `WEBHOOK_COLUMNS`."""
    values = {field.name: getattr(row, field.name) for field in fields(EventWebhookRecord)}
    for name in ("event_types", "charge_points"):
        values[name] = tuple(values[name])
    return EventWebhookRecord(**values)
