"""Keep the minimum of security profiles, and the changes of keys and profiles that commands ask for."""

from collections.abc import Sequence

from alembic import op

revision: str = "0035"
down_revision: str | None = "0034"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Go to this revision."""
    for table in ("tenants", "charge_points"):
        op.execute(
            f"""
            alter table {table}
                add column minimum_security_profile smallint not null default 0,
                add constraint ck_{table}_minimum_security_profile
                    check (minimum_security_profile between 0 and 3)
            """
        )
    op.execute(
        """
        alter table charge_points
            add column security_profile smallint,
            add column credential_set_at timestamptz,
            add column rotation_check_at timestamptz
        """
    )
    op.execute("update charge_points set credential_set_at = created_at where credential_hash is not null")
    op.execute(
        """
        create index ix_charge_points_credential_age on charge_points (tenant_id, credential_set_at)
        where credential_hash is not null
        """
    )
    op.execute(
        """
        create table security_changes (
            tenant_id bigint not null,
            id uuid not null,
            charge_point_id bigint not null,
            kind text not null,
            from_profile smallint,
            to_profile smallint,
            state text not null,
            detail text,
            command_id uuid,
            requested_by text not null,
            requested_at timestamptz not null,
            answered_at timestamptz,
            ended_at timestamptz,
            check_at timestamptz,
            constraint pk_security_changes primary key (tenant_id, id),
            constraint fk_security_changes_tenant_id foreign key (tenant_id)
                references tenants (id) on delete cascade,
            constraint fk_security_changes_tenant_id_charge_point_id foreign key (tenant_id, charge_point_id)
                references charge_points (tenant_id, id) on delete cascade,
            constraint ck_security_changes_kind check (kind in ('credential', 'security_profile'))
        )
        """
    )
    op.execute(
        """
        create unique index ix_security_changes_open on security_changes (tenant_id, charge_point_id, kind)
        where ended_at is null
        """
    )
    op.execute(
        """
        create index ix_security_changes_charge_point
        on security_changes (tenant_id, charge_point_id, kind, requested_at)
        """
    )
    op.execute("create index ix_security_changes_check on security_changes (check_at) where ended_at is null")
    op.execute(
        """
        create table credential_rotation_policies (
            tenant_id bigint not null,
            every_days integer not null,
            updated_at timestamptz not null,
            updated_by text not null,
            constraint pk_credential_rotation_policies primary key (tenant_id),
            constraint fk_credential_rotation_policies_tenant_id foreign key (tenant_id)
                references tenants (id) on delete cascade,
            constraint ck_credential_rotation_policies_every_days check (every_days between 1 and 3650)
        )
        """
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("credential_rotation_policies")
    op.drop_table("security_changes")
    op.drop_index("ix_charge_points_credential_age", "charge_points")
    for column in ("security_profile", "credential_set_at", "rotation_check_at", "minimum_security_profile"):
        op.drop_column("charge_points", column)
    op.drop_column("tenants", "minimum_security_profile")
