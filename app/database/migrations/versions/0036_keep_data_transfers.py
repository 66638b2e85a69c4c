"""Keep who answers DataTransfer of which vendors, and what was exchanged."""

from collections.abc import Sequence

from alembic import op

revision: str = "0036"
down_revision: str | None = "0035"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute(
        """
        create table data_transfer_subscriptions (
            tenant_id bigint not null,
            id uuid not null,
            vendor_id text not null,
            vendor_key text not null,
            message_id text,
            message_key text not null,
            status text not null,
            data text,
            url text,
            deadline_ms integer not null,
            secret bytea not null,
            previous_secret bytea,
            previous_secret_until timestamptz,
            created_at timestamptz not null,
            updated_at timestamptz not null,
            revision bigint generated always as identity,
            constraint pk_data_transfer_subscriptions primary key (tenant_id, id),
            constraint fk_data_transfer_subscriptions_tenant_id foreign key (tenant_id)
                references tenants (id) on delete cascade,
            constraint uq_data_transfer_subscriptions_tenant_id_vendor_key_message_key
                unique (tenant_id, vendor_key, message_key),
            constraint ck_data_transfer_subscriptions_status
                check (status in ('Accepted', 'Rejected', 'UnknownMessageId', 'UnknownVendorId'))
        )
        """
    )
    op.execute(
        """
        create table data_transfers (
            tenant_id bigint not null,
            id bigint generated always as identity,
            charge_point_id bigint not null,
            at timestamptz not null,
            direction text not null,
            vendor_id text not null,
            vendor_key text not null,
            message_id text,
            message_key text not null,
            data text,
            data_length integer not null,
            status text,
            answer_data text,
            answered_by text not null,
            reason text,
            detail text,
            duration_ms integer not null,
            command_id uuid,
            constraint pk_data_transfers primary key (tenant_id, id),
            constraint fk_data_transfers_tenant_id foreign key (tenant_id)
                references tenants (id) on delete cascade,
            constraint fk_data_transfers_tenant_id_charge_point_id foreign key (tenant_id, charge_point_id)
                references charge_points (tenant_id, id) on delete cascade,
            constraint uq_data_transfers_tenant_id_command_id unique (tenant_id, command_id),
            constraint ck_data_transfers_direction
                check (direction in ('from_charge_point', 'to_charge_point'))
        )
        """
    )
    op.execute(
        "create index ix_data_transfers_charge_point on data_transfers (tenant_id, charge_point_id, id)"
    )
    op.execute(
        "create index ix_data_transfers_vendor on data_transfers (tenant_id, vendor_key, message_key, id)"
    )
    op.execute("create index ix_data_transfers_at on data_transfers (at)")
    op.execute(
        "update commands set has_effects = true where state in ('queued', 'sent') and action = 'DataTransfer'"
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("data_transfers")
    op.drop_table("data_transfer_subscriptions")
