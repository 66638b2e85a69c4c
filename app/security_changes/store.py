"""SQL of security changes and of the policies that replace keys."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Integer, bindparam, delete, insert, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError

from app.database.repository import Repository, columns_of
from app.database.schema import CHARGE_POINTS, is_charge_point_of
from app.database.unit_of_work import PlatformWork
from app.errors import Conflict
from app.security_changes import tables
from app.security_changes.records import (
    OPEN_STATES,
    ChangeState,
    DueRotation,
    Kind,
    RotationPolicyRecord,
    SecurityChangeRecord,
)

_CHANGES = tables.security_changes
_COLUMNS = columns_of(SecurityChangeRecord, _CHANGES, identity=CHARGE_POINTS.c.identity)
_POLICIES = tables.credential_rotation_policies
_POLICY_COLUMNS = columns_of(RotationPolicyRecord, _POLICIES)

_TAKE: Final = text(
    """
    with taken as (
        select tenant_id, id from security_changes where ended_at is null and check_at <= :now
        order by check_at limit :limit for update skip locked
    )
    update security_changes as change set check_at = :again_at
    from taken join security_changes as known on known.tenant_id = taken.tenant_id and known.id = taken.id
        join charge_points on charge_points.tenant_id = known.tenant_id
            and charge_points.id = known.charge_point_id
    where change.tenant_id = taken.tenant_id and change.id = taken.id
    returning change.id, change.tenant_id, change.charge_point_id, charge_points.identity, change.kind,
        change.from_profile, change.to_profile, change.state, change.detail, change.command_id,
        change.requested_by, change.requested_at, change.answered_at, change.ended_at
    """
).bindparams(bindparam("limit", type_=Integer))

# A charge point that was looked at is left alone for a while, so that those behind it get their turn. One
# whose last change failed waits for a day: it would refuse again.
_TAKE_DUE: Final = text(
    """
    with due as (
        select point.tenant_id, point.id
        from credential_rotation_policies as policy
        join charge_points as point on point.tenant_id = policy.tenant_id
        where point.credential_hash is not null and point.connected_at is not null
            and point.registration_status = 'Accepted'
            and point.credential_set_at < cast(:now as timestamptz) - make_interval(days => policy.every_days)
            and coalesce(point.rotation_check_at, '-infinity') <= :now
            and not exists (
                select from security_changes as change
                where change.tenant_id = point.tenant_id and change.charge_point_id = point.id
                    and change.kind = 'credential'
                    and (change.ended_at is null or change.requested_at > :retry_before)
            )
        order by point.credential_set_at limit :limit
        for update of point skip locked
    )
    update charge_points as point set rotation_check_at = :again_at
    from due where point.tenant_id = due.tenant_id and point.id = due.id
    returning point.tenant_id, point.identity
    """
).bindparams(bindparam("limit", type_=Integer))


class SecurityChangeStore(Repository):
    """The changes of one tenant."""

    async def add(self, change: SecurityChangeRecord, check_at: datetime) -> None:
        """Store a change that is requested.

        Raises:
            Conflict: another one of its kind is open.
        """
        statement = insert(_CHANGES).values(
            tenant_id=self.tenant_id,
            id=change.id,
            charge_point_id=change.charge_point_id,
            kind=change.kind,
            from_profile=change.from_profile,
            to_profile=change.to_profile,
            state=change.state,
            requested_by=change.requested_by,
            requested_at=change.requested_at,
            check_at=check_at,
        )
        try:
            async with self.connection.begin_nested():
                await self.connection.execute(statement)
        except IntegrityError as error:
            if "ix_security_changes_open" not in str(error):
                raise
            raise Conflict("Another change of this kind is under way.") from None

    async def get(self, change_id: UUID, *, to_change: bool = False) -> SecurityChangeRecord | None:
        """Return a change. to_change: lock it until the end of this transaction."""
        statement = select(*_COLUMNS).where(
            _CHANGES.c.tenant_id == self.tenant_id, _CHANGES.c.id == change_id, is_charge_point_of(_CHANGES)
        )
        if to_change:
            statement = statement.with_for_update(of=_CHANGES)
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else SecurityChangeRecord(*row)

    async def newest(
        self, charge_point_id: int, kind: Kind, limit: int = 1, before: datetime | None = None
    ) -> list[SecurityChangeRecord]:
        """Return the newest changes of a charge point. before: requested before then."""
        statement = select(*_COLUMNS).where(
            _CHANGES.c.tenant_id == self.tenant_id,
            _CHANGES.c.charge_point_id == charge_point_id,
            _CHANGES.c.kind == kind,
            is_charge_point_of(_CHANGES),
        )
        if before is not None:
            statement = statement.where(_CHANGES.c.requested_at < before)
        rows = await self.connection.execute(statement.order_by(_CHANGES.c.requested_at.desc()).limit(limit))
        return [SecurityChangeRecord(*row) for row in rows]

    async def advance(
        self,
        change_id: UUID,
        state: ChangeState,
        detail: str | None,
        at: datetime,
        *,
        command_id: UUID | None = None,
    ) -> None:
        """Set the state of an open change. command_id: its command has just ended."""
        values: dict[str, object] = {"state": state, "detail": detail, "check_at": at}
        if command_id is not None:
            values |= {"command_id": command_id, "answered_at": at}
        if state not in OPEN_STATES:
            values["ended_at"] = at
        await self.connection.execute(
            update(_CHANGES)
            .where(
                _CHANGES.c.tenant_id == self.tenant_id,
                _CHANGES.c.id == change_id,
                _CHANGES.c.ended_at.is_(None),
            )
            .values(values)
        )

    async def name_command(self, change_id: UUID, command_id: UUID) -> None:
        """Record which command a change has."""
        await self.connection.execute(
            update(_CHANGES)
            .where(_CHANGES.c.tenant_id == self.tenant_id, _CHANGES.c.id == change_id)
            .values(command_id=command_id)
        )

    async def check_again(self, change_id: UUID, at: datetime) -> None:
        """Set when a sweep looks at a change again."""
        await self.connection.execute(
            update(_CHANGES)
            .where(_CHANGES.c.tenant_id == self.tenant_id, _CHANGES.c.id == change_id)
            .values(check_at=at)
        )


class RotationPolicyStore(Repository):
    """The policy of one tenant."""

    async def get(self) -> RotationPolicyRecord | None:
        """Return the policy; None: keys are replaced by hand only."""
        statement = select(*_POLICY_COLUMNS).where(_POLICIES.c.tenant_id == self.tenant_id)
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else RotationPolicyRecord(*row)

    async def put(self, every_days: int, at: datetime, actor: str) -> RotationPolicyRecord:
        """Set the policy."""
        values = {"every_days": every_days, "updated_at": at, "updated_by": actor}
        statement = (
            postgresql.insert(_POLICIES)
            .values(tenant_id=self.tenant_id, **values)
            .on_conflict_do_update(index_elements=["tenant_id"], set_=values)
            .returning(*_POLICY_COLUMNS)
        )
        return RotationPolicyRecord(*(await self.connection.execute(statement)).one())

    async def delete(self) -> bool:
        """Remove the policy. False: there is none."""
        statement = delete(_POLICIES).where(_POLICIES.c.tenant_id == self.tenant_id)
        removed = await self.connection.execute(statement.returning(_POLICIES.c.every_days))
        return removed.one_or_none() is not None


async def take_open_changes(
    work: PlatformWork, now: datetime, again_at: datetime, limit: int
) -> list[SecurityChangeRecord]:
    """Return open changes of any tenants whose check is pending. Two workers never get the same one."""
    rows = await work.connection.execute(_TAKE, {"now": now, "again_at": again_at, "limit": limit})
    return [SecurityChangeRecord(*row) for row in rows]


async def take_due_rotations(
    work: PlatformWork, now: datetime, again_at: datetime, retry_before: datetime, limit: int
) -> list[DueRotation]:
    """Return charge points whose keys are too old for the policy of their tenant, the oldest keys first.

    Args:
        again_at: When they are looked at again.
        retry_before: One with a change that was requested later waits.
    """
    values = {"now": now, "again_at": again_at, "retry_before": retry_before, "limit": limit}
    return [DueRotation(*row) for row in await work.connection.execute(_TAKE_DUE, values)]
