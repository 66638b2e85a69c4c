"""PostgreSQL, engine only: connections, units of work, prepared statements, migrations. No tables.

One way to run SQL for each need:

- Several statements that belong together, or one that runs now and then: a unit of work (`Database.tenant`,
  `Database.platform`) with SQLAlchemy Core. A store takes it: `IdTagStore(work)`.
- One statement that runs all the time: a `Statement`, compiled once, on `Prepared` connections. A reader
  takes them with its tenant: `TransactionStore(TenantReads(database.reads, tenant_id))`.
- Requests of many callers at once: a batcher (`app.batcher`), and one statement over `unnest` arrays for each
  batch: `app.charge_points.login_batcher`.
- Records that are acknowledged after their commit: the ledger's group commit on asyncpg connections of its
  own, one statement over `unnest` arrays for each step of a batch: `app.transactions.batch`.
- Many rows of a hot path: a binary COPY of rows that the core has encoded (`copy_encoded`): meter values and
  the frame log.

What runs for one tenant also runs under the role and the policies that show its rows only, if PostgreSQL has
that role (`roles.py`, `within_tenant.py`). A store or reader of a tenant cannot be made without the tenant's
id, and none of its methods takes one.
"""
