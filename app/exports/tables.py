"""The tables of exports. Only the store of this package and the migrations use them."""

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, PrimaryKeyConstraint, Table, Text

from app.database.schema import metadata, tenant_column, time_column

exported_files = Table(
    "exported_files",
    metadata,
    tenant_column(),
    Column("partition", Text, primary_key=True),
    Column("destination", Text, nullable=False),
    Column("path", Text, nullable=False),
    # False: it must be written, for the first time or again. The other columns are those of what is there.
    Column("is_current", Boolean, nullable=False),
    Column("rows", BigInteger),
    Column("size_bytes", BigInteger),
    Column("sha256", Text),
    # Of the file that is being written in its place. A crash leaves one of the two.
    Column("next_sha256", Text),
    time_column("exported_at", nullable=True),
    Index("ix_exported_files_partition", "partition"),
)

# Partitions of which all tenants have their file.
exported_partitions = Table(
    "exported_partitions",
    metadata,
    Column("partition", Text, primary_key=True),
    time_column("exported_at"),
    # When the database dropped it; the files have its rows since then.
    time_column("dropped_at", nullable=True),
)

# A trigger writes it for each tenant that has new or changed rows in a partition after its export. No foreign
# key: the ledger's transactions must not lock rows of tenants.
exported_changes = Table(
    "exported_changes",
    metadata,
    Column("tenant_id", BigInteger, nullable=False),
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("partition", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "id"),
    Index("ix_exported_changes_partition", "partition", "tenant_id"),
)
