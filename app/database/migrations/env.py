"""The script that Alembic runs. It uses the connection that `migrate` has opened."""

from alembic import context

from app.database.schema import collect_tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=collect_tables(),
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
