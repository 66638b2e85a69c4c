"""SQL of the counts of deviations and CALLs.

A count belongs to the software that its charge point had at the time of the write. A charge point keeps the
counts of its newest kinds of software.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, aggregate_order_by
from sqlalchemy.sql.expression import ColumnElement

from app.clock import moment_of
from app.database.prepared import Row
from app.database.repository import LARGEST_INT64
from app.database.statements import Statement, given
from app.database.unit_of_work import PlatformWork, TenantRows
from app.deviations import tables
from app.deviations.records import (
    ChargePointCounts,
    CountedDeviation,
    DeviationFilter,
    Software,
    SoftwareCounts,
    SoftwareFilter,
)

SOFTWARE_OF_CHARGE_POINT: Final = 20
"""The most kinds of software of one charge point. The one that was counted longest ago is dropped first."""
SOFTWARE_OF_TENANT: Final = 2000
"""The most kinds of software of one tenant that are read: those with the most CALLs."""

_NAME_LENGTH: Final = 50
"""Characters that are kept of a vendor, a model or a version: the most that the standard allows."""
_CALLS = tables.call_counts
_DEVIATIONS = tables.deviation_counts
_TIMES = ARRAY(TIMESTAMP(timezone=True))

# Rows in the order of their key, so that two workers do not wait for each other in a circle. The lock keeps a
# charge point from being deleted until the end of the transaction.
_ADD: Final = text(
    f"""
    with counted as materialized (
        select point.tenant_id, point.id as charge_point_id, given.calls, given.at,
            left(coalesce(point.vendor, ''), {_NAME_LENGTH}) as vendor,
            left(coalesce(point.model, ''), {_NAME_LENGTH}) as model,
            left(coalesce(point.firmware_version, ''), {_NAME_LENGTH}) as firmware_version
        from unnest(:tenants, :points, :calls, :times) as given (tenant_id, charge_point_id, calls, at)
        join charge_points as point
            on point.tenant_id = given.tenant_id and point.id = given.charge_point_id
        order by point.tenant_id, point.id
        for key share of point
    ), added as (
        insert into call_counts as known
            (tenant_id, charge_point_id, vendor, model, firmware_version, calls, last_at)
        select tenant_id, charge_point_id, vendor, model, firmware_version, calls, at
        from counted order by tenant_id, charge_point_id
        on conflict (tenant_id, charge_point_id, vendor, model, firmware_version) do update set
            calls = least(known.calls::numeric + excluded.calls, {LARGEST_INT64}),
            last_at = greatest(known.last_at, excluded.last_at)
    )
    insert into deviation_counts as known
        (tenant_id, charge_point_id, vendor, model, firmware_version, code, count, first_at, last_at, example)
    select counted.tenant_id, counted.charge_point_id, counted.vendor, counted.model,
        counted.firmware_version, seen.code, seen.count, seen.first_at, seen.last_at, seen.example
    from unnest(:seen_tenants, :seen_points, :codes, :counts, :first_times, :last_times, :examples)
        as seen (tenant_id, charge_point_id, code, count, first_at, last_at, example)
    join counted using (tenant_id, charge_point_id)
    order by counted.tenant_id, counted.charge_point_id, seen.code
    on conflict (tenant_id, charge_point_id, vendor, model, firmware_version, code) do update set
        count = least(known.count::numeric + excluded.count, {LARGEST_INT64}),
        first_at = least(known.first_at, excluded.first_at),
        last_at = greatest(known.last_at, excluded.last_at),
        example = case when excluded.last_at < known.last_at then known.example else excluded.example end
    """  # noqa: S608 - numbers of ours
).bindparams(
    *(
        bindparam(name, type_=ARRAY(BigInteger))
        for name in ("tenants", "points", "calls", "seen_tenants", "seen_points", "counts")
    ),
    *(bindparam(name, type_=_TIMES) for name in ("times", "first_times", "last_times")),
    bindparam("codes", type_=ARRAY(Text)),
    bindparam("examples", type_=ARRAY(JSONB)),
)

# The counts of deviations go with those of the CALLs.
_PRUNE: Final = text(
    """
    delete from call_counts as old
    using unnest(:tenants, :points) as asked (tenant_id, charge_point_id),
        lateral (
            select last_at from call_counts
            where tenant_id = asked.tenant_id and charge_point_id = asked.charge_point_id
            order by last_at desc offset :kept limit 1
        ) as oldest
    where old.tenant_id = asked.tenant_id and old.charge_point_id = asked.charge_point_id
        and old.last_at <= oldest.last_at
    """
).bindparams(*(bindparam(name, type_=ARRAY(BigInteger)) for name in ("tenants", "points")))


async def add_counts(work: PlatformWork, counted: Sequence[ChargePointCounts]) -> None:
    """Add what was counted of charge points of any tenants, each of them once, in the order of their keys.

    Counts of charge points that do not exist any longer are dropped.
    """
    places = {
        "tenants": [counts.tenant_id for counts in counted],
        "points": [counts.charge_point_id for counts in counted],
    }
    seen = [(counts, code, one) for counts in counted for code, one in counts.deviations.items()]
    values = {
        **places,
        "calls": [counts.calls for counts in counted],
        "times": [moment_of(counts.last_us) for counts in counted],
        "seen_tenants": [counts.tenant_id for counts, _, _ in seen],
        "seen_points": [counts.charge_point_id for counts, _, _ in seen],
        "codes": [code for _, code, _ in seen],
        "counts": [one.count for _, _, one in seen],
        "first_times": [moment_of(one.first_us) for _, _, one in seen],
        "last_times": [moment_of(one.last_us) for _, _, one in seen],
        "examples": [_example(one) for _, _, one in seen],
    }
    await work.connection.execute(_ADD, values)
    work.outbox.has_events = True
    await work.connection.execute(_PRUNE, {**places, "kept": SOFTWARE_OF_CHARGE_POINT})


def _example(one: CountedDeviation) -> dict[str, str | None]:
    last = one.last
    return {
        "message_id": last.message_id,
        "action": last.action,
        "pointer": last.pointer,
        "raw": last.raw,
        "connection_id": one.connection_id,
    }


_FIRST: Final = literal_column("1", Integer)
_NEWEST: Final = _DEVIATIONS.c.last_at.desc()


def _total(counts: ColumnElement[int]) -> ColumnElement[int]:
    """Return the sum of a column, at most what a column can hold."""
    return func.least(func.sum(counts), literal_column(str(LARGEST_INT64))).cast(BigInteger)


def _newest(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the value of a column in the row with the newest example."""
    return func.array_agg(aggregate_order_by(column, _NEWEST))[_FIRST].label(column.name)


