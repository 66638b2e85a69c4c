"""URLs of a server."""

import pytest

from app.addresses import url_of


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("localhost", "http://localhost:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),  # noqa: S104 - not listened on
        ("::", "http://127.0.0.1:8080"),
        ("::1", "http://[::1]:8080"),
        ("2001:db8::1", "http://[2001:db8::1]:8080"),
    ],
)
def test_a_host_becomes_a_url(host: str, url: str) -> None:
    assert url_of("http", host, 8080) == url
