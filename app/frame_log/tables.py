"""The tables of the frame log. Only the store of this package and the migrations use them."""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from app.database.schema import metadata, time_column

frame_runs = Table(
    "frame_runs",
    metadata,
    # The number of the run's first frame, given by the server and rising with the time; the others follow.
    Column("id", BigInteger, nullable=False, autoincrement=False),
    Column("tenant_id", BigInteger, nullable=False),
    Column("charge_point_id", BigInteger, nullable=False),
    Column("connection_id", Text, nullable=False),
    # The time of the last frame; the first one is at most a second older.
    time_column("at"),
    Column("times", ARRAY(TIMESTAMP(timezone=True)), nullable=False),
    Column("directions", ARRAY(Text), nullable=False),
    Column("texts", ARRAY(Text), nullable=False),
    Column("deviations", ARRAY(JSONB(none_as_null=True))),
    Index("ix_frame_runs_charge_point", "charge_point_id", "at"),
    # The retention purge walks by time alone.
    Index("ix_frame_runs_at", "at", postgresql_using="brin"),
)
