"""The tables of exports. Only the store of this package and the migrations use them."""

from sqlalchemy import BigInteger, Column, Identity, Index, PrimaryKeyConstraint, Table, Text

from app.database.schema import metadata, tenant_column, time_column

exported_files = Table(
    "exported_files",
    metadata,
    tenant_column(),
    Column("partition", Text, primary_key=True),
    Column("destination", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    time_column("exported_at"),
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
