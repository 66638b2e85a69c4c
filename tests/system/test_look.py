"""The pages in a real browser: they fit, they can be read in light and dark, and nothing is blocked."""

from typing import Literal

import pytest

from tests.support.chromium import Chromium

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = [
    "/protocols",
    "/protocols?q=idTag",
    "/protocols/map",
    "/protocols/matrix",
    "/protocols/ocpp-201",
    "/protocols/oicp-23",
    "/protocols/iec-63110",
    "/protocols/ocpp-16j",
    "/protocols/ocpp-16j/messages",
    "/protocols/ocpp-16j/messages/SetChargingProfile",
    "/protocols/ocpp-16j/configuration-keys",
    "/protocols/ocpp-16j/error-codes",
    "/protocols/ocpp-16j/deviations",
    "/protocols/ocpp-16j/validator",
    "/protocols/ocpp-16j/validator?text=%5B2%2C5%2C%22BootNotification%22%2C%7B%22chargePointVendor%22%3A5%7D%5D",
]
SMALL, PHONE, DESK = 320, 390, 1280

# The contrast of every piece of text with the nearest ground below it, by WCAG 2; SVG text by its fill.
WORST_CONTRAST = """
(() => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => {
    const [r, g, b] = parts(colour).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      const alpha = parts(colour)[3];
      if (alpha === undefined || alpha === 1) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let worst = {ratio: 99};
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || ["title", "desc"].includes(element.localName)) continue;
    const style = getComputedStyle(element);
    const colour = element.namespaceURI.endsWith("svg") ? style.fill : style.color;
    const [a, b] = [light(colour), light(ground(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < worst.ratio) worst = {ratio, text: text.slice(0, 40), colour, ground: ground(element)};
  }
  return worst;
})()
"""


@pytest.mark.parametrize("width", [SMALL, PHONE, DESK])
@pytest.mark.parametrize("path", PAGES)
async def test_a_page_fits_its_window_and_nothing_is_blocked(
    browser: Chromium, address: str, path: str, width: int
) -> None:
    async with browser.tab() as tab:
        await tab.open(address + path, width=width)
        assert await tab.ask("document.documentElement.scrollWidth") == width
        assert await tab.ask("document.styleSheets.length") == 1
        assert await tab.ask("document.querySelector('.brand img').naturalWidth") > 0
        assert tab.complaints() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
async def test_all_text_can_be_read(
    browser: Chromium, address: str, path: str, scheme: Literal["light", "dark"]
) -> None:
    async with browser.tab() as tab:
        await tab.open(address + path, scheme=scheme)
        worst = await tab.ask(WORST_CONTRAST)
        assert worst["ratio"] >= 4.5, worst


async def test_light_and_dark_differ(browser: Chromium, address: str) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        async with browser.tab() as tab:
            await tab.open(address + "/protocols", scheme="light" if scheme == "light" else "dark")
            grounds.append(await tab.ask("getComputedStyle(document.body).backgroundColor"))
    assert grounds[0] != grounds[1]


@pytest.mark.parametrize("width", [PHONE, DESK])
async def test_the_drawing_is_large_enough_to_read(browser: Chromium, address: str, width: int) -> None:
    async with browser.tab() as tab:
        await tab.open(address + "/protocols/ocpp-16j", width=width)
        height = await tab.ask(
            "Math.min(...[...document.querySelectorAll('.flow .action')]"
            ".map(text => text.getBoundingClientRect().height))"
        )
        assert height >= 11
        inside = await tab.ask(
            "(() => { const box = document.querySelector('.flow').getBoundingClientRect();"
            " return [...document.querySelectorAll('.flow text')].every(text => {"
            " const own = text.getBoundingClientRect();"
            " return own.left >= box.left - 1 && own.right <= box.right + 1; }) })()"
        )
        assert inside is True


async def test_the_root_leads_a_browser_to_the_protocols(browser: Chromium, address: str) -> None:
    async with browser.tab() as tab:
        await tab.open(address + "/")
        assert await tab.ask("location.pathname") == "/protocols"
        assert await tab.ask("document.querySelector('h1').textContent") == "Protocol Ecosystem"
