"""Keep reservations from their request to their end."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0028"
down_revision: str | None = "0027"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OPEN = sa.text("state in ('requested', 'reserved', 'unknown')")


def upgrade() -> None:
    """Go to this revision."""
    time = sa.TIMESTAMP(timezone=True)
    op.create_table(
        "reservations",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("charge_point_id", sa.BigInteger(), nullable=False),
        sa.Column("reservation_id", sa.Integer(), nullable=False),
        sa.Column("connector_id", sa.Integer(), nullable=False),
        sa.Column("id_tag", sa.Text(), nullable=False),
        sa.Column("id_tag_key", sa.Text(), nullable=False),
        sa.Column("parent_id_tag", sa.Text()),
        sa.Column("parent_key", sa.Text()),
        sa.Column("expires_at", time, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("status", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("issued_by", sa.Text(), nullable=False),
        sa.Column("command_id", sa.UUID()),
        sa.Column("idempotency_key", sa.Text()),
        sa.Column("request_digest", sa.LargeBinary()),
        sa.Column("transaction_id", sa.Integer()),
        sa.Column(
            "conflicts", postgresql.ARRAY(sa.Integer()), nullable=False, server_default=sa.text("'{}'")
        ),
        sa.Column("requested_at", time, nullable=False),
        sa.Column("reserved_at", time),
        sa.Column("ended_at", time),
        sa.Column("check_at", time),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_reservations"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_reservations_tenant_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "charge_point_id"],
            ["charge_points.tenant_id", "charge_points.id"],
            name="fk_reservations_tenant_id_charge_point_id",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint(
            "state in ('requested', 'reserved', 'used', 'expired', 'cancelled', 'rejected', 'unknown')",
            name=op.f("ck_reservations_state"),
        ),
        sa.CheckConstraint("origin in ('reservation', 'command')", name=op.f("ck_reservations_origin")),
    )
    op.create_index("ix_reservations_open", "reservations", ["expires_at"], postgresql_where=_OPEN)
    op.create_index(
        "ix_reservations_open_charge_point",
        "reservations",
        ["tenant_id", "charge_point_id"],
        postgresql_where=_OPEN,
    )
    op.create_index(
        "ix_reservations_check",
        "reservations",
        ["check_at"],
        postgresql_where=sa.text("check_at is not null"),
    )
    op.create_index(
        "ix_reservations_number",
        "reservations",
        ["tenant_id", "charge_point_id", "reservation_id", "id"],
    )
    op.create_index("ix_reservations_charge_point", "reservations", ["tenant_id", "charge_point_id", "id"])
    op.create_index("ix_reservations_state", "reservations", ["tenant_id", "state", "id"])
    op.create_index("ix_reservations_id_tag", "reservations", ["tenant_id", "id_tag_key", "id"])
    op.create_index(
        "uq_reservations_idempotency_key",
        "reservations",
        ["tenant_id", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key is not null"),
    )
    op.create_index(
        "uq_reservations_transaction",
        "reservations",
        ["tenant_id", "transaction_id"],
        unique=True,
        postgresql_where=sa.text("transaction_id is not null"),
    )
    # The ends of commands that are under way now belong to the reservations, too.
    op.execute(
        "update commands set has_effects = true where state in ('queued', 'sent') "
        "and action in ('ReserveNow', 'CancelReservation')"
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("reservations")
