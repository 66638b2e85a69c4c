"""The tables of diagnostics. Only the store of this package and the migrations use them."""

from sqlalchemy import Column, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from app.database.schema import (
    charge_point_column,
    charge_point_reference,
    metadata,
    tenant_column,
    time_column,
)

diagnostics_jobs = Table(
    "diagnostics_jobs",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    charge_point_column(),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("request_id", Integer),
    Column("location", Text),
    Column("upload_id", Uuid),
    Column("file_id", Uuid),
    Column("file_name", Text),
    time_column("start_time", nullable=True),
    time_column("stop_time", nullable=True),
    Column("retries", Integer),
    Column("retry_interval_s", Integer),
    Column("reported_status", Text),
    time_column("reported_at", nullable=True),
    Column("command_id", Uuid),
    Column("retry_of", Uuid),
    Column("requested_by", Text, nullable=False),
    Column("events", JSONB, nullable=False),
    time_column("created_at"),
    time_column("deadline_at"),
    time_column("ended_at", nullable=True),
    charge_point_reference(),
    Index("ix_diagnostics_jobs_newest", "tenant_id", text("created_at desc"), text("id desc")),
    Index("ix_diagnostics_jobs_charge_point", "tenant_id", "charge_point_id", text("created_at desc")),
    Index("ix_diagnostics_jobs_upload", "tenant_id", "upload_id"),
    Index("ix_diagnostics_jobs_command", "tenant_id", "command_id"),
    Index("ix_diagnostics_jobs_open", "deadline_at", postgresql_where=text("ended_at is null")),
    Index("ix_diagnostics_jobs_ended", "ended_at", postgresql_where=text("ended_at is not null")),
)

diagnostics_statuses = Table(
    "diagnostics_statuses",
    metadata,
    tenant_column(),
    charge_point_column(primary_key=True),
    Column("action", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("request_id", Integer),
    Column("job_id", Uuid),
    time_column("received_at"),
    charge_point_reference(),
)
