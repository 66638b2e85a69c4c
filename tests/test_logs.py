"""Secrets do not reach the log, whatever quotes them."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from app.logs import get_logger, setup_logging, without_secrets

SECRET = "hunter2hunter2hunter2hunter2hunter2"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:{0}@h:5432/d", "postgresql://u:***@h:5432/d"),
        ("postgresql://u:a/b@{0}@h/d?x=1", "postgresql://u:***@h/d?x=1"),
        ("redis://:{0}@h", "redis://:***@h"),
        ("key sm_0123456789ab_{0} is unknown", "key sm_0123456789ab_*** is unknown"),
        ("http://h:8080/transfers/{0}/fw.bin", "http://h:8080/transfers/***/fw.bin"),
        ("{{'authorization': 'Bearer {0}'}}", "{{'authorization': 'Bearer ***'}}"),
        ("Authorization: basic {0}==", "Authorization: basic ***"),
        ("https://h/a?x=1&X-Amz-Signature={0}&y=2", "https://h/a?x=1&X-Amz-Signature=***&y=2"),
        ("https://h/a;token={0};x=1#id_token={0}", "https://h/a;token=***;x=1#id_token=***"),
        ("https://{0}@h/a", "https://***@h/a"),
        ("/v1/files?access_token={0}", "/v1/files?access_token=***"),
    ],
)
def test_a_secret_is_hidden(text: str, shown: str) -> None:
    assert without_secrets(text.format(SECRET)) == shown.format("")
    assert without_secrets(shown.format("")) == shown.format("")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://127.0.0.1:8080/docs and more",
        "http://[::1]:8080",
        "see https://host:8080/a@b",
        "the basic profile",
        "ftp://anonymous@host/a;type=i#part=2",
        "a sm_all thing",
        "/v1/transactions?open=true&limit=5",
    ],
)
def test_nothing_else_is_hidden(text: str) -> None:
    assert without_secrets(text) == text


@pytest.fixture
def restored() -> Iterator[None]:
    """Leave the logging of the tests as it was."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**before)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_secret_is_in_a_line(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    setup_logging("info", log_format)  # type: ignore[arg-type]  # one of the two
    url = f"redis://:{SECRET}@h"
    get_logger("x").warning("failed", error=f"no {url}", nested={"urls": [url]})
    logging.getLogger("library").warning("cannot reach %s", url)
    for log in (get_logger("y").error, logging.getLogger("library").error):
        try:
            raise OSError(url)
        except OSError:
            log("broken", exc_info=True)
    written = capsys.readouterr().err
    assert SECRET not in written
    assert written.count("redis://:***@h") == 5
    if log_format == "json":
        assert [json.loads(line)["level"] for line in written.splitlines()] == ["warning"] * 2 + ["error"] * 2
