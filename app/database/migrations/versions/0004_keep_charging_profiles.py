"""Keep charging profiles, and find the commands that put them on charge points."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = postgresql.TIMESTAMP(timezone=True)
_CARRIES_CHARGING_PROFILE = (
    "superseded_at is null and (action in ('SetChargingProfile', 'ClearChargingProfile')"
    " or (action = 'RemoteStartTransaction' and payload -> 'chargingProfile' is not null))"
)


def upgrade() -> None:
    """Go to this revision."""
    op.add_column(
        "tenants",
        sa.Column("next_charging_profile_id", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
    )
    op.add_column("commands", sa.Column("superseded_at", _TIME, nullable=True))
    op.create_index(
        "ix_commands_charging_profiles",
        "commands",
        ["charge_point_id", "sent_at"],
        postgresql_where=sa.text(_CARRIES_CHARGING_PROFILE),
    )
    op.create_table(
        "charging_profiles",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("charging_profile", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("calendar", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.CheckConstraint(
            "num_nonnulls(charging_profile, calendar) = 1", name=op.f("ck_charging_profiles_form")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_charging_profiles_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_charging_profiles")),
    )
    _create_installations()


def _create_installations() -> None:
    table = "charging_profile_installations"
    op.create_table(
        table,
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("charging_profile_id", sa.Integer(), nullable=False),
        sa.Column("charge_point_id", sa.BigInteger(), nullable=False),
        sa.Column("connector_id", sa.Integer(), nullable=False),
        sa.Column("transaction_id", sa.Integer(), nullable=True),
        sa.Column("conversion", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("requested_at", _TIME, nullable=False),
        sa.Column("refresh_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["charge_point_id"],
            ["charge_points.id"],
            name=op.f(f"fk_{table}_charge_point_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "charging_profile_id"],
            ["charging_profiles.tenant_id", "charging_profiles.id"],
            name=op.f(f"fk_{table}_tenant_id_charging_profile_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "charging_profile_id", "charge_point_id", name=op.f(f"pk_{table}")
        ),
    )
    op.create_index(f"ix_{table}_charge_point", table, ["charge_point_id"])
    op.create_index(
        f"ix_{table}_due", table, ["refresh_at"], postgresql_where=sa.text("refresh_at is not null")
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("charging_profile_installations")
    op.drop_table("charging_profiles")
    op.drop_index("ix_commands_charging_profiles", table_name="commands")
    op.drop_column("commands", "superseded_at")
    op.drop_column("tenants", "next_charging_profile_id")
