"""Tools outside Python that some tests need.

Where a tool is missing its tests are skipped, and the end of the run lists them. With REQUIRE_ALL=1, as the
continuous integration runs, they fail instead.
"""

import os
import shutil
from collections import Counter
from typing import Final

import pytest

TOOLS: Final[dict[str, tuple[str, ...]]] = {
    "Chromium": ("chromium", "chromium-browser", "google-chrome"),
    # An S3 server. `go install github.com/versity/versitygw/cmd/versitygw@v1.8.0`, and its folder on PATH.
    "versitygw": ("versitygw",),
    # It renders the chart. `go install helm.sh/helm/v3/cmd/helm@v3.22.0`, and its folder on PATH.
    "helm": ("helm",),
    "OpenSSL": ("openssl",),
    # It checks the alert rules. Debian's package `prometheus` has it.
    "promtool": ("promtool",),
    "Node.js": ("node", "nodejs"),
    "npm": ("npm",),
    "PgBouncer": ("pgbouncer",),
    # It checks the unit of docs/operations.md.
    "systemd": ("systemd-analyze",),
}
"""Names of the programs under which each tool may be found on PATH."""

_MISSING: Final = "missing tool: "


def require_tool(name: str) -> str:
    """Return the path of a tool. Skip the test if the tool is missing, or fail it if REQUIRE_ALL=1."""
    for program in TOOLS[name]:
        if (path := shutil.which(program)) is not None:
            return path
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"{_MISSING}{name}, and REQUIRE_ALL=1 asks for it", pytrace=False)
    pytest.skip(f"{_MISSING}{name}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the missing tools and how many tests each of them skipped."""
    reasons = [
        report.longrepr[2]
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    ]
    missing = Counter(reason.partition(_MISSING)[2] for reason in reasons if _MISSING in reason)
    if missing:
        terminalreporter.section("missing tools (REQUIRE_ALL=1 makes their tests fail)")
    for name, count in sorted(missing.items()):
        terminalreporter.line(f"{name}: {count} tests skipped")
