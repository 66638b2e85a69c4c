"""The table of the frame log. Only the store of this package and the migrations use them."""

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from app.database.schema import metadata, time_column

frame_runs = Table(
    "frame_runs",
    metadata,
    # The number of the first frame of the run. The database gives it, rising with time. The other frames
    # have the numbers after it.
    Column("id", BigInteger, nullable=False, autoincrement=False),
    Column("tenant_id", BigInteger, nullable=False),
    Column("charge_point_id", BigInteger, nullable=False),
    Column("connection_id", Text, nullable=False),
    # The time of the last frame. The first one is at most a second older.
    time_column("at"),
    Column("times", ARRAY(TIMESTAMP(timezone=True)), nullable=False),
    Column("directions", ARRAY(Text), nullable=False),
    Column("texts", ARRAY(Text), nullable=False),
    Column("deviations", ARRAY(JSONB(none_as_null=True))),
    PrimaryKeyConstraint("tenant_id", "charge_point_id", "at", "id"),
    postgresql_partition_by="RANGE (at)",
)
