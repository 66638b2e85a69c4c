"""Count deviations from the standard, and CALLs, by charge point and software."""

from collections.abc import Sequence

from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision. Counts change in place, so each page keeps room for new versions of its rows."""
    op.execute(
        """
        create table call_counts (
            tenant_id bigint not null,
            charge_point_id bigint not null,
            vendor text not null,
            model text not null,
            firmware_version text not null,
            calls bigint not null,
            last_at timestamptz not null,
            constraint pk_call_counts
                primary key (tenant_id, charge_point_id, vendor, model, firmware_version),
            constraint fk_call_counts_tenant_id
                foreign key (tenant_id) references tenants (id) on delete cascade,
            constraint fk_call_counts_tenant_id_charge_point_id
                foreign key (tenant_id, charge_point_id) references charge_points (tenant_id, id)
                on delete cascade
        )
        with (fillfactor = 80)
        """
    )
    op.execute(
        """
        create table deviation_counts (
            tenant_id bigint not null,
            charge_point_id bigint not null,
            vendor text not null,
            model text not null,
            firmware_version text not null,
            code text not null,
            count bigint not null,
            first_at timestamptz not null,
            last_at timestamptz not null,
            example jsonb not null,
            constraint pk_deviation_counts
                primary key (tenant_id, charge_point_id, vendor, model, firmware_version, code),
            constraint fk_deviation_counts_tenant_id
                foreign key (tenant_id) references tenants (id) on delete cascade,
            constraint fk_deviation_counts_call_counts
                foreign key (tenant_id, charge_point_id, vendor, model, firmware_version)
                references call_counts (tenant_id, charge_point_id, vendor, model, firmware_version)
                on delete cascade
        )
        with (fillfactor = 80)
        """
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("deviation_counts")
    op.drop_table("call_counts")
