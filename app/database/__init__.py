"""PostgreSQL: connections, units of work, statements, migrations. No table is known here. Ways to run SQL:

- unit of work (`Database.tenant`, `.platform`): the default, for several statements in one transaction
- prepared statement (`Database.reads`, `.prepared`): one frequent statement, a transaction by itself
- batch on arrays with `unnest` (`app.batcher`): many callers at once, each with one row, after a reconnect
- group commit (`app.transactions.ledger`): billing records, answered only after an fsync
- COPY (`copying`): many rows that the core has encoded, such as meter values and frames
"""
