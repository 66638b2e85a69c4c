"""Lay out the keys of all tables by tenant, and the two big tables in partitions.

Every table with rows of tenants has a primary key that begins with the tenant, and its references bear the
tenant. Transaction ids are counted for each tenant. Existing rows stay where they are: the old table becomes
the first partition.
"""

from collections.abc import Sequence
from typing import Final

from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_REFERRING: Final = {
    "connectors": "CASCADE",
    "configuration": "CASCADE",
    "transactions": "NO ACTION",
    "orphan_records": "NO ACTION",
    "commands": "CASCADE",
    "charging_profile_installations": "CASCADE",
}
"""The action on the rows of each table when their charge point is deleted."""

_KEYS: Final = {
    "charge_points": ("id", "tenant_id, id"),
    "connectors": ("charge_point_id, connector_id", "tenant_id, charge_point_id, connector_id"),
    "configuration": ("charge_point_id, key", "tenant_id, charge_point_id, key"),
    "transactions": ("id", "tenant_id, id"),
    "orphan_records": ("id", "tenant_id, id"),
    "commands": ("id", "tenant_id, id"),
}
"""The primary key of each table before and after."""

_INDEXES: Final = {
    "transactions": (
        ("ix_transactions_charge_point", "(charge_point_id, started_at)"),
        ("ix_transactions_page", "(tenant_id, id)"),
    ),
    "commands": (
        ("ix_commands_charge_point", "(charge_point_id, created_at)"),
        (
            "ix_commands_without_effect",
            "(charge_point_id, created_at) where effect is null"
            " and action in ('RemoteStartTransaction', 'RemoteStopTransaction')",
        ),
        (
            "ix_commands_charging_profiles",
            "(charge_point_id, sent_at) where superseded_at is null and (action in ('SetChargingProfile',"
            " 'ClearChargingProfile') or (action = 'RemoteStartTransaction'"
            " and payload -> 'chargingProfile' is not null))",
        ),
    ),
    "charging_profile_installations": (
        ("ix_charging_profile_installations_charge_point", "(charge_point_id)"),
    ),
}
"""Indexes that began with the charge point alone."""


def upgrade() -> None:
    """Go to this revision."""
    # The bounds of partitions are days and months of UTC.
    op.execute("set local timezone to 'UTC'")
    for table in _REFERRING:
        op.drop_constraint(f"fk_{table}_charge_point_id", table, type_="foreignkey")
    for table, (_, columns) in _KEYS.items():
        op.execute(f"alter table {table} drop constraint pk_{table}")
        op.execute(f"alter table {table} add constraint pk_{table} primary key ({columns})")
    op.execute("alter table id_tags drop constraint uq_id_tags_tenant_id_id_tag_key")
    op.execute("alter table id_tags add constraint pk_id_tags primary key (tenant_id, id_tag_key)")
    op.execute("alter table orphan_records drop constraint uq_orphan_records_charge_point_id_digest")
    op.execute(
        "alter table orphan_records add constraint uq_orphan_records_tenant_id_charge_point_id_digest"
        " unique (tenant_id, charge_point_id, digest)"
    )
    for table, on_delete in _REFERRING.items():
        op.create_foreign_key(
            f"fk_{table}_tenant_id_charge_point_id",
            table,
            "charge_points",
            ["tenant_id", "charge_point_id"],
            ["tenant_id", "id"],
            ondelete=on_delete,
        )
    for table, indexes in _INDEXES.items():
        for name, columns in indexes:
            op.execute(f"drop index {name}")
            if name != "ix_transactions_page":
                op.execute(f"create index {name} on {table} {columns.replace('(', '(tenant_id, ', 1)}")
    _count_transaction_ids_by_tenant()
    _partition_meter_values()
    _partition_frames()


def downgrade() -> None:
    """Go back to the revision before."""
    _join_frames()
    _join_meter_values()
    _count_transaction_ids_of_all()
    for table, indexes in _INDEXES.items():
        for name, columns in indexes:
            op.execute(f"drop index if exists {name}")
            op.execute(f"create index {name} on {table} {columns}")
    for table in _REFERRING:
        op.drop_constraint(f"fk_{table}_tenant_id_charge_point_id", table, type_="foreignkey")
    op.execute(
        "alter table orphan_records drop constraint uq_orphan_records_tenant_id_charge_point_id_digest"
    )
    op.execute(
        "alter table orphan_records add constraint uq_orphan_records_charge_point_id_digest"
        " unique (charge_point_id, digest)"
    )
    op.execute("alter table id_tags drop constraint pk_id_tags")
    op.execute(
        "alter table id_tags add constraint uq_id_tags_tenant_id_id_tag_key unique (tenant_id, id_tag_key)"
    )
    for table, (columns, _) in _KEYS.items():
        op.execute(f"alter table {table} drop constraint pk_{table}")
        op.execute(f"alter table {table} add constraint pk_{table} primary key ({columns})")
    for table, on_delete in _REFERRING.items():
        op.create_foreign_key(
            f"fk_{table}_charge_point_id",
            table,
            "charge_points",
            ["charge_point_id"],
            ["id"],
            ondelete=on_delete,
        )


