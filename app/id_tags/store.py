"""SQL of id tags: those of one tenant in a unit of work, and those of a batch of the ledger.

Whether a tag may charge is decided in `rules`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    Text,
    delete,
    func,
    insert,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import IntegrityError

from app.database.prepared import Connection, Prepared, Row
from app.database.repository import Repository, columns_of, like_prefix
from app.database.schema import CHARGE_POINTS
from app.database.statements import Statement
from app.errors import Conflict
from app.id_tags import tables
from app.id_tags.records import (
    AuthorizationPolicyRecord,
    ChargePointPolicyRecord,
    IdTagFilter,
    IdTagKey,
    IdTagRecord,
    NewIdTag,
    UnknownTagPolicy,
)
from app.id_tags.rules import fold_id_tag
from app.types import ChargePointId, TenantId

_TABLE = tables.id_tags
_PARENT = _TABLE.alias("parent")
_IDENTITIES: ColumnElement[Any] = literal_column(
    """
    case when id_tags.charge_point_ids is not null then array(
        select point.identity from charge_points as point
        where point.tenant_id = id_tags.tenant_id and point.id = any(id_tags.charge_point_ids)
        order by point.identity
    ) end
    """,
    ARRAY(Text, as_tuple=True),
)
_COLUMNS = columns_of(
    IdTagRecord,
    _TABLE,
    parent_status=_PARENT.c.status,
    parent_expires_at=_PARENT.c.expires_at,
    charge_points=_IDENTITIES,
    group_limit=literal_column("null", Integer),
    is_group=literal_column("false", Boolean),
)
_WITH_PARENT = _TABLE.outerjoin(
    _PARENT,
    (_PARENT.c.tenant_id == _TABLE.c.tenant_id)
    & (_PARENT.c.id_tag_key == func.lower(_TABLE.c.parent_id_tag))
    & (_PARENT.c.id_tag_key != _TABLE.c.id_tag_key),
)
_CHANGEABLE = frozenset(
    {
        "status",
        "expires_at",
        "parent_id_tag",
        "max_active_transactions",
        "max_active_transactions_of_group",
        "note",
        "charge_point_ids",
    }
)

_AT_ONCE: Final = 1000
"""Tags that one statement looks for."""

_JUDGED: Final = """
    tag.tenant_id, tag.id_tag, tag.id_tag_key, tag.status, tag.expires_at, tag.parent_id_tag,
    coalesce(tag.max_active_transactions, policy.max_active_transactions) as max_active_transactions,
    tag.note, tag.created_at, tag.updated_at, tag.charge_point_ids,
    parent.status as parent_status, parent.expires_at as parent_expires_at,
    tag.max_active_transactions_of_group,
    case when tag.parent_id_tag is not null then coalesce(
        parent.max_active_transactions_of_group,
        case when lower(tag.parent_id_tag) = tag.id_tag_key then tag.max_active_transactions_of_group end,
        policy.max_active_transactions_of_group
    ) end as group_limit,
    exists (
        select from id_tags as child
        where child.tenant_id = tag.tenant_id and lower(child.parent_id_tag) = tag.id_tag_key
            and child.id_tag_key <> tag.id_tag_key
    ) as is_group
"""
_JUDGED_NAMES: Final = tuple(field.name for field in fields(IdTagRecord) if field.name != "charge_points")
_JOIN_PARENT: Final = """
    left join id_tags as parent on parent.tenant_id = tag.tenant_id
        and parent.id_tag_key = lower(tag.parent_id_tag) and parent.id_tag_key <> tag.id_tag_key
"""

JUDGED_COLUMNS: Final = _JUDGED
"""The columns of a statement that `tag_of` reads. It has `JOIN_JUDGED` too."""
JOIN_JUDGED: Final = f"""
    left join authorization_policies as policy on policy.tenant_id = asked.tenant_id
    left join id_tags as tag on tag.tenant_id = asked.tenant_id and tag.id_tag_key = asked.id_tag_key
    {_JOIN_PARENT}
"""
"""Joins the tags that are named by a row `asked (tenant_id, id_tag_key)`; those that are stored."""
UNKNOWN_TAG_POLICY: Final = "coalesce(own.unknown_id_tags, policy.unknown_id_tags, 'refuse')"
"""The policy that holds at a charge point, after `JOIN_JUDGED` and `JOIN_OWN_POLICY`."""
JOIN_OWN_POLICY: Final = """
    left join charge_point_authorization_policies as own
        on own.tenant_id = asked.tenant_id and own.charge_point_id = asked.charge_point_id
