"""The tables of the servers themselves, above the tenants. Only the store of this package uses them."""

from sqlalchemy import Column, Double, Table, Text

from app.database.schema import metadata, time_column

server_facts = Table(
    "server_facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""Values that all servers of this database have in common."""

server_clocks = Table(
    "server_clocks",
    metadata,
    Column("host", Text, primary_key=True),
    Column("difference_s", Double, nullable=False),
    time_column("noted_at"),
)
"""The clock of each host minus that of the database, in seconds."""
