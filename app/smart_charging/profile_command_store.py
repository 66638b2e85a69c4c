"""What the ledger of installed charging profiles is read from: the commands that carried them.

A command is in the record exactly once, with its end and the answer that came late, in the order in which it
was sent. So the ledger needs no rows of its own: it is a reading of the commands that still matter.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on

from app.commands import tables as command_tables
from app.database.repository import Repository, columns_of
from app.smart_charging.records import ConnectorTransaction, ProfileCommandRecord
from app.transactions import tables as transaction_tables

_COMMANDS = command_tables.commands
_COLUMNS = columns_of(ProfileCommandRecord, _COMMANDS)
_TRANSACTIONS = transaction_tables.transactions
_TRANSACTION_COLUMNS = columns_of(ConnectorTransaction, _TRANSACTIONS)


class ProfileCommandStore(Repository):
    """The commands with charging profiles of one tenant, and the transactions that these may belong to."""

    async def for_charge_point(self, charge_point_id: int) -> list[ProfileCommandRecord]:
        """Return the commands that may still matter, in the order in which they were sent."""
        statement = (
            select(*_COLUMNS)
            .where(
                _COMMANDS.c.tenant_id == self.tenant_id,
                _COMMANDS.c.charge_point_id == charge_point_id,
                _COMMANDS.c.superseded_at.is_(None),
                text(f"({command_tables.CARRIES_CHARGING_PROFILE})"),
                _COMMANDS.c.state.not_in(("queued", "offline", "cancelled")),
            )
            # Sessions have an order of their own, whatever the clocks of two servers say.
            .order_by(
                _COMMANDS.c.epoch,
                func.coalesce(_COMMANDS.c.sent_at, _COMMANDS.c.created_at),
                _COMMANDS.c.id,
            )
        )
        return [ProfileCommandRecord(*row) for row in await self.connection.execute(statement)]

    async def transactions(self, charge_point_id: int, since: datetime | None) -> list[ConnectorTransaction]:
        """Return the transactions that are open, ended after `since`, or are the newest on their connector.

        In the order of their start: one that was never stopped is over when another began after it.
        """
        ended, started = _TRANSACTIONS.c.stopped_received_at, _TRANSACTIONS.c.started_at
        connector_id, number = _TRANSACTIONS.c.connector_id, _TRANSACTIONS.c.id
        here = (
            _TRANSACTIONS.c.tenant_id == self.tenant_id,
            _TRANSACTIONS.c.charge_point_id == charge_point_id,
        )
        newest = select(number).ext(distinct_on(connector_id)).where(*here)
        wanted: list[ColumnElement[bool]] = [
            ended.is_(None),
            number.in_(newest.order_by(connector_id, started.desc(), number.desc())),
        ]
        if since is not None:
            wanted.append(ended >= since)
        statement = select(*_TRANSACTION_COLUMNS).where(*here, or_(*wanted)).order_by(started, number)
        return [ConnectorTransaction(*row) for row in await self.connection.execute(statement)]

    async def supersede(self, command_ids: Collection[UUID], at: datetime) -> None:
        """Leave commands out of the ledger from now on, whatever may yet be answered to them."""
        await self.connection.execute(
            update(_COMMANDS)
            .where(_COMMANDS.c.tenant_id == self.tenant_id, _COMMANDS.c.id.in_(command_ids))
            .values(superseded_at=at)
        )
