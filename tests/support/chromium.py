"""Drives a headless Chromium by its debugging protocol: opens pages, evaluates, takes pictures."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, Self

from websockets.asyncio.client import ClientConnection, connect

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
_START_TIMEOUT_S = 40.0


class Tab:
    """One page of the browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._last_id = 0
        self.events: list[dict[str, Any]] = []

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command, and wait for its result. Events that arrive meanwhile are kept."""
        self._last_id += 1
        await self._connection.send(json.dumps({"id": self._last_id, "method": method, "params": parameters}))
        while True:
            message: dict[str, Any] = json.loads(await self._connection.recv())
            if message.get("id") == self._last_id:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self.events.append(message)

    async def open(
        self, url: str, *, width: int = 1280, height: int = 900, scheme: Literal["light", "dark"] = "light"
    ) -> None:
        """Load a page, and wait for it and its style sheet. width, height: in CSS pixels."""
        for domain in ("Page", "Runtime", "Log"):
            await self.command(f"{domain}.enable")
        phone = width < 600
        await self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )
        scheme_feature = {"name": "prefers-color-scheme", "value": scheme}
        await self.command("Emulation.setEmulatedMedia", features=[scheme_feature])
        self.events.clear()
        await self.command("Page.navigate", url=url)
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(json.loads(await self._connection.recv()))

    async def ask(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        answer = await self.command("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def complaints(self) -> list[str]:
        """Return the warnings and errors in the log: blocked by policy, not found, failed script."""
        entries = [event["params"]["entry"] for event in self.events if event["method"] == "Log.entryAdded"]
        return [f"{entry['level']}: {entry['text']}" for entry in entries if entry["level"] != "verbose"]

    async def picture(self) -> bytes:
        """Return a picture of the whole page as PNG."""
        answer = await self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])

    async def small_picture(self, size: tuple[int, int], scale: float, quality: int) -> bytes:
        """Return a picture of the top of the page as WebP.

        size: width and height, in CSS pixels; scale: pixels of the picture for each; quality: 1 to 100.
        """
        clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": scale}
        options = {"format": "webp", "quality": quality, "clip": clip, "captureBeyondViewport": True}
        answer = await self.command("Page.captureScreenshot", **options)
        return base64.b64decode(answer["data"])


class Chromium:
    """A running browser."""

    def __init__(self, address: str) -> None:
        self._address = address

    @asynccontextmanager
    async def tab(self) -> AsyncIterator[Tab]:
        """Open a new page, and close it at the end."""
        async with connect(self._address, max_size=None) as connection:
            browser = Tab(connection)
            target = (await browser.command("Target.createTarget", url="about:blank"))["targetId"]
            page_address = self._address.split("/devtools/")[0] + f"/devtools/page/{target}"
            async with connect(page_address, max_size=None) as page:
                yield Tab(page)
            await browser.command("Target.closeTarget", targetId=target)

    @classmethod
    @asynccontextmanager
    async def launch(cls, executable: str, profile: Path) -> AsyncIterator[Self]:
        """Start a browser with an empty profile, and end it.

        profile: a folder without a profile.
        """
        process = await asyncio.create_subprocess_exec(
            executable,
            *FLAGS,
            f"--user-data-dir={profile}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                while True:
                    line = (await process.stderr.readline()).decode(errors="replace")
                    assert line, "the browser ended before it listened"
                    if "DevTools listening on " in line:
                        break
            # The output of the browser must be read, or it blocks when the pipe is full.
            drain = asyncio.create_task(process.stderr.read())
            yield cls(line.rpartition("DevTools listening on ")[2].strip())
            process.terminate()
            await drain
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
