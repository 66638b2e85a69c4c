"""The tables of files. Only the store of this package and the migrations use them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)

from app.database.schema import (
    charge_point_column,
    charge_point_reference,
    metadata,
    tenant_column,
    time_column,
)

file_contents = Table(
    "file_contents",
    metadata,
    tenant_column(),
    Column("sha256", Text, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    # After this time the content is deleted, unless a file has it.
    time_column("unused_after"),
    Index("ix_file_contents_unused_after", "unused_after"),
)

files = Table(
    "files",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("charge_point", Text),
    Column("created_by", Text, nullable=False),
    time_column("created_at"),
    time_column("expires_at", nullable=True),
    ForeignKeyConstraint(
        ["tenant_id", "sha256"], ["file_contents.tenant_id", "file_contents.sha256"], ondelete="NO ACTION"
    ),
    CheckConstraint("origin in ('tenant', 'charge_point')", name="origin"),
    Index("ix_files_newest", "tenant_id", text("created_at desc"), text("id desc")),
    Index("ix_files_content", "tenant_id", "sha256"),
    Index("ix_files_expires_at", "expires_at", postgresql_where=text("expires_at is not null")),
)

file_links = Table(
    "file_links",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    # A keyed hash: a stolen table opens no URL.
    Column("token_hash", LargeBinary, nullable=False),
    Column("direction", Text, nullable=False),
    charge_point_column(),
    Column("file_id", Uuid),
    Column("purpose", Text, nullable=False),
    time_column("created_at"),
    time_column("expires_at"),
    time_column("revoked_at", nullable=True),
    time_column("closed_at", nullable=True),
    charge_point_reference(),
    ForeignKeyConstraint(["tenant_id", "file_id"], ["files.tenant_id", "files.id"], ondelete="CASCADE"),
    CheckConstraint("direction in ('download', 'upload')", name="direction"),
    Index("ix_file_links_token_hash", "token_hash", unique=True),
    Index("ix_file_links_file", "tenant_id", "file_id"),
    Index("ix_file_links_charge_point", "tenant_id", "charge_point_id"),
    Index("ix_file_links_expires_at", "expires_at"),
)
