"""The stored charging profiles of one tenant, and where they should be installed."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Select, case, cast, delete, exists, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from app.charge_points import tables as charge_point_tables
from app.commands import tables as command_tables
from app.database.repository import LARGEST_INT32, Repository, columns_of
from app.database.unit_of_work import PlatformWork
from app.errors import Conflict
from app.smart_charging import tables
from app.smart_charging.records import ChargingProfileRecord, InstallationRecord
from app.tenants import tables as tenant_tables
from app.types import Json

_TABLE = tables.charging_profiles
_COLUMNS = columns_of(ChargingProfileRecord, _TABLE)
_TENANTS = tenant_tables.tenants
_INSTALLATIONS = tables.charging_profile_installations
_CHARGE_POINTS = charge_point_tables.charge_points
_INSTALLATION_COLUMNS = columns_of(InstallationRecord, _INSTALLATIONS, identity=_CHARGE_POINTS.c.identity)

CALENDAR_PROFILES = 16
"""Numbers that a calendar takes: it may need as many OCPP profiles, with gaps between them."""


class ChargingProfileStore(Repository):
    """The stored profiles of one tenant."""

    async def create(
        self, description: str, *, charging_profile: Json | None = None, calendar: Json | None = None
    ) -> ChargingProfileRecord:
        """Store a profile in one of its two forms, under a number that was never given before.

        Raises:
            Conflict: the numbers that fit an OCPP integer are used up.
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
            raise Conflict("The numbers for charging profiles are used up.")
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

        Until the end of this transaction nobody else changes it (to_change), or nobody deletes it (to_keep).
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
        """Put another content under the same id; None: there is no such profile."""
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
        """Remove a stored profile; charge points keep what they have. False: there is none."""
        statement = delete(_TABLE).where(*self._is(charging_profile_id)).returning(_TABLE.c.id)
        return (await self.connection.execute(statement)).one_or_none() is not None

    def _is(self, charging_profile_id: int) -> tuple[Any, ...]:
        return (_TABLE.c.tenant_id == self.tenant_id, _TABLE.c.id == charging_profile_id)


class InstallationStore(Repository):
    """Where the stored profiles of one tenant should be installed: once on each charge point."""

    async def put(
        self,
        charging_profile_id: int,
        charge_point_id: int,
        connector_id: int,
        *,
        transaction_id: int | None,
        conversion: Json | None,
        refresh_at: datetime | None,
        settle_at: datetime,
        at: datetime,
    ) -> None:
        """Note that a profile should be on a charge point, instead of where it was there before.

        settle_at: when to look whether it is there, if it was meant to be there in another way before: what
        is sent for two such requests at once may arrive in the other order.
        """
        values = {
            "connector_id": connector_id,
            "transaction_id": transaction_id,
            "conversion": conversion,
            "refresh_at": refresh_at,
            "requested_at": at,
        }
        statement = insert(_INSTALLATIONS).values(
            tenant_id=self.tenant_id,
            charging_profile_id=charging_profile_id,
            charge_point_id=charge_point_id,
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
        """Return where a profile is, or may be, in the order of the identity of the charge points.

        numbers: how many of the numbers on the wire are its own, from its id on.
        """
        statement = self._select(
            _INSTALLATIONS.c.charging_profile_id == charging_profile_id, self._on_charge_point(numbers)
        )
        if after is not None:
            statement = statement.where(_CHARGE_POINTS.c.identity > after)
        rows = await self.connection.execute(statement.order_by(_CHARGE_POINTS.c.identity).limit(limit))
        return [InstallationRecord(*row) for row in rows]

    async def refresh_soon(self, charging_profile_id: int, at: datetime) -> None:
        """Have every installation of a profile looked at, for the profile has changed."""
        await self.connection.execute(
            update(_INSTALLATIONS)
            .where(
                _INSTALLATIONS.c.tenant_id == self.tenant_id,
                _INSTALLATIONS.c.charging_profile_id == charging_profile_id,
            )
            .values(refresh_at=at)
        )

    async def refresh_later(self, installation: InstallationRecord, at: datetime | None) -> None:
        """Say when to look at an installation again, unless it or its profile was changed meanwhile."""
        unchanged = _INSTALLATIONS.c.refresh_at == installation.refresh_at
        await self.connection.execute(
            update(_INSTALLATIONS).where(*self._is(installation), unchanged).values(refresh_at=at)
        )

    async def forget(self, installation: InstallationRecord) -> None:
        """Remove an installation, unless it was requested anew meanwhile."""
        await self.connection.execute(delete(_INSTALLATIONS).where(*self._is(installation)))

    def _select(self, *conditions: Any) -> Select[Any]:
        joined = _INSTALLATIONS.join(_CHARGE_POINTS, _CHARGE_POINTS.c.id == _INSTALLATIONS.c.charge_point_id)
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
        """Whether a command that still counts, and was not refused, carries one of the profile's numbers."""
        commands = command_tables.commands
        # What was posted raw may be any integer of 64 bits.
        wire_id = cast(commands.c.payload["csChargingProfiles"]["chargingProfileId"].astext, BigInteger)
        first = _INSTALLATIONS.c.charging_profile_id
        return exists().where(
            commands.c.tenant_id == self.tenant_id,
            commands.c.charge_point_id == _INSTALLATIONS.c.charge_point_id,
            commands.c.superseded_at.is_(None),
            commands.c.action == "SetChargingProfile",
            commands.c.state.not_in(("rejected", "call_error", "offline", "cancelled", "queued")),
            wire_id >= first,
            wire_id < first + numbers,
        )


class InstallationReviewStore:
    """The installations of all tenants, seen by the sweep that keeps them as their profiles say."""

    def __init__(self, work: PlatformWork) -> None:
        self.connection = work.connection

    async def take(self, now: datetime, again_at: datetime, limit: int) -> list[InstallationRecord]:
        """Return installations that are due, and put their next turn to `again_at`: one worker gets each."""
        rows = await self.connection.execute(_TAKE, {"now": now, "again_at": again_at, "limit": limit})
        return [InstallationRecord(*row) for row in rows]


_TAKE = text(
    """
    with due as (
        select tenant_id, charging_profile_id, charge_point_id
        from charging_profile_installations
        where refresh_at <= :now
        order by refresh_at
        limit :limit
        for update skip locked
    )
    update charging_profile_installations as taken set refresh_at = :again_at
    from due join charge_points on charge_points.id = due.charge_point_id
    where taken.tenant_id = due.tenant_id and taken.charging_profile_id = due.charging_profile_id
        and taken.charge_point_id = due.charge_point_id
    returning taken.tenant_id, taken.charging_profile_id, taken.charge_point_id, charge_points.identity,
        taken.connector_id, taken.transaction_id, taken.conversion, taken.requested_at, taken.refresh_at
    """
)
