"""Lists of which a tenant keeps the newest rows only: their pages, and how the oldest rows are dropped.

Their tables have the columns `tenant_id` and `id`. A higher id is newer.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Integer, Table, TextClause, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.expression import ColumnElement

from app.database.statements import Statement


def newest_page(
    table: Table,
    columns: Sequence[ColumnElement[Any]],
    conditions: Mapping[str, ColumnElement[bool]],
    names: Collection[str],
) -> Statement:
    """Return the statement of a page, the newest first; it has the parameters `tenant_id` and `limit`.

    Args:
        table: Of the list.
        columns: What it selects.
        conditions: Each by the name of its parameter.
        names: The parameters that are given.
    """
    wanted = [condition for name, condition in conditions.items() if name in names]
    statement = select(*columns).where(table.c.tenant_id == bindparam("tenant_id"), *wanted)
    return Statement(statement.order_by(table.c.id.desc()).limit(bindparam("limit", type_=Integer)))


def keeping_newest(table: Table) -> TextClause:
    """Return the statement that drops all but the `kept` newest rows of each of some `tenants`."""
    return text(
        f"""
        delete from {table.name} as old
        using unnest(:tenants) as asked (tenant_id),
            lateral (
                select id from {table.name} where tenant_id = asked.tenant_id
                order by id desc offset :kept limit 1
            ) as oldest
        where old.tenant_id = asked.tenant_id and old.id <= oldest.id
        """  # noqa: S608 - the name of a table of ours
    ).bindparams(bindparam("tenants", type_=ARRAY(BigInteger)))
