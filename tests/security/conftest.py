"""The server of the tests of security events."""

from tests.gateway.conftest import server

__all__ = ["server"]
