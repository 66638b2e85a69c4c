"""Checks pages by tools of npm: axe-core for accessibility, html-validate for valid HTML."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support.chromium import Tab
from tests.support.tools import require_tool

_FILES: Final = Path(__file__).parent
_INSTALL_TIMEOUT_S: Final = 120
_RUN_AXE: Final = """
axe.run().then(found => found.violations.map(one => `${one.id}: ${one.nodes[0].html} ${one.help}`))
"""


class PageCheckers:
    """The tools, installed in a folder. cache: a folder that outlives the test run."""

    def __init__(self, cache: Path) -> None:
        require_tool("Node.js")
        npm = require_tool("npm")
        lock = (_FILES / "package-lock.json").read_bytes()
        self._folder = cache / hashlib.sha256(lock).hexdigest()[:16]
        finished = self._folder / "finished"
        if not finished.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            for name in ("package.json", "package-lock.json", "valid.json"):
                shutil.copy(_FILES / name, self._folder)
            done = subprocess.run(
                [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=self._folder,
                check=False,
                capture_output=True,
                text=True,
                timeout=_INSTALL_TIMEOUT_S,
            )
            assert done.returncode == 0, done.stderr
            finished.touch()

    async def inaccessible(self, tab: Tab) -> list[str]:
        """Return the violations that axe-core finds in a page."""
        script = (self._folder / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
        await tab.ask(f"{script}; undefined")
        answer = await tab.command(
            "Runtime.evaluate", expression=_RUN_AXE, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        found: list[str] = answer["result"]["value"]
        return found

    def invalid(self, pages: Mapping[str, str], directory: Path) -> list[str]:
        """Return the faults that html-validate finds. pages: HTML by name; directory: an empty one."""
        for name, html in pages.items():
            (directory / f"{name}.html").write_text(html, "utf-8")
        answer = directory / "answer.json"
        program = self._folder / "node_modules" / "html-validate" / "bin" / "html-validate.mjs"
        done = subprocess.run(
            [
                require_tool("Node.js"),
                str(program),
                "--config",
                str(self._folder / "valid.json"),
                # A pipe would get the beginning of a long answer only.
                "--formatter",
                f"json={answer}",
                *(str(directory / f"{name}.html") for name in pages),
            ],
            cwd=self._folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=_INSTALL_TIMEOUT_S,
        )
        assert done.returncode in (0, 1), done.stderr
        return [
            f"{Path(page['filePath']).name}:{fault['line']} {fault['ruleId']} {fault['message']}"
            for page in json.loads(answer.read_text("utf-8"))
            for fault in page["messages"]
        ]
