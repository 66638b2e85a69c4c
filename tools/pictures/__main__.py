"""Takes a picture of each screen of the console, light and dark, on a desk and on a phone."""

import argparse
import asyncio
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Final, Literal

from tests.support.chromium import Chromium, Tab
from tools.pictures.demo import Demo, running_demo
from tools.pictures.story import Places, tell

FOLDER: Final = Path(__file__).parents[2] / "docs" / "pictures"
LIMIT_BYTES: Final = 60_000
_QUALITIES: Final = (80, 65, 50, 40, 30, 20, 10)
_WIDTHS: Final = {"desk": 1280, "phone": 320}
_SCALES: Final = {"desk": 0.75, "phone": 1.0}
_LONGEST: Final = {"desk": 1100, "phone": 1000}
"""CSS pixels of a page that a picture shows, from its top."""
_SETTLING_S: Final = 1.5
"""Seconds in which charts are drawn, and live parts come."""
_Scheme = Literal["light", "dark"]
_SCHEMES: Final[tuple[_Scheme, ...]] = ("light", "dark")


def screens(places: Places) -> dict[str, str]:
    """Return the path of each screen, by the name of its pictures."""
    point = f"/charge-points/{places.slow}"
    return {
        # These change soonest.
        "transaction": f"/transactions/{places.transaction_id}",
        "why-so-slow": f"{point}/limits?connector={places.connector}",
        "fleet": "/fleet",
        "charge-point": point,
        "commands": "/commands",
        "command-form": f"{point}/commands/SetChargingProfile",
        "transactions": "/transactions",
        "refused-logins": "/refused-logins",
        "jobs": "/jobs",
        "new-campaign": "/jobs/campaigns/new",
        "certificates": "/certificates",
        "security": "/security",
        "tags": "/tags",
        "local-list": "/local-lists/staff",
        "reservations": "/reservations",
        "keys": "/keys",
        "users": "/users",
        "audit": "/audit",
        "webhooks": "/webhooks",
        "webhook": f"/webhooks/{places.webhook_id}",
    }


async def log_in(tab: Tab, demo: Demo) -> None:
    """Log in by the link, and set a password, so that no page asks for one."""
    await tab.open(demo.link)
    await _submit(tab, "main form")
    await tab.open(f"{demo.url}/console/account")
    password = secrets.token_urlsafe()
    for name in ("password", "repeated"):
        await tab.ask(f"document.querySelector('#field-{name}').value = {password!r}")
    await _submit(tab, 'form[action$="/account/password"]')


async def _submit(tab: Tab, form: str) -> None:
    await tab.ask(f"document.querySelector({form!r}).requestSubmit()")
    await asyncio.sleep(_SETTLING_S)


async def take(tab: Tab, address: str, device: str, scheme: _Scheme) -> bytes:
    """Return the picture of a page as WebP, at most `LIMIT_BYTES` long."""
    width = _WIDTHS[device]
    await tab.open(address, width=width, height=900, scheme=scheme)
    await asyncio.sleep(_SETTLING_S)
    height = min(await tab.ask("document.documentElement.scrollHeight"), _LONGEST[device])
    for quality in _QUALITIES:
        content = await tab.small_picture((width, height), _SCALES[device], quality)
        if len(content) <= LIMIT_BYTES:
            return content
    raise RuntimeError(f"the picture of {address} is too big")


async def main(count: int, minutes: float, only: str | None) -> None:
    """Run the demo, and write all pictures, or those of one screen only."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        async with running_demo(Path(folder) / "data", count) as demo:
            places = await tell(demo, count, minutes)
            async with Chromium.launch(program, Path(folder) / "profile") as browser, browser.tab() as tab:
                await log_in(tab, demo)
                FOLDER.mkdir(exist_ok=True)
                chosen = {name: path for name, path in screens(places).items() if only in (None, name)}
                for name, path in chosen.items():
                    for device in _WIDTHS:
                        for scheme in _SCHEMES:
                            content = await take(tab, f"{demo.url}/console{path}", device, scheme)
                            (FOLDER / f"{name}-{device}-{scheme}.webp").write_bytes(content)
                    print(name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10, help="charge points")
    parser.add_argument("--minutes", type=float, default=3.0, help="that the fleet lives after all was begun")
    parser.add_argument("--only", help="the name of one screen, such as fleet")
    options = parser.parse_args()
    asyncio.run(main(options.count, options.minutes, options.only))
