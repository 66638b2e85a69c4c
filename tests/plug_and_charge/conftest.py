"""The server of the tests of DataTransfer, and a PKI."""

from collections.abc import AsyncIterator

import pytest

from tests.data_transfer.conftest import (
    allowing_module_server,
    allowing_operator,
    allowing_server,
    endpoint,
    station,
)
from tests.plug_and_charge.pki import Pki, pki

__all__ = [
    "allowing_module_server",
    "allowing_operator",
    "allowing_server",
    "contracts",
    "endpoint",
    "station",
]


@pytest.fixture
async def contracts() -> AsyncIterator[Pki]:
    async with pki() as made:
        yield made
