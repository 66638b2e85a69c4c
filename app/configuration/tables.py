"""The table of configuration keys. Only the store of this package and the migrations use them."""

from sqlalchemy import Boolean, Column, Table, Text

from app.database.schema import (
    charge_point_column,
    charge_point_reference,
    metadata,
    tenant_column,
    time_column,
)

configuration = Table(
    "configuration",
    metadata,
    tenant_column(),
    charge_point_column(primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text),
    Column("readonly", Boolean),
    time_column("reported_at"),
    charge_point_reference(),
)
