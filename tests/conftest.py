"""Configure the test run. The fixtures live in tests/support, so that every test can use them."""

import gc

import pytest
import structlog
from hypothesis import settings

# Modules and collected tests stay until the end. The collector would visit them again and again: while they
# are loaded, which takes a third of that time, and while tests run. See `pytest_collection_finish`.
gc.disable()

# Before the plugins are imported: their assertions then explain themselves as those of tests do.
pytest.register_assert_rewrite("tests.support")

pytest_plugins = [
    "tests.support.api_fixtures",
    "tests.support.browser",
    "tests.support.catalog",
    "tests.support.console",
    "tests.support.engines",
    "tests.support.gateway_fixtures",
    "tests.support.live_fixtures",
    "tests.support.processes",
    "tests.support.server",
    "tests.support.store",
    "tests.support.tools",
]

# A run of the tests says the same of the same code: properties are tried with the same examples each time,
# and without a deadline, which a busy machine would miss. `make explore` tries new examples, and many more.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=5000, deadline=None, print_blob=True)
settings.load_profile("same")

# Plain tracebacks: the default ones print every local variable, which takes seconds.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the end-to-end tests, and what is long, as slow. Files with slow tests come first.

    Processes take the files in this order. If a slow file came last, all others would wait for it.
    """
    for item in items:
        if item.nodeid.startswith("tests/system/") or item.get_closest_marker("long"):
            item.add_marker(pytest.mark.slow)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Exclude what is loaded from garbage collections, and let them begin, as rarely as those of a worker."""
    gc.freeze()
    gc.set_threshold(20_000)
    gc.enable()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a row by its argument if its text is long: certificates differ from process to process."""
    return argname if isinstance(val, str | bytes) and len(val) > 200 else None