def _count_transaction_ids_by_tenant() -> None:
    op.execute(
        """
        create table transaction_ids (
            tenant_id bigint constraint pk_transaction_ids primary key
                constraint fk_transaction_ids_tenant_id references tenants (id) on delete cascade,
            next_id bigint not null
        )
        """
    )
    op.execute(
        """
        insert into transaction_ids
        select tenant_id, max(id)::bigint + 1 from transactions group by tenant_id
        """
    )
    op.execute("drop sequence transaction_id_seq")


def _count_transaction_ids_of_all() -> None:
    op.execute("create sequence transaction_id_seq as integer start 1 maxvalue 2147483647")
    op.execute("select setval('transaction_id_seq', max(next_id), false) from transaction_ids")
    op.execute("drop table transaction_ids")


def _partition_meter_values() -> None:
    """Make the old table the partition of all samples up to the end of this month.

    Later months get partitions of their own. Samples that a wrong clock dates later go into the default
    partition.
    """
    op.execute("alter table meter_values rename to meter_values_before")
    op.execute("alter table meter_values_before drop constraint uq_meter_values_sample")
    op.execute(
        """
        alter table meter_values_before add constraint pk_meter_values_before
            primary key (tenant_id, charge_point_id, sampled_at, digest)
        """
    )
    op.execute(
        """
        create table meter_values (like meter_values_before including defaults,
            constraint pk_meter_values primary key (tenant_id, charge_point_id, sampled_at, digest))
            partition by range (sampled_at)
        """
    )
    op.execute("create table meter_values_other partition of meter_values default")
    op.execute(
        """
        with late as (
            delete from meter_values_before
            where sampled_at >= date_trunc('month', now()) + interval '1 month'
            returning *
        )
        insert into meter_values_other select * from late
        """
    )
    op.execute(
        """
        do $$ begin execute format(
            'alter table meter_values attach partition meter_values_before
                for values from (minvalue) to (%L)',
            date_trunc('month', now()) + interval '1 month'
        ); end $$
        """
    )


def _join_meter_values() -> None:
    op.execute("create table joined (like meter_values including defaults)")
    op.execute("insert into joined select * from meter_values")
    op.execute("drop table meter_values")
    op.execute("alter table joined rename to meter_values")
    op.execute(
        """
        alter table meter_values add constraint uq_meter_values_sample
            unique (charge_point_id, sampled_at, digest)
        """
    )


def _partition_frames() -> None:
    """Make the old table the partition of all frames up to now; each later day gets a partition."""
    op.execute("alter table frame_runs rename to frame_runs_before")
    op.execute("drop index ix_frame_runs_charge_point")
    op.execute("drop index ix_frame_runs_at")
    op.execute(
        """
        alter table frame_runs_before add constraint pk_frame_runs_before
            primary key (tenant_id, charge_point_id, at, id)
        """
    )
    op.execute(
        """
        create table frame_runs (like frame_runs_before including defaults,
            constraint pk_frame_runs primary key (tenant_id, charge_point_id, at, id))
            partition by range (at)
        """
    )
    op.execute("create table frame_runs_other partition of frame_runs default")
    op.execute(
        """
        with late as (
            delete from frame_runs_before where at >= date_trunc('day', now()) + interval '1 day' returning *
        )
        insert into frame_runs_other select * from late
        """
    )
    op.execute(
        """
        do $$ begin execute format(
            'alter table frame_runs attach partition frame_runs_before for values from (minvalue) to (%L)',
            date_trunc('day', now()) + interval '1 day'
        ); end $$
        """
    )


def _join_frames() -> None:
    op.execute("create table joined (like frame_runs including defaults)")
    op.execute("insert into joined select * from frame_runs")
    op.execute("drop table frame_runs")
    op.execute("alter table joined rename to frame_runs")
    op.execute("create index ix_frame_runs_charge_point on frame_runs (charge_point_id, at)")
    op.execute("create index ix_frame_runs_at on frame_runs using brin (at)")
