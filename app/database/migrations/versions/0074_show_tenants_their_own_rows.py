"""Let a role that is subject to policies see and change the rows of one tenant only.

The owner of the tables, as which the program logs in, is exempt. So servers of the version before notice
nothing.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0074"
down_revision: str | None = "0073"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TENANT = "nullif(current_setting('stationmaster.tenant', true), '')::bigint"
# A partition has no policy: it is read through its table, and only the owner has a right to it.
_TABLES = """
    select relname from pg_class join pg_attribute on attrelid = pg_class.oid
    where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p') and not relispartition
        and attname = 'tenant_id' and not attisdropped
    order by relname
"""


def upgrade() -> None:
    """Go to this revision."""
    columns = {"tenants": "id", **{table: "tenant_id" for table in _tables_of_tenants()}}
    for table, column in columns.items():
        op.execute(f"alter table {table} enable row level security")
        # The rows that a statement writes must also meet it.
        op.execute(f"create policy tenant on {table} using ({column} = {_TENANT})")


def downgrade() -> None:
    """Go back to the revision before."""
    for table in ("tenants", *_tables_of_tenants()):
        op.execute(f"drop policy tenant on {table}")
        op.execute(f"alter table {table} disable row level security")


def _tables_of_tenants() -> list[str]:
    return list(op.get_bind().execute(sa.text(_TABLES)).scalars())
