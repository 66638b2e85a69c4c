"""The rows of smart charging: stored profiles, where they should be installed, and commands about profiles.

Two tables of other capabilities are read here by SQL, each in one statement instead of one for each row.
Commands: those with charging profiles, also as a condition on installations. Transactions: those that may
have such profiles.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on, insert

from app.commands import tables as command_tables
from app.database.repository import LARGEST_INT32, Repository, columns_of
from app.database.schema import CHARGE_POINTS, is_charge_point_of
from app.database.unit_of_work import PlatformWork
from app.errors import Conflict
from app.smart_charging import tables
from app.smart_charging.records import (
    CALENDAR_PROFILES,
    ChargingProfileRecord,
    ConnectorTransaction,
    InstallationRecord,
    NewInstallation,
    ProfileCommandRecord,
)
from app.tenants import tables as tenant_tables
from app.transactions import tables as transaction_tables
from app.types import Json

_TABLE = tables.charging_profiles
_COLUMNS = columns_of(ChargingProfileRecord, _TABLE)
_TENANTS = tenant_tables.tenants
_INSTALLATIONS = tables.charging_profile_installations
_INSTALLATION_COLUMNS = columns_of(InstallationRecord, _INSTALLATIONS, identity=CHARGE_POINTS.c.identity)

_DRIFTS = tables.charging_profile_drifts
_NOTE_DRIFT: Final = text(
    """
    insert into charging_profile_drifts as known (tenant_id, charge_point_id, connector_id, pattern, found_at)
    select tenant_id, id, :connector_id, :pattern, :at from charge_points
    where tenant_id = :tenant_id and id = :charge_point_id
    for key share
    on conflict (tenant_id, charge_point_id, connector_id) do update set
        pattern = excluded.pattern, found_at = excluded.found_at
    where known.pattern <> excluded.pattern
    returning 1
    """
)

_COMMANDS = command_tables.commands
_COMMAND_COLUMNS = columns_of(ProfileCommandRecord, _COMMANDS)
_TRANSACTIONS = transaction_tables.transactions
_TRANSACTION_COLUMNS = columns_of(
    ConnectorTransaction,
    _TRANSACTIONS,
    stopped_received_at=func.coalesce(
        _TRANSACTIONS.c.stopped_received_at, _TRANSACTIONS.c.presumed_ended_at
    ).label("stopped_received_at"),
)
_RECENT: Final = 200


class ChargingProfileStore(Repository):
    """The stored profiles of one tenant."""

    async def create(
        self, description: str, *, charging_profile: Json | None = None, calendar: Json | None = None
    ) -> ChargingProfileRecord:
        """Store a profile in one of its two forms, under an id that was never used before.

        Raises:
            Conflict: all ids that fit an OCPP integer are used up.
        """
        taken = 1 if calendar is None else CALENDAR_PROFILES
        numbering = (
            update(_TENANTS)
            .where(
                _TENANTS.c.id == self.tenant_id, _TENANTS.c.next_charging_profile_id + taken <= LARGEST_INT32
            )
            .values(next_charging_profile_id=_TENANTS.c.next_charging_profile_id + taken)
            .returning(_TENANTS.c.next_charging_profile_id)
        )
        following = (await self.connection.execute(numbering)).scalar_one_or_none()
        if following is None:
            raise Conflict("No chargingProfileId is left for this tenant.")
        statement = insert(_TABLE).values(
            tenant_id=self.tenant_id,
            id=following - taken,
            description=description,
            charging_profile=charging_profile,
            calendar=calendar,
            created_at=func.now(),
            updated_at=func.now(),
        )
        row = (await self.connection.execute(statement.returning(*_COLUMNS))).one()
        return ChargingProfileRecord(*row)

    async def get(
        self, charging_profile_id: int, *, to_change: bool = False, to_keep: bool = False
    ) -> ChargingProfileRecord | None:
        """Return a stored profile.

        Args:
            charging_profile_id: Its id.
            to_change: Lock it against every other change until this unit of work ends.
            to_keep: Lock it against deletion until this unit of work ends.
        """
        statement = select(*_COLUMNS).where(*self._is(charging_profile_id))
        if to_change or to_keep:
            statement = statement.with_for_update(read=not to_change, key_share=True)
        row = (await self.connection.execute(statement)).one_or_none()
        return ChargingProfileRecord(*row) if row is not None else None

    async def page(self, limit: int, after: int | None = None) -> list[ChargingProfileRecord]:
        """Return stored profiles in the order of their id. after: id of the last one seen."""
        statement = select(*_COLUMNS).where(_TABLE.c.tenant_id == self.tenant_id)
        if after is not None:
            statement = statement.where(_TABLE.c.id > after)
        rows = await self.connection.execute(statement.order_by(_TABLE.c.id).limit(limit))
        return [ChargingProfileRecord(*row) for row in rows]

    async def replace(
        self,
        charging_profile_id: int,
        description: str,
        *,
        charging_profile: Json | None = None,
        calendar: Json | None = None,
    ) -> ChargingProfileRecord | None:
        """Replace the content of a stored profile and return it; None if it does not exist."""
        statement = (
            update(_TABLE)
            .where(*self._is(charging_profile_id))
            .values(
                description=description,
                charging_profile=charging_profile,
                calendar=calendar,
                updated_at=func.now(),
            )
        )
        row = (await self.connection.execute(statement.returning(*_COLUMNS))).one_or_none()
        return ChargingProfileRecord(*row) if row is not None else None

    async def delete(self, charging_profile_id: int) -> bool:
        """Remove a stored profile and say whether there was one. Charge points keep what they have."""
        statement = delete(_TABLE).where(*self._is(charging_profile_id)).returning(_TABLE.c.id)
        return (await self.connection.execute(statement)).one_or_none() is not None

    def _is(self, charging_profile_id: int) -> tuple[Any, ...]:
        return (_TABLE.c.tenant_id == self.tenant_id, _TABLE.c.id == charging_profile_id)


class DriftStore(Repository):
    """The differences that were last told of the connectors of one tenant."""

    async def note(self, charge_point_id: int, connector_id: int, pattern: str, at: datetime) -> bool:
        """Note the difference of a connector. False: it is known, or the charge point was deleted."""
        place = {"charge_point_id": charge_point_id, "connector_id": connector_id}
        values = {"tenant_id": self.tenant_id, **place, "pattern": pattern, "at": at}
        return (await self.connection.execute(_NOTE_DRIFT, values)).one_or_none() is not None

    async def clear(self, charge_point_id: int, connector_id: int) -> None:
        """Note that a connector has no difference: the next one is a new one."""
        await self.connection.execute(
            delete(_DRIFTS).where(
                _DRIFTS.c.tenant_id == self.tenant_id,
                _DRIFTS.c.charge_point_id == charge_point_id,
                _DRIFTS.c.connector_id == connector_id,
            )
        )


class InstallationStore(Repository):
    """Where the stored profiles of one tenant should be installed: once on each charge point."""

    async def put(self, new: NewInstallation, settle_at: datetime) -> None:
        """Store where a profile should be installed on a charge point. It replaces an earlier request.

        settle_at: when to check the installation, if it replaces an earlier request. Two requests at once may
        reach the charge point in the other order.
        """
        values = {
            "connector_id": new.connector_id,
            "transaction_id": new.transaction_id,
            "conversion": new.conversion,
            "refresh_at": new.refresh_at,
            "requested_at": new.requested_at,
        }
        statement = insert(_INSTALLATIONS).values(
            tenant_id=self.tenant_id,
            charging_profile_id=new.charging_profile_id,
            charge_point_id=new.charge_point_id,
            **values,
        )
        ways = ("connector_id", "transaction_id", "conversion")
        differs = or_(*(_INSTALLATIONS.c[name].is_distinct_from(statement.excluded[name]) for name in ways))
        # `least` leaves nulls out.
        sooner = func.least(statement.excluded.refresh_at, settle_at)
        settled = case((differs, sooner), else_=statement.excluded.refresh_at)
        await self.connection.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant_id", "charging_profile_id", "charge_point_id"],
                set_={**values, "refresh_at": settled},
            )
        )

    async def page(
        self, charging_profile_id: int, limit: int, after: str | None = None, *, numbers: int
    ) -> list[InstallationRecord]:
        """Return where a profile is, or may be, in the order of the identities of the charge points.

        numbers: how many chargingProfileIds belong to it, counted from its id.
        """
        statement = self._select(
            _INSTALLATIONS.c.charging_profile_id == charging_profile_id, self._on_charge_point(numbers)
        )
        if after is not None:
            statement = statement.where(CHARGE_POINTS.c.identity > after)
        rows = await self.connection.execute(statement.order_by(CHARGE_POINTS.c.identity).limit(limit))
        return [InstallationRecord(*row) for row in rows]

    async def refresh_soon(self, charging_profile_id: int, at: datetime) -> None:
        """Let the sweep check every installation of a profile, because the profile has changed."""
        await self.connection.execute(
            update(_INSTALLATIONS)
            .where(
                _INSTALLATIONS.c.tenant_id == self.tenant_id,
                _INSTALLATIONS.c.charging_profile_id == charging_profile_id,
            )
            .values(refresh_at=at)
        )

    async def refresh_later(self, installation: InstallationRecord, at: datetime | None) -> None:
        """Set when to check an installation again, unless it or its profile was changed in the meantime."""
        unchanged = _INSTALLATIONS.c.refresh_at == installation.refresh_at
        await self.connection.execute(
            update(_INSTALLATIONS).where(*self._is(installation), unchanged).values(refresh_at=at)
        )

    async def forget(self, installation: InstallationRecord) -> None:
        """Remove an installation, unless it was requested again in the meantime."""
        await self.connection.execute(delete(_INSTALLATIONS).where(*self._is(installation)))

    def _select(self, *conditions: Any) -> Select[Any]:
        joined = _INSTALLATIONS.join(CHARGE_POINTS, is_charge_point_of(_INSTALLATIONS))
        statement = select(*_INSTALLATION_COLUMNS).select_from(joined)
        return statement.where(_INSTALLATIONS.c.tenant_id == self.tenant_id, *conditions)

    def _is(self, installation: InstallationRecord) -> tuple[Any, ...]:
        return (
            _INSTALLATIONS.c.tenant_id == self.tenant_id,
            _INSTALLATIONS.c.charging_profile_id == installation.charging_profile_id,
            _INSTALLATIONS.c.charge_point_id == installation.charge_point_id,
            _INSTALLATIONS.c.requested_at == installation.requested_at,
        )

    def _on_charge_point(self, numbers: int) -> Any:
        """Return an SQL condition: a command that counts and was not refused carries an id of the profile."""
        # A command that was posted as raw OCPP may have any integer of 64 bits.
        carried_id = cast(_COMMANDS.c.payload["csChargingProfiles"]["chargingProfileId"].astext, BigInteger)
        first = _INSTALLATIONS.c.charging_profile_id
        return exists().where(
            _COMMANDS.c.tenant_id == self.tenant_id,
            _COMMANDS.c.charge_point_id == _INSTALLATIONS.c.charge_point_id,
            _COMMANDS.c.superseded_at.is_(None),
            _COMMANDS.c.action == "SetChargingProfile",
            _COMMANDS.c.state.not_in(("rejected", "call_error", "offline", "cancelled", "queued")),
            carried_id >= first,
            carried_id < first + numbers,
        )


class ProfileCommandStore(Repository):
    """The commands of one tenant that carry charging profiles, and the transactions they may belong to."""

    async def for_charge_point(self, charge_point_id: int) -> list[ProfileCommandRecord]:
        """Return the commands that may still matter to the profile ledger, in the order of sending."""
        statement = (
            select(*_COMMAND_COLUMNS)
            .where(
                _COMMANDS.c.tenant_id == self.tenant_id,
                _COMMANDS.c.charge_point_id == charge_point_id,
                _COMMANDS.c.superseded_at.is_(None),
                text(f"({command_tables.CARRIES_CHARGING_PROFILE})"),
                _COMMANDS.c.state.not_in(("queued", "offline", "cancelled")),
            )
            # Connections are ordered by epoch, because the clocks of two servers may differ.
            .order_by(
                _COMMANDS.c.epoch,
                func.coalesce(_COMMANDS.c.sent_at, _COMMANDS.c.created_at),
                _COMMANDS.c.id,
            )
        )
        return [ProfileCommandRecord(*row) for row in await self.connection.execute(statement)]

    async def transactions(self, charge_point_id: int, since: datetime | None) -> list[ConnectorTransaction]:
        """Return the transactions that are open, ended after `since`, or are the newest of their connector.

        They come in the order in which their starts arrived, because a clock may be set back: one that was
        never stopped is over once a later one came. Of a long past only the newest are looked at.
        """
        number, epoch = _TRANSACTIONS.c.id, _TRANSACTIONS.c.started_epoch
        here = (
            _TRANSACTIONS.c.tenant_id == self.tenant_id,
            _TRANSACTIONS.c.charge_point_id == charge_point_id,
        )
        recent = (
            select(number, epoch, _TRANSACTIONS.c.connector_id)
            .where(*here)
            .order_by(_TRANSACTIONS.c.started_at.desc(), number.desc())
            .limit(_RECENT)
            .subquery()
        )
        newest = select(recent.c.id).ext(distinct_on(recent.c.connector_id))
        newest = newest.order_by(recent.c.connector_id, recent.c.started_epoch.desc(), recent.c.id.desc())
        wanted: list[ColumnElement[bool]] = [
            and_(_TRANSACTIONS.c.stopped_received_at.is_(None), _TRANSACTIONS.c.presumed_ended_at.is_(None)),
            number.in_(newest),
        ]
        if since is not None:
            wanted.append(_TRANSACTIONS.c.stopped_received_at >= since)
            wanted.append(
                and_(
                    _TRANSACTIONS.c.stopped_received_at.is_(None), _TRANSACTIONS.c.presumed_ended_at >= since
                )
            )
        statement = select(*_TRANSACTION_COLUMNS).where(*here, or_(*wanted)).order_by(epoch, number)
        return [ConnectorTransaction(*row) for row in await self.connection.execute(statement)]

    async def settle(self, command_id: UUID, *, carried_out: bool) -> None:
        """Record what an operator says of a command in doubt."""
        await self.connection.execute(
            update(_COMMANDS)
            .where(_COMMANDS.c.tenant_id == self.tenant_id, _COMMANDS.c.id == command_id)
            .values(carried_out=carried_out)
        )

    async def supersede(self, command_ids: Collection[UUID], at: datetime) -> None:
        """Leave commands out of the ledger from now on, whatever their late answers say."""
        await self.connection.execute(
            update(_COMMANDS)
            .where(_COMMANDS.c.tenant_id == self.tenant_id, _COMMANDS.c.id.in_(command_ids))
            .values(superseded_at=at)
        )


class InstallationReviewStore:
    """The installations of all tenants, for the sweep that checks them."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection

    async def take(self, now: datetime, again_at: datetime, limit: int) -> list[InstallationRecord]:
        """Return installations whose check is pending, and set their next one to `again_at`.

        Each row is locked, so that two workers that sweep at the same time never get the same row.
        """
        rows = await self.connection.execute(_TAKE, {"now": now, "again_at": again_at, "limit": limit})
        return [InstallationRecord(*row) for row in rows]


_TAKE = text(
    """
    with pending as (
        select tenant_id, charging_profile_id, charge_point_id
        from charging_profile_installations
        where refresh_at <= :now
        order by refresh_at
        limit :limit
        for update skip locked
    )
    update charging_profile_installations as taken set refresh_at = :again_at
    from pending join charge_points
        on charge_points.tenant_id = pending.tenant_id and charge_points.id = pending.charge_point_id
    where taken.tenant_id = pending.tenant_id and taken.charging_profile_id = pending.charging_profile_id
        and taken.charge_point_id = pending.charge_point_id
    returning taken.tenant_id, taken.charging_profile_id, taken.charge_point_id, charge_points.identity,
        taken.connector_id, taken.transaction_id, taken.conversion, taken.requested_at, taken.refresh_at
    """
)
