"""The table of reservations. Only the store of this package and the migrations use it."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from app.database.schema import (
    charge_point_column,
    charge_point_reference,
    metadata,
    tenant_column,
    time_column,
)

_OPEN = text("state in ('requested', 'reserved', 'unknown')")

reservations = Table(
    "reservations",
    metadata,
    tenant_column(),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    charge_point_column(),
    # The reservationId of the messages. A ReserveNow with the same one makes another row, and replaces it.
    Column("reservation_id", Integer, nullable=False),
    Column("connector_id", Integer, nullable=False),
    Column("id_tag", Text, nullable=False),
    Column("id_tag_key", Text, nullable=False),
    Column("parent_id_tag", Text),
    Column("parent_key", Text),
    time_column("expires_at"),
    Column("state", Text, nullable=False),
    # The charge point's own word, and why the state is what it is.
    Column("status", Text),
    Column("reason", Text),
    Column("origin", Text, nullable=False),
    Column("issued_by", Text, nullable=False),
    Column("command_id", UUID(as_uuid=True)),
    # A repeated request with this key is the same one.
    Column("idempotency_key", Text),
    Column("request_digest", LargeBinary),
    Column("transaction_id", Integer),
    # Transactions of other tags on the reserved connector.
    Column("conflicts", ARRAY(Integer, as_tuple=True), nullable=False, server_default=text("'{}'")),
    time_column("requested_at"),
    time_column("reserved_at", nullable=True),
    time_column("ended_at", nullable=True),
    # When to look for a start that has come late, of one that is over.
    time_column("check_at", nullable=True),
    charge_point_reference(),
    CheckConstraint(
        "state in ('requested', 'reserved', 'used', 'expired', 'cancelled', 'rejected', 'unknown')",
        name="state",
    ),
    CheckConstraint("origin in ('reservation', 'command')", name="origin"),
    Index("ix_reservations_open", "expires_at", postgresql_where=_OPEN),
    Index("ix_reservations_open_charge_point", "tenant_id", "charge_point_id", postgresql_where=_OPEN),
    Index("ix_reservations_check", "check_at", postgresql_where=text("check_at is not null")),
    Index("ix_reservations_number", "tenant_id", "charge_point_id", "reservation_id", "id"),
    Index("ix_reservations_charge_point", "tenant_id", "charge_point_id", "id"),
    Index("ix_reservations_state", "tenant_id", "state", "id"),
    Index("ix_reservations_id_tag", "tenant_id", "id_tag_key", "id"),
    Index(
        "uq_reservations_idempotency_key",
        "tenant_id",
        "idempotency_key",
        unique=True,
        postgresql_where=text("idempotency_key is not null"),
    ),
    # A start uses one reservation, whichever worker sees it.
    Index(
        "uq_reservations_transaction",
        "tenant_id",
        "transaction_id",
        unique=True,
        postgresql_where=text("transaction_id is not null"),
    ),
)
