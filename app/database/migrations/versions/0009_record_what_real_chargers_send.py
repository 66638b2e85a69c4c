"""Record what real chargers send: starts without a register, sessions without a stop, times that say nothing.

Reports carry how they arrived, because the clock of a charge point may go back. Every search of the ledger is
an index seek, whatever the past of the charge point.
"""

from collections.abc import Sequence
from typing import Final

from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INDEXES: Final = (
    ("ix_transactions_start", "transactions (tenant_id, started_at, id)"),
    ("ix_transactions_charge_point", "transactions (tenant_id, charge_point_id, started_at, id)"),
    ("ix_transactions_connector", "transactions (tenant_id, charge_point_id, connector_id, started_at, id)"),
    ("ix_transactions_id_tag", "transactions (tenant_id, id_tag_key, started_at, id)"),
    (
        "ix_transactions_running",
        "transactions (tenant_id, started_at, id)"
        " where stopped_received_at is null and presumed_ended_at is null",
    ),
    (
        "ix_transactions_open",
        "transactions (tenant_id, charge_point_id, started_epoch, id) where stopped_received_at is null",
    ),
    ("ix_transactions_stopped", "transactions (tenant_id, charge_point_id, stopped_received_at)"),
    (
        "ix_orphan_records_waiting",
        "orphan_records (tenant_id, charge_point_id, received_at)"
        " where awaits_start and transaction_id is null",
    ),
    ("ix_orphan_records_charge_point", "orphan_records (tenant_id, charge_point_id, id)"),
    (
        "ix_meter_values_undated",
        "meter_values (tenant_id, charge_point_id, digest) where reported_time is not null",
    ),
)

_COLUMNS: Final = {
    "transactions": (
        "started_epoch bigint not null default 0",
        "start_message_id text",
        "start_number integer not null default 0",
        "presumed_ended_at timestamptz",
        "presumed_ended_reason text",
        "last_meter_wh bigint",
    ),
    "orphan_records": (
        "meter_stop_wh bigint",
        "id_tag_key text",
        "awaits_start boolean not null default false",
        "samples_from timestamptz",
        "samples_to timestamptz",
    ),
    "meter_values": ("reported_time text",),
    "connectors": ("epoch bigint not null default 0",),
}


def upgrade() -> None:
    """Go to this revision."""
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.execute(f"alter table {table} add column {column}")
    op.execute("alter table transactions alter column meter_start_wh drop not null")
    op.execute("alter table transactions drop constraint uq_transactions_start")
    op.execute(
        """
        alter table transactions add constraint uq_transactions_start unique nulls not distinct (tenant_id,
            charge_point_id, connector_id, id_tag_key, started_key, meter_start_wh, start_number)
        """
    )
    op.execute("drop index ix_transactions_charge_point")
    op.execute("alter table orphan_records drop constraint ck_orphan_records_kind")
    op.execute(
        """
        alter table orphan_records add constraint ck_orphan_records_kind
            check (kind in ('stop_unknown_transaction', 'stop_conflict', 'invalid', 'damaged'))
        """
    )
    # An operator may attach any stop. Those that wait for a start wait no longer than a stop may wait now.
    op.execute(
        """
        update orphan_records set meter_stop_wh = (payload ->> 'meterStop')::bigint,
            id_tag_key = lower(payload ->> 'idTag'),
            awaits_start = (kind = 'stop_unknown_transaction' and transaction_id is null
                and received_at > now() - interval '7 days'
                and (payload ->> 'transactionId')::bigint <= 0)
        where kind in ('stop_unknown_transaction', 'stop_conflict')
        """
    )
    for name, place in _INDEXES:
        op.execute(f"create index {name} on {place}")
    # Reports come in the order of their arrival.
    op.drop_column("connectors", "effective_at")


def downgrade() -> None:
    """Go back to the revision before. What it had no place for is left out."""
    op.execute("alter table connectors add column effective_at timestamptz")
    op.execute("update connectors set effective_at = received_at")
    op.execute("alter table connectors alter column effective_at set not null")
    for name, _ in _INDEXES:
        op.execute(f"drop index {name}")
    op.execute("delete from orphan_records where kind = 'damaged'")
    op.execute("alter table orphan_records drop constraint ck_orphan_records_kind")
    op.execute(
        """
        alter table orphan_records add constraint ck_orphan_records_kind
            check (kind in ('stop_unknown_transaction', 'stop_conflict', 'invalid'))
        """
    )
    op.execute(
        "create index ix_transactions_charge_point on transactions (tenant_id, charge_point_id, started_at)"
    )
    op.execute("alter table transactions drop constraint uq_transactions_start")
    op.execute("update transactions set meter_start_wh = 0 where meter_start_wh is null")
    op.execute("update transactions set started_key = started_key + start_number * interval '1 microsecond'")
    op.execute("alter table transactions alter column meter_start_wh set not null")
    op.execute(
        """
        alter table transactions add constraint uq_transactions_start unique (tenant_id, charge_point_id,
            connector_id, id_tag_key, started_key, meter_start_wh)
        """
    )
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.execute(f"alter table {table} drop column {column.split()[0]}")