@cache
def _page_statement(names: frozenset[str]) -> Statement:
    """Return the statement of a page of deviations, in the order of their codes. names: of its parameters."""
    rows, last_at = _DEVIATIONS.c, func.max(_DEVIATIONS.c.last_at)
    conditions: dict[str, ColumnElement[bool]] = {
        "after": rows.code > bindparam("after"),
        "code": rows.code == bindparam("code"),
    }
    statement = (
        select(
            rows.code,
            _total(rows.count).label("count"),
            func.min(rows.first_at).label("first_at"),
            last_at.label("last_at"),
            _newest(rows.firmware_version),
            _newest(rows.example),
        )
        .where(
            rows.tenant_id == bindparam("tenant_id"),
            rows.charge_point_id == bindparam("charge_point_id"),
            *(condition for name, condition in conditions.items() if name in names),
        )
        .group_by(rows.code)
    )
    if "since" in names:
        statement = statement.having(last_at >= bindparam("since"))
    return Statement(statement.order_by(rows.code).limit(bindparam("limit", type_=Integer)))


def _kinds(names: frozenset[str]) -> Select[Any]:
    """Select a tenant's kinds of software, the most frequent first. names: of the parameters."""
    rows = _CALLS.c
    calls = _total(rows.calls)
    software = (rows.vendor, rows.model, rows.firmware_version)
    statement = (
        select(
            *software,
            func.count(rows.charge_point_id.distinct()).label("charge_points"),
            calls.label("calls"),
        )
        .where(
            rows.tenant_id == bindparam("tenant_id"),
            *(rows[name] == bindparam(name) for name in ("vendor", "model") if name in names),
        )
        .group_by(*software)
        .order_by(calls.desc(), *software)
    )
    return statement.limit(bindparam("most", type_=Integer))


@cache
def _software_statement(names: frozenset[str]) -> Statement:
    """Return the statement of a tenant's kinds of software."""
    return Statement(_kinds(names))


@cache
def _codes_statement(names: frozenset[str]) -> Statement:
    """Return the statement of the deviations of the same kinds: charge points may name any number of them."""
    rows, kinds = _DEVIATIONS.c, _kinds(names).subquery("kinds")
    software = ("vendor", "model", "firmware_version")
    key = (*(rows[name] for name in software), rows.code)
    statement = (
        select(*key, _total(rows.count).label("count"))
        .join_from(_DEVIATIONS, kinds, and_(*(rows[name] == kinds.c[name] for name in software)))
        .where(rows.tenant_id == bindparam("tenant_id"))
        .group_by(*key)
    )
    return Statement(statement)


class DeviationStore:
    """Reads what was counted of one tenant's charge points."""

    __slots__ = ("_rows",)

    def __init__(self, rows: TenantRows) -> None:
        self._rows = rows

    async def page(
        self, charge_point_id: int, limit: int, after: str | None, filters: DeviationFilter
    ) -> Sequence[Row]:
        """Return the deviations of a charge point, in the order of their codes. after: the last one seen."""
        values: dict[str, Any] = given(limit=limit, after=after, code=filters.code, since=filters.since)
        place = {"tenant_id": self._rows.tenant_id, "charge_point_id": charge_point_id}
        return await self._rows.rows(_page_statement(frozenset(values)), {**place, **values})

    async def software(self, filters: SoftwareFilter) -> list[SoftwareCounts]:
        """Return what was counted of each kind of software."""
        names = given(vendor=filters.vendor, model=filters.model)
        most = {"tenant_id": self._rows.tenant_id, "most": SOFTWARE_OF_TENANT, **names}
        kinds = await self._rows.rows(_software_statement(frozenset(names)), most)
        codes: dict[Software, dict[str, int]] = {}
        for row in await self._rows.rows(_codes_statement(frozenset(names)), most):
            codes.setdefault(_software(row), {})[row["code"]] = row["count"]
        return [
            SoftwareCounts(software, row["charge_points"], row["calls"], codes.get(software, {}))
            for row in kinds
            for software in (_software(row),)
        ]


def _software(row: Row) -> Software:
    return Software(row["vendor"], row["model"], row["firmware_version"])
