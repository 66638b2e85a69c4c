"""Keys begin with the tenant: its rows lie together, and could lie on a server of their own."""

from collections.abc import Iterator

from sqlalchemy import Table, UniqueConstraint

from app.database.schema import collect_tables

# Each is found by a secret, or followed by all workers, before its tenant is known.
WITHOUT_TENANT = {
    "access_changes": {("id",)},
    "api_keys": {("id",), ("prefix",)},
    "file_links": {("token_hash",)},
    "login_links": {("token_hash",)},
    "passkeys": {("credential_id",)},
    "user_sessions": {("token_hash",)},
}
"""The unique keys that do not begin with the tenant; `docs/decisions` has a page about them."""


def _tables_of_tenants() -> list[Table]:
    return [table for table in collect_tables().sorted_tables if "tenant_id" in table.c]


def _unique_keys(table: Table) -> Iterator[tuple[str, ...]]:
    yield tuple(column.name for column in table.primary_key.columns)
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield tuple(column.name for column in constraint.columns)
    for index in table.indexes:
        if index.unique:
            yield tuple(getattr(part, "name", str(part)) for part in index.expressions)


def test_unique_keys_begin_with_the_tenant() -> None:
    found: dict[str, set[tuple[str, ...]]] = {}
    for table in _tables_of_tenants():
        keys = {key for key in _unique_keys(table) if key[0] != "tenant_id"}
        if keys:
            found[table.name] = keys
    assert found == WITHOUT_TENANT


def test_references_between_tables_of_tenants_have_the_tenant() -> None:
    names = {table.name for table in _tables_of_tenants()}
    found = []
    for table in _tables_of_tenants():
        for reference in table.foreign_key_constraints:
            pairs = [(element.parent.name, element.column.name) for element in reference.elements]
            if reference.referred_table.name in names and ("tenant_id", "tenant_id") not in pairs:
                found.append((table.name, reference.referred_table.name))
    assert found == []
