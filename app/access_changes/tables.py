"""The table of changes of accesses. Only the store of this package and the migrations use it.

Triggers of the database write it, in the transaction of what they tell, whatever has changed it.
"""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Identity, Index, Table, Text, text

from app.database.schema import TIME, metadata

access_changes = Table(
    "access_changes",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # The transaction that has written it: a reader that knows which were under way misses none.
    Column("xid", BigInteger, nullable=False, server_default=text("(pg_current_xact_id()::text)::bigint")),
    Column("at", TIME, nullable=False, server_default=text("clock_timestamp()")),
    Column("kind", Text, nullable=False),
    # Not a reference: the tenant may just have been deleted. None: the platform.
    Column("tenant_id", BigInteger),
    # Of the charge point whose connections end, up to an epoch.
    Column("charge_point_id", BigInteger),
    Column("identity", Text),
    Column("epoch", BigInteger),
    # Whether the tenant is kept out now.
    Column("is_out", Boolean),
    Index("ix_access_changes_xid", "xid"),
    Index("ix_access_changes_at", "at"),
    CheckConstraint("kind in ('key', 'charge_point', 'tenant')", name="kind"),
)
