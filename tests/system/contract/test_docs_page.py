"""`/docs` in a real browser: Swagger UI runs under its policy, and sends requests to this server only."""

from collections.abc import Iterator

import pytest
import uvicorn

from app.main import create_app
from app.settings import Settings
from tests.support.api_server import serving
from tests.support.chromium import Chromium

pytestmark = pytest.mark.asyncio(loop_scope="module")
_RENDERED = """new Promise(resolve => {
  const look = () => document.querySelectorAll('.opblock-tag').length ? resolve(true) : setTimeout(look, 50);
  look();
})"""


@pytest.fixture
def url() -> Iterator[str]:
    """A server whose database is never asked."""
    app = create_app(Settings(credential_pepper="pepper"))
    with serving(uvicorn.Config(app, port=0, lifespan="off", log_config=None, access_log=False)) as url:
        yield url


async def test_swagger_ui_shows_the_api_under_its_strict_policy(url: str, browser: Chromium) -> None:
    async with browser.tab() as tab:
        await tab.open(f"{url}/docs")
        await tab.command("Runtime.evaluate", expression=_RENDERED, awaitPromise=True)
        tags = await tab.ask("[...document.querySelectorAll('.opblock-tag')].map(tag => tag.dataset.tag)")
        assert {"charge-points", "commands", "transactions"} <= set(tags)
        hosts = await tab.ask(
            "performance.getEntriesByType('resource').map(entry => new URL(entry.name).origin)"
        )
        assert set(hosts) == {url}
        assert tab.complaints() == []
