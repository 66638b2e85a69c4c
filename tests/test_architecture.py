"""A capability asks the service of another one, never its tables. What does not is listed here."""

import grimp

EXCEPTIONS = {
    ("app.smart_charging.store", "app.commands.tables"): "one query joins commands and their profiles",
    (
        "app.smart_charging.store",
        "app.transactions.tables",
    ): "it asks for the running transaction, too",
    ("app.smart_charging.store", "app.tenants.tables"): "the tenant's counter numbers its profiles",
}
"""Who reads the tables of another capability, and why it costs less than asking its service."""


def test_a_store_reads_the_tables_of_its_own_capability_only() -> None:
    graph = grimp.build_graph("app", cache_dir=None)
    found = {
        (importer, imported)
        for imported in graph.modules
        if imported.endswith(".tables")
        for importer in graph.find_modules_that_directly_import(imported)
        if importer.split(".")[1] != imported.split(".")[1]
    }
    assert found == EXCEPTIONS.keys()
