"""The tables of local authorization lists. Only the store of this package and the migrations use them."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.database.schema import (
    charge_point_column,
    charge_point_reference,
    metadata,
    tenant_column,
    time_column,
)

local_lists = Table(
    "local_lists",
    metadata,
    tenant_column(),
    Column("name", Text, primary_key=True),
    Column("note", Text),
    Column("enabled", Boolean, nullable=False),
    # Which tags: all, those of groups, and those that are named.
    Column("all_id_tags", Boolean, nullable=False),
    Column("groups", ARRAY(Text, as_tuple=True), nullable=False),
    Column("id_tags", ARRAY(Text, as_tuple=True), nullable=False),
    # For which charge points, as `ChargePointFilter.of` reads it; null: for none.
    Column("selector", JSONB(none_as_null=True)),
    # What the tags of the tenant looked like at the last look at them.
    Column("tags_seen", Text),
    time_column("scan_at"),
    time_column("created_at"),
    time_column("updated_at"),
    Index("ix_local_lists_scan", "scan_at", postgresql_where=text("enabled")),
)

local_list_states = Table(
    "local_list_states",
    metadata,
    tenant_column(),
    charge_point_column(primary_key=True),
    # False: an operator has switched the synchronization of this charge point off.
    Column("sync", Boolean, nullable=False, server_default=text("true")),
    Column("supported", Boolean, nullable=False, server_default=text("true")),
    # What the charge point has, as far as its answers tell; null: unknown.
    Column("version", BigInteger),
    Column("entries", JSONB(none_as_null=True)),
    Column("highest_version", BigInteger, nullable=False, server_default=text("0")),
    # An update whose answer was lost.
    Column("doubt", JSONB(none_as_null=True)),
    Column("verify", Boolean, nullable=False, server_default=text("true")),
    Column("drifted", Boolean, nullable=False, server_default=text("false")),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("status", Text),
    time_column("status_at", nullable=True),
    Column("reported_version", BigInteger),
    time_column("reported_at", nullable=True),
    Column("last_sent", JSONB(none_as_null=True)),
    # A command of ours that has not ended: its key, the update, and until when it can end.
    Column("in_flight", JSONB(none_as_null=True)),
    time_column("limits_asked_at", nullable=True),
    time_column("check_at", nullable=True),
    charge_point_reference(),
    Index("ix_local_list_states_check", "check_at", postgresql_where=text("check_at is not null")),
)
