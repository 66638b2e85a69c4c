"""The server of the gateway's tests."""

import pytest

from tests.support.gateway import GatewayServer


@pytest.fixture
def server(gateway_server: GatewayServer) -> GatewayServer:
    """A server with the default settings."""
    return gateway_server
