"""SQL of refused logins. Those that are alike share a row, and a tenant keeps the newest rows only."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Integer, Text, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.sql.expression import ColumnElement

from app.database.newest import keeping_newest, newest_page
from app.database.prepared import Row
from app.database.repository import LARGEST_INT32, columns_of
from app.database.statements import Statement, given
from app.database.text import clean_optional, clean_text
from app.database.unit_of_work import PlatformWork, TenantRows
from app.login_attempts import tables
from app.login_attempts.records import LoginAttemptFilter, LoginAttemptRecord, RefusedLogin

ROWS_OF_TENANT: Final = 1000
"""The most rows of a tenant. The one that was repeated longest ago is dropped first."""

_ATTEMPTS = tables.login_attempts
_TIMES = ARRAY(TIMESTAMP(timezone=True))

# In the order of the key, so that two workers do not wait for each other.
_ADD: Final = text(
    f"""
    insert into login_attempts as known
        (tenant_id, identity, reason, remote, detail, count, first_at, last_at)
    select tenants.id, given.identity, given.reason, given.remote, given.detail, given.count,
        given.first_at, given.last_at
    from unnest(:slugs, :identities, :reasons, :remotes, :details, :counts, :first_times, :last_times)
        as given (slug, identity, reason, remote, detail, count, first_at, last_at)
    join tenants on tenants.slug = given.slug
    order by tenants.id, given.identity, given.reason, given.remote
    -- A tenant that is being deleted is left out, and does not fail the rows of the others.
    for key share of tenants
    on conflict (tenant_id, identity, reason, remote) do update set
        id = default, detail = excluded.detail, last_at = excluded.last_at,
        count = least(known.count::bigint + excluded.count, {LARGEST_INT32})
    returning tenant_id
    """  # noqa: S608 - a number of ours
).bindparams(
    *(
        bindparam(name, type_=ARRAY(Text))
        for name in ("slugs", "identities", "reasons", "remotes", "details")
    ),
    bindparam("counts", type_=ARRAY(Integer)),
    bindparam("first_times", type_=_TIMES),
    bindparam("last_times", type_=_TIMES),
)

_PRUNE: Final = keeping_newest(_ATTEMPTS)

_CONDITIONS: Final[dict[str, ColumnElement[bool]]] = {
    "after": _ATTEMPTS.c.id < bindparam("after"),
    "identity": _ATTEMPTS.c.identity == bindparam("identity"),
    "reason": _ATTEMPTS.c.reason == bindparam("reason"),
}


_COUNT_SINCE: Final = Statement(
    select(func.sum(_ATTEMPTS.c.count).label("count")).where(
        _ATTEMPTS.c.tenant_id == bindparam("tenant_id"), _ATTEMPTS.c.last_at >= bindparam("since")
    )
)


@cache
def _page_statement(names: frozenset[str]) -> Statement:
    """Return the statement of a page, the newest first. names: of its parameters."""
    return newest_page(_ATTEMPTS, columns_of(LoginAttemptRecord, _ATTEMPTS), _CONDITIONS, names)


class LoginAttemptStore:
    """Reads the refused logins of one tenant."""

    __slots__ = ("_rows",)

    def __init__(self, rows: TenantRows) -> None:
        self._rows = rows

    async def page(self, limit: int, after: int | None, filters: LoginAttemptFilter) -> Sequence[Row]:
        """Return refused logins, the newest first. after: id of the last one seen."""
        values: dict[str, Any] = given(
            limit=limit, after=after, identity=filters.identity, reason=filters.reason
        )
        statement = _page_statement(frozenset(values))
        return await self._rows.rows(statement, {"tenant_id": self._rows.tenant_id, **values})


async def count_login_attempts(rows: TenantRows, since: datetime) -> int:
    """Count the refused logins of a tenant that were repeated since a time, with their repetitions."""
    [row] = await rows.rows(_COUNT_SINCE, {"tenant_id": rows.tenant_id, "since": since})
    return int(row["count"] or 0)


async def add_login_attempts(work: PlatformWork, refused: Sequence[tuple[RefusedLogin, int]]) -> None:
    """Add refused logins of any tenants, each with its number of repetitions, and drop surplus rows.

    Those of tenants that do not exist are dropped. No two of them may be alike.
    """
    logins = [login for login, _ in refused]
    values = {
        "slugs": [clean_optional(login.tenant) for login in logins],
        "identities": [clean_text(login.identity or "") for login in logins],
        "reasons": [login.reason.value for login in logins],
        "remotes": [clean_text(login.remote) for login in logins],
        "details": [clean_optional(login.detail) for login in logins],
        "counts": [count for _, count in refused],
        "first_times": [login.at for login in logins],
        "last_times": [login.at for login in logins],
    }
    added = await work.connection.execute(_ADD, values)
    work.outbox.has_events = True
    tenants = sorted(set(added.scalars()))
    await work.connection.execute(_PRUNE, {"tenants": tenants, "kept": ROWS_OF_TENANT})
