"""SQL of external authorization: the webhook of a tenant, all webhooks, and the questions that were asked."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Integer, Text, bindparam, delete, func, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.sql.expression import ColumnElement

from app.authorization_webhooks import tables
from app.authorization_webhooks.records import (
    Attempt,
    AttemptFilter,
    AttemptRecord,
    NewWebhook,
    WebhookRecord,
)
from app.database.newest import keeping_newest, newest_page
from app.database.prepared import Row
from app.database.repository import LARGEST_INT32, Repository, columns_of
from app.database.statements import Statement, given
from app.database.text import clean_optional, clean_text
from app.database.unit_of_work import PlatformWork, TenantRows

ATTEMPTS_OF_TENANT: Final = 1000
"""The most attempts that are kept for a tenant. The oldest are dropped first."""

_WEBHOOKS = tables.authorization_webhooks
_COLUMNS = columns_of(WebhookRecord, _WEBHOOKS)
_ATTEMPTS = tables.authorization_attempts
_DEFAULT = text("default")

# Both change whenever a change of a webhook is committed, in whatever order changes commit.
_FINGERPRINT: Final = select(func.count(), func.coalesce(func.sum(_WEBHOOKS.c.revision), 0)).select_from(
    _WEBHOOKS
)

_SLUG: Final = text("select slug from tenants where id = :tenant_id")

_ADD: Final = text(
    """
    insert into authorization_attempts (tenant_id, at, action, charge_point, connector_id, id_tag, reason,
        detail, decided_by, status, duration_ms, is_test)
    select tenants.id, given.at, given.action, given.charge_point, given.connector_id, given.id_tag,
        given.reason, given.detail, given.decided_by, given.status, given.duration_ms, given.is_test
    from unnest(:tenant_ids, :at, :action, :charge_point, :connector_id, :id_tag, :reason, :detail,
            :decided_by, :status, :duration_ms, :is_test) with ordinality
        as given (tenant_id, at, action, charge_point, connector_id, id_tag, reason, detail, decided_by,
            status, duration_ms, is_test, place)
    join tenants on tenants.id = given.tenant_id
    order by given.place
    -- A tenant that is being deleted is left out, and does not fail the rows of the others.
    for key share of tenants
    """
).bindparams(
    bindparam("tenant_ids", type_=ARRAY(BigInteger)),
    bindparam("at", type_=ARRAY(TIMESTAMP(timezone=True))),
    bindparam("connector_id", type_=ARRAY(BigInteger)),
    bindparam("duration_ms", type_=ARRAY(Integer)),
    bindparam("is_test", type_=ARRAY(Boolean)),
    *(
        bindparam(name, type_=ARRAY(Text))
        for name in ("action", "charge_point", "id_tag", "reason", "detail", "decided_by", "status")
    ),
)

_PRUNE: Final = keeping_newest(_ATTEMPTS)

_CONDITIONS: Final[dict[str, ColumnElement[bool]]] = {
    "after": _ATTEMPTS.c.id < bindparam("after"),
    "charge_point": _ATTEMPTS.c.charge_point == bindparam("charge_point"),
    "reason": _ATTEMPTS.c.reason == bindparam("reason"),
    "decided_by": _ATTEMPTS.c.decided_by == bindparam("decided_by"),
}


class WebhookStore(Repository):
    """The webhook of one tenant."""

    async def get(self, *, to_change: bool = False) -> WebhookRecord | None:
        """Return the webhook, None: there is none. to_change: lock it until the end of this transaction."""
        statement = select(*_COLUMNS).where(_WEBHOOKS.c.tenant_id == self.tenant_id)
        if to_change:
            statement = statement.with_for_update()
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else WebhookRecord(*row)

    async def tenant_slug(self) -> str:
        """Return the name of the tenant in URLs."""
        return str((await self.connection.execute(_SLUG, {"tenant_id": self.tenant_id})).scalar_one())

    async def put(self, new: NewWebhook, secret: bytes) -> WebhookRecord:
        """Store the webhook. secret: of a new one; one that exists keeps its own."""
        columns: dict[str, Any] = {**asdict(new), "updated_at": func.now()}
        statement = postgresql.insert(_WEBHOOKS).values(
            tenant_id=self.tenant_id, secret=secret, created_at=func.now(), **columns
        )
        stored = await self.connection.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant_id"], set_={**columns, "revision": _DEFAULT}
            ).returning(*_COLUMNS)
        )
        return WebhookRecord(*stored.one())

    async def replace_secret(self, secret: bytes, previous_until: datetime) -> WebhookRecord | None:
        """Store a new secret, and keep the one before it for a while. None: the tenant has no webhook."""
        changes: dict[Any, Any] = {
            "secret": secret,
            "previous_secret": _WEBHOOKS.c.secret,
            "previous_secret_until": previous_until,
            "updated_at": func.now(),
            "revision": _DEFAULT,
        }
        statement = update(_WEBHOOKS).where(_WEBHOOKS.c.tenant_id == self.tenant_id).values(changes)
        row = (await self.connection.execute(statement.returning(*_COLUMNS))).one_or_none()
        return None if row is None else WebhookRecord(*row)

    async def delete(self) -> bool:
        """Remove the webhook. False: there is none."""
        statement = delete(_WEBHOOKS).where(_WEBHOOKS.c.tenant_id == self.tenant_id)
        return (await self.connection.execute(statement.returning(_WEBHOOKS.c.url))).one_or_none() is not None


async def webhooks_fingerprint(work: PlatformWork) -> tuple[int, int]:
    """Return two numbers of which one differs after each change of any webhook."""
    count, revisions = (await work.connection.execute(_FINGERPRINT)).one()
    return int(count), int(revisions)


async def all_webhooks(work: PlatformWork) -> list[WebhookRecord]:
    """Return the webhooks of all tenants."""
    return [WebhookRecord(*row) for row in await work.connection.execute(select(*_COLUMNS))]


@cache
def _page_statement(names: frozenset[str]) -> Statement:
    """Return the statement of a page, the newest first. names: of its parameters."""
    return newest_page(_ATTEMPTS, columns_of(AttemptRecord, _ATTEMPTS), _CONDITIONS, names)


class AttemptStore:
    """Reads the questions of one tenant."""

    __slots__ = ("_rows",)

    def __init__(self, rows: TenantRows) -> None:
        self._rows = rows

    async def page(self, limit: int, after: int | None, filters: AttemptFilter) -> Sequence[Row]:
        """Return attempts, the newest first. after: id of the last one seen."""
        values: dict[str, Any] = given(limit=limit, after=after, **asdict(filters))
        statement = _page_statement(frozenset(values))
        return await self._rows.rows(statement, {"tenant_id": self._rows.tenant_id, **values})


async def add_attempts(work: PlatformWork, attempts: Sequence[Attempt]) -> None:
    """Add attempts of any tenants, and drop surplus ones. Those of tenants that do not exist are dropped."""
    await work.connection.execute(_ADD, _columns_of(attempts))
    tenants = sorted({attempt.tenant_id for attempt in attempts})
    await work.connection.execute(_PRUNE, {"tenants": tenants, "kept": ATTEMPTS_OF_TENANT})


def _columns_of(attempts: Sequence[Attempt]) -> Mapping[str, list[Any]]:
    return {
        "tenant_ids": [attempt.tenant_id for attempt in attempts],
        "at": [attempt.at for attempt in attempts],
        "action": [attempt.action for attempt in attempts],
        "charge_point": [clean_text(attempt.charge_point) for attempt in attempts],
        "connector_id": [attempt.connector_id for attempt in attempts],
        "id_tag": [clean_text(attempt.id_tag) for attempt in attempts],
        "reason": [attempt.reason for attempt in attempts],
        "detail": [clean_optional(attempt.detail) for attempt in attempts],
        "decided_by": [attempt.decided_by for attempt in attempts],
        "status": [attempt.status for attempt in attempts],
        "duration_ms": [min(attempt.duration_ms, LARGEST_INT32) for attempt in attempts],
        "is_test": [attempt.is_test for attempt in attempts],
    }