"""

# These texts contain only constants of our own.
_FIND: Final = f"""
    select {_JUDGED}
    from id_tags as tag
    left join authorization_policies as policy on policy.tenant_id = tag.tenant_id
    {_JOIN_PARENT}
    where (tag.tenant_id, tag.id_tag_key) in (select * from unnest($1::bigint[], $2::text[]))
"""  # noqa: S608

_FIND_PRESENTED: Final = Statement(
    text(
        f"""
        select {_JUDGED}, {UNKNOWN_TAG_POLICY} as unknown_id_tags
        from (
            select cast(:tenant_id as bigint) as tenant_id, cast(:id_tag_key as text) as id_tag_key,
                cast(:charge_point_id as bigint) as charge_point_id
        ) as asked
        {JOIN_JUDGED}
        {JOIN_OWN_POLICY}
        """  # noqa: S608
    )
)

# In one order everywhere, so that two ledgers cannot wait for each other.
_LOCK: Final = """
    select from id_tags as tag
    where (tag.tenant_id, tag.id_tag_key) in (select * from unnest($1::bigint[], $2::text[]))
    order by tag.tenant_id, tag.id_tag_key
    for update of tag
"""

_FIND_GROUP_LIMITS: Final = """
    select asked.tenant_id, asked.id_tag_key, coalesce(
        parent.max_active_transactions_of_group, policy.max_active_transactions_of_group
    ) as group_limit
    from unnest($1::bigint[], $2::text[]) as asked (tenant_id, id_tag_key)
    left join id_tags as parent
        on parent.tenant_id = asked.tenant_id and parent.id_tag_key = asked.id_tag_key
    left join authorization_policies as policy on policy.tenant_id = asked.tenant_id
"""

# A group needs no row, so its name is locked, in one order everywhere. Equal hashes only wait for each other.
_LOCK_GROUPS: Final = """
    select pg_advisory_xact_lock(number) from (
        select distinct hashtextextended(asked.id_tag_key, asked.tenant_id) as number
        from unnest($1::bigint[], $2::text[]) as asked (tenant_id, id_tag_key)
        order by number
    ) as wanted
