"""Configure the test run. The fixtures live in tests/support, so that every test can use them."""

import pytest
import structlog

# Before the plugins are imported: their assertions then explain themselves as those of tests do.
pytest.register_assert_rewrite("tests.support")

pytest_plugins = [
    "tests.support.api_fixtures",
    "tests.support.browser",
    "tests.support.catalog",
    "tests.support.engines",
    "tests.support.live_fixtures",
    "tests.support.processes",
    "tests.support.server",
    "tests.support.store",
    "tests.support.tools",
]

# Plain tracebacks: the default ones print every local variable, which takes seconds.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the end-to-end tests as slow: each starts servers of its own. Files with slow tests come first.

    Processes take the files in this order. If a slow file came last, all others would wait for it.
    """
    for item in items:
        if item.nodeid.startswith("tests/system/"):
            item.add_marker(pytest.mark.slow)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
