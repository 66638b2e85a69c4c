"""The tables of DataTransfer. Only the stores of this package and the migrations use them."""

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
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import UUID

from app.database.schema import (
    charge_point_column,
    charge_point_reference,
    metadata,
    tenant_column,
    time_column,
)

data_transfer_subscriptions = Table(
    "data_transfer_subscriptions",
    metadata,
    tenant_column(),
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("vendor_id", Text, nullable=False),
    Column("vendor_key", Text, nullable=False),
    Column("message_id", Text),
    # Empty: all messages of the vendor.
    Column("message_key", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("data", Text),
    # null: the stored answer is given.
    Column("url", Text),
    Column("deadline_ms", Integer, nullable=False),
    # Encrypted with a key from the pepper of the server.
    Column("secret", LargeBinary, nullable=False),
    Column("previous_secret", LargeBinary),
    time_column("previous_secret_until", nullable=True),
    time_column("created_at"),
    time_column("updated_at"),
    # Given again with each change, so that workers see that something has changed.
    Column("revision", BigInteger, Identity(always=True), nullable=False),
    UniqueConstraint("tenant_id", "vendor_key", "message_key"),
    CheckConstraint(
        "status in ('Accepted', 'Rejected', 'UnknownMessageId', 'UnknownVendorId')", name="status"
    ),
)

data_transfers = Table(
    "data_transfers",
    metadata,
    tenant_column(),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    charge_point_column(),
    time_column("at"),
    Column("direction", Text, nullable=False),
    Column("vendor_id", Text, nullable=False),
    Column("vendor_key", Text, nullable=False),
    Column("message_id", Text),
    Column("message_key", Text, nullable=False),
    Column("data", Text),
    Column("data_length", Integer, nullable=False),
    # null: there was no answer.
    Column("status", Text),
    Column("answer_data", Text),
    Column("answered_by", Text, nullable=False),
    Column("reason", Text),
    Column("detail", Text),
    Column("duration_ms", Integer, nullable=False),
    Column("command_id", UUID(as_uuid=True)),
    charge_point_reference(),
    UniqueConstraint("tenant_id", "command_id"),
    CheckConstraint("direction in ('from_charge_point', 'to_charge_point')", name="direction"),
    Index("ix_data_transfers_charge_point", "tenant_id", "charge_point_id", "id"),
    Index("ix_data_transfers_vendor", "tenant_id", "vendor_key", "message_key", "id"),
    Index("ix_data_transfers_at", "at"),
)
