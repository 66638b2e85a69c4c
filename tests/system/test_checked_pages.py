"""The pages of the catalog as tools see them: accessible, and valid HTML."""

from pathlib import Path
from typing import Literal

import httpx
import pytest

from tests.support.chromium import Chromium
from tests.support.page_checkers import PageCheckers
from tests.system.test_look import PAGES

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

CHECKED = [
    *PAGES,
    "/protocols/ocpp-16j/migration/ocpp-201",
    "/protocols/ocpp-201/messages/TransactionEvent",
]


@pytest.mark.parametrize(
    ("width", "scheme"), [(320, "light"), (320, "dark"), (1280, "light"), (1280, "dark")]
)
async def test_pages_of_the_catalog_are_accessible(
    browser: Chromium, address: str, checkers: PageCheckers, width: int, scheme: Literal["light", "dark"]
) -> None:
    found: list[str] = []
    async with browser.tab() as tab:
        for path in CHECKED:
            await tab.open(address + path, width=width, scheme=scheme)
            await tab.ask("document.querySelectorAll('details').forEach(part => { part.open = true })")
            found += [f"{path}: {fault}" for fault in await checkers.inaccessible(tab)]
    assert found == []


async def test_pages_of_the_catalog_are_valid(address: str, checkers: PageCheckers, tmp_path: Path) -> None:
    pages: dict[str, str] = {}
    async with httpx.AsyncClient(base_url=address, headers={"Accept": "text/html"}) as visitor:
        for number, path in enumerate(CHECKED):
            answer = await visitor.get(path)
            assert answer.status_code == 200, path
            pages[f"page-{number}"] = answer.text
    assert checkers.invalid(pages, tmp_path) == []
