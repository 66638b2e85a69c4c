"""Alembic's entry: always online, on the connection that `migrate` opened."""

from alembic import context

from app.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
