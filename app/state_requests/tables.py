"""The table of refused triggers. Only the store of this package and the migrations use it."""

from sqlalchemy import Column, Table, Text

from app.database.schema import (
    charge_point_column,
    charge_point_reference,
    metadata,
    tenant_column,
    time_column,
)

trigger_refusals = Table(
    "trigger_refusals",
    metadata,
    tenant_column(),
    charge_point_column(primary_key=True),
    # A newer firmware is asked again.
    Column("firmware_version", Text),
    time_column("learned_at"),
    charge_point_reference(),
)
