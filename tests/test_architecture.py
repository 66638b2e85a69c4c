"""Packages: a capability asks the service of another one, never its tables; each has its folder of tests."""

from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]

EXCEPTIONS = {
    ("app.smart_charging.store", "app.commands.tables"): "one query joins commands and their profiles",
    (
        "app.smart_charging.store",
        "app.transactions.tables",
    ): "it asks for the running transaction, too",
    ("app.smart_charging.store", "app.tenants.tables"): "the tenant's counter numbers its profiles",
}
"""The readers of tables of another capability, and why that costs less than its service."""


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


def test_each_package_has_a_folder_of_tests() -> None:
    packages = {path.parent.name for path in (ROOT / "app").glob("*/__init__.py")}
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert packages - folders == set()


def test_the_readme_lists_every_capability() -> None:
    capabilities = {path.parent.name for path in (ROOT / "app").glob("*/tables.py")}
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [name for name in sorted(capabilities) if f"`app/{name}`" not in readme] == []