"""

_POLICIES = tables.authorization_policies
_OWN_POLICIES = tables.charge_point_authorization_policies


class IdTagStore(Repository):
    """The id tags of one tenant; names are compared without regard to case."""

    async def create(self, new: NewIdTag, charge_point_ids: Sequence[int] | None = None) -> IdTagRecord:
        """Create a tag. charge_point_ids: those of `new.charge_points`.

        Raises:
            Conflict: the tenant has this tag, perhaps in another case.
        """
        columns = {name: value for name, value in asdict(new).items() if name != "charge_points"}
        statement = insert(_TABLE).values(
            tenant_id=self.tenant_id,
            id_tag_key=fold_id_tag(new.id_tag),
            created_at=func.now(),
            updated_at=func.now(),
            charge_point_ids=charge_point_ids,
            **columns,
        )
        try:
            await self.connection.execute(statement)
        except IntegrityError as error:
            if "pk_id_tags" not in str(error):
                raise
            raise Conflict(f"The id tag {new.id_tag!r} exists already.", "id_tag") from None
        record = await self.get(new.id_tag)
        if record is None:
            raise AssertionError("a tag exists in the transaction that made it")
        return record

    async def get(self, id_tag: str, *, to_change: bool = False) -> IdTagRecord | None:
        """Return a tag. to_change: lock it until the end of this transaction."""
        statement = select(*_COLUMNS).select_from(_WITH_PARENT).where(*self._is(id_tag))
        if to_change:
            statement = statement.with_for_update(of=_TABLE)
        row = (await self.connection.execute(statement)).one_or_none()
        return IdTagRecord(*row) if row is not None else None

    async def page(
        self, limit: int, after: str | None = None, filters: IdTagFilter | None = None
    ) -> list[IdTagRecord]:
        """Return tags in the order of their folded form. after: `id_tag_key` of the last one seen."""
        statement = select(*_COLUMNS).select_from(_WITH_PARENT).where(_TABLE.c.tenant_id == self.tenant_id)
        if after is not None:
            statement = statement.where(_TABLE.c.id_tag_key > after)
        if filters is not None and filters.prefix is not None:
            pattern = like_prefix(fold_id_tag(filters.prefix))
            statement = statement.where(_TABLE.c.id_tag_key.like(pattern))
        if filters is not None and filters.status is not None:
            statement = statement.where(_TABLE.c.status == filters.status)
        rows = await self.connection.execute(statement.order_by(_TABLE.c.id_tag_key).limit(limit))
        return [IdTagRecord(*row) for row in rows]

    async def update(self, id_tag: str, **changes: Any) -> IdTagRecord | None:
        """Change some of the columns `_CHANGEABLE`; None: no such tag."""
        unknown = changes.keys() - _CHANGEABLE
        if unknown:
            raise TypeError(f"an id tag's {sorted(unknown)} cannot be changed")
        statement = update(_TABLE).where(*self._is(id_tag)).values(updated_at=func.now(), **changes)
        await self.connection.execute(statement)
        return await self.get(id_tag)

    async def delete(self, id_tag: str) -> bool:
        """Remove a tag; its transactions stay. False: there is none."""
        statement = delete(_TABLE).where(*self._is(id_tag)).returning(_TABLE.c.id_tag_key)
        return (await self.connection.execute(statement)).one_or_none() is not None

    def _is(self, id_tag: str) -> tuple[Any, ...]:
        return (_TABLE.c.tenant_id == self.tenant_id, _TABLE.c.id_tag_key == fold_id_tag(id_tag))

    async def find_many(self, id_tags: Sequence[str]) -> dict[str, IdTagRecord]:
        """Return those tags that exist, by their folded form, locked until the end of this transaction."""
        found: dict[str, IdTagRecord] = {}
        keys = sorted({fold_id_tag(id_tag) for id_tag in id_tags})
        for start in range(0, len(keys), _AT_ONCE):
            statement = select(*_COLUMNS).select_from(_WITH_PARENT)
            statement = statement.where(
                _TABLE.c.tenant_id == self.tenant_id, _TABLE.c.id_tag_key.in_(keys[start : start + _AT_ONCE])
            )
            statement = statement.order_by(_TABLE.c.id_tag_key).with_for_update(of=_TABLE)
            tags = [IdTagRecord(*row) for row in await self.connection.execute(statement)]
            found |= {tag.id_tag_key: tag for tag in tags}
        return found

    async def put_many(self, tags: Sequence[Mapping[str, Any]]) -> None:
        """Store tags with all their columns, new ones and known ones. No two may have one folded form."""
        rows = [{**tag, "id_tag_key": fold_id_tag(tag["id_tag"])} for tag in tags]
        statement = postgresql.insert(_TABLE).values(
            tenant_id=self.tenant_id, created_at=func.now(), updated_at=func.now()
        )
        changes = {name: statement.excluded[name] for name in ("id_tag", "updated_at", *_CHANGEABLE)}
        statement = statement.on_conflict_do_update(index_elements=["tenant_id", "id_tag_key"], set_=changes)
        if rows:
            # In one order everywhere, so that two imports cannot wait for each other.
            await self.connection.execute(statement, sorted(rows, key=itemgetter("id_tag_key")))

    async def charge_points(self, identities: Collection[str]) -> dict[str, int]:
        """Return the ids of those charge points that exist, by their identity."""
        if not identities:
            return {}
        statement = select(CHARGE_POINTS.c.id, CHARGE_POINTS.c.identity).where(
            CHARGE_POINTS.c.tenant_id == self.tenant_id, CHARGE_POINTS.c.identity.in_(identities)
        )
        return {row.identity: row.id for row in await self.connection.execute(statement)}


class AuthorizationPolicyStore(Repository):
    """The policy of one tenant, and those of its charge points."""

    async def get(self) -> AuthorizationPolicyRecord:
        """Return the policy of the tenant; without a stored one the default."""
        statement = select(*columns_of(AuthorizationPolicyRecord, _POLICIES))
        statement = statement.where(_POLICIES.c.tenant_id == self.tenant_id)
        row = (await self.connection.execute(statement)).one_or_none()
        return AuthorizationPolicyRecord() if row is None else AuthorizationPolicyRecord(*row)

    async def put(self, policy: AuthorizationPolicyRecord) -> None:
        """Store the policy of the tenant."""
        values = {**asdict(policy), "updated_at": func.now()}
        statement = postgresql.insert(_POLICIES).values(tenant_id=self.tenant_id, **values)
        await self.connection.execute(
            statement.on_conflict_do_update(index_elements=["tenant_id"], set_=values)
        )

    async def own_policy(self, charge_point_id: int) -> ChargePointPolicyRecord:
        """Return the policy at a charge point: its own, or that of its tenant."""
        statement = select(_OWN_POLICIES.c.unknown_id_tags).where(
            _OWN_POLICIES.c.tenant_id == self.tenant_id, _OWN_POLICIES.c.charge_point_id == charge_point_id
        )
        own = (await self.connection.execute(statement)).scalar_one_or_none()
        return ChargePointPolicyRecord(own, own or (await self.get()).unknown_id_tags)

    async def put_own(self, charge_point_id: int, unknown_id_tags: UnknownTagPolicy | None) -> None:
        """Store the policy of a charge point; None: as its tenant decides."""
        here = (
            _OWN_POLICIES.c.tenant_id == self.tenant_id,
            _OWN_POLICIES.c.charge_point_id == charge_point_id,
        )
        if unknown_id_tags is None:
            await self.connection.execute(delete(_OWN_POLICIES).where(*here))
            return
        values = {"unknown_id_tags": unknown_id_tags, "updated_at": func.now()}
        statement = postgresql.insert(_OWN_POLICIES).values(
            tenant_id=self.tenant_id, charge_point_id=charge_point_id, **values
        )
        await self.connection.execute(
            statement.on_conflict_do_update(index_elements=["tenant_id", "charge_point_id"], set_=values)
        )


async def find_id_tags(connection: Connection, keys: Sequence[IdTagKey]) -> dict[IdTagKey, IdTagRecord]:
    """Return the tags among the given ones that are stored, of any tenant, by one statement."""
    if not keys:
        return {}
    rows = await connection.fetch(_FIND, *zip(*keys, strict=True))
    tags = [IdTagRecord(**_of_driver(dict(row))) for row in rows]
    return {IdTagKey(tag.tenant_id, tag.id_tag_key): tag for tag in tags}


async def find_presented(
    steps: Prepared, tenant_id: TenantId, charge_point_id: ChargePointId, id_tag_key: str
) -> tuple[IdTagRecord | None, UnknownTagPolicy]:
    """Return a tag, None: it is not stored, and the policy about such tags that holds at a charge point."""
    values = {"tenant_id": tenant_id, "charge_point_id": charge_point_id, "id_tag_key": id_tag_key}
    (row,) = await steps.of(tenant_id)(_FIND_PRESENTED, values)
    return tag_of(row), row["unknown_id_tags"]


def tag_of(row: Row) -> IdTagRecord | None:
    """Return the tag in a row with `JUDGED_COLUMNS`, None: it is not stored."""
    if row["id_tag_key"] is None:
        return None
    return IdTagRecord(**_of_driver({name: row[name] for name in _JUDGED_NAMES}))


def _of_driver(columns: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a row of the driver, with its arrays as tuples."""
    ids = columns["charge_point_ids"]
    return {**columns, "charge_point_ids": None if ids is None else tuple(ids)}


async def lock_id_tags(connection: Connection, keys: Sequence[IdTagKey]) -> None:
    """Lock tags until the transaction ends, so that parallel starts cannot exceed the limit of a tag."""
    await connection.execute(_LOCK, *zip(*keys, strict=True))


async def find_group_limits(
    connection: Connection, groups: Collection[IdTagKey]
) -> dict[IdTagKey, int | None]:
    """Return how many transactions may run on some groups of any tenants, None: no limit."""
    if not groups:
        return {}
    rows = await connection.fetch(_FIND_GROUP_LIMITS, *zip(*groups, strict=True))
    return {IdTagKey(row["tenant_id"], row["id_tag_key"]): row["group_limit"] for row in rows}


async def lock_groups(connection: Connection, groups: Collection[IdTagKey]) -> None:
    """Lock groups until the transaction ends, as `lock_id_tags` does. Lock them before the tags."""
    await connection.execute(_LOCK_GROUPS, *zip(*groups, strict=True))
