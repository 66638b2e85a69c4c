"""The table of the frame log. Only the store of this package and the migrations use them."""

from sqlalchemy import BigInteger, Column, LargeBinary, PrimaryKeyConstraint, Table, Text
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
    # The time of the last frame. The first one is at most a second older.
    time_column("at"),
    # The id of the connection and the frames, as the core packs them.
    Column("packed", LargeBinary),
    # Of a row that a server of an older version has written, instead of `packed`.
    Column("connection_id", Text),
    Column("times", ARRAY(TIMESTAMP(timezone=True))),
    Column("directions", ARRAY(Text)),
    Column("texts", ARRAY(Text)),
    Column("deviations", ARRAY(JSONB(none_as_null=True))),
    PrimaryKeyConstraint("tenant_id", "charge_point_id", "at", "id"),
    postgresql_partition_by="RANGE (at)",
)
