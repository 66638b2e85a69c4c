"""The pages of the migration and of the differences, rendered by the templates of the catalog."""

from collections.abc import Mapping
from functools import partial
from itertools import permutations
from typing import Any

from app.catalog.catalog import API_ROOT, PAGE_ROOT, Catalog, ProtocolCatalog
from app.catalog.pages.rendering import FurtherPage
from app.migration.routes import MIGRATION_BELOW, NEW, OLD, differences_of, migration_map

_CONFIDENCE_WORDS = {
    "read": "a source states it",
    "decided": "our decision",
    "recalled": "from memory: confirm it",
}


def migration_pages(catalog: Catalog) -> dict[str, FurtherPage]:
    """Return the page of the migration, and one for each pair of described protocols, by path."""
    pages = {
        f"{old.page}/diff/{new.entry.slug}": FurtherPage(
            f"Differences from {new.entry.name}", "differences.html", partial(_differences, old, new)
        )
        for old, new in permutations(catalog.described.values(), 2)
    }
    pages[f"{PAGE_ROOT}{MIGRATION_BELOW}"] = FurtherPage(
        f"Migration to {catalog.described[NEW].entry.name}, field by field",
        "migration.html",
        partial(_migration, catalog),
    )
    return pages


def _differences(old: ProtocolCatalog, new: ProtocolCatalog) -> Mapping[str, Any]:
    return {"protocol": old.protocol, "other": new.protocol, "found": differences_of(old, new)}


def _migration(catalog: Catalog) -> Mapping[str, Any]:
    return {
        "protocol": catalog.described[OLD].protocol,
        "other": catalog.described[NEW].protocol,
        "mapped": migration_map(catalog),
        "confidence_words": _CONFIDENCE_WORDS,
        "href": f"{API_ROOT}{MIGRATION_BELOW}",
    }
